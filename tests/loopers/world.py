"""A gateway before simulated models, one server each, with one decision that calls several of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import openai

from tests.doors.running import generation_of
from tests.doors.wire import Reply, ask
from tests.scripted import ScriptedEncoder
from vsr.config.load import load_text
from vsr.config.policy import Policy
from vsr.doors.gateway import Gateway
from vsr.doors.server import HttpServer
from vsr.generation import Generation, Live
from vsr.providers.client import Upstream
from vsr.simulator import Settings, SimulatorServer
from vsr.simulator.settings import Fault

CHAT = "/v1/chat/completions"
BROKEN = Settings(fault=Fault("status", 500))

Algorithm = Mapping[str, Any]


@dataclass
class Looping:
    port: int
    generation: Generation
    models: dict[str, SimulatorServer]

    def client(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(
            base_url=f"http://127.0.0.1:{self.port}/v1", api_key="any", max_retries=0, timeout=30
        )

    async def chat(self, text: str = "why?", headers: Mapping[str, str] | None = None, **body: Any) -> Reply:
        return await ask(self.port, "POST", CHAT, request(text, **body), dict(headers or {}))

    def asked(self, model: str) -> list[Any]:
        """Bodies of the requests that the model's server got."""
        return [received.json() for received in self.models[model].requests]

    def calls(self) -> dict[str, int]:
        return {name: len(server.requests) for name, server in self.models.items()}

    def sample(self, name: str, **labels: str) -> float:
        return self.generation.metrics.registry.get_sample_value(name, labels) or 0.0


def request(text: str = "why?", **fields: Any) -> bytes:
    return json.dumps({"model": "auto", "messages": [{"role": "user", "content": text}], **fields}).encode()


def policy_of(
    ports: Mapping[str, int],
    algorithm: Algorithm,
    *,
    more: str = "",
    plugins: str = "[]",
    listener: int = 8801,
    refs: Sequence[str] = (),
) -> Policy:
    """refs: the decision's models; all of them by default."""
    models = "".join(
        f"    - {{name: {name}, backend_refs: [{{endpoint: 127.0.0.1:{port}}}]}}\n"
        for name, port in ports.items()
    )
    cards = "".join(
        f"    - {{name: {name}, param_size: {size}B, quality_score: 0.{size}}}\n"
        for size, name in enumerate(ports, 1)
    )
    own = ", ".join(f"{{model: {name}}}" for name in refs or ports)
    text = f"""version: v0.3
listeners: [{{name: main, address: 127.0.0.1, port: {listener}}}]
providers:
  defaults: {{default_model: {next(iter(ports))}}}
  models:
{models}routing:
  modelCards:
{cards}  decisions:
    - name: several
      modelRefs: [{own}]
      algorithm: {json.dumps(dict(algorithm))}
      plugins: {plugins}
{more}"""
    return load_text(text, "test.yaml", {}).policy


@asynccontextmanager
async def looping(
    algorithm: Algorithm,
    models: Mapping[str, Settings] | None = None,
    *,
    more: str = "",
    plugins: str = "[]",
    refs: Sequence[str] = (),
) -> AsyncIterator[Looping]:
    """By default three models that answer; a model's quality and size grow with its place."""
    settings = models or {"small": Settings(), "middle": Settings(), "big": Settings()}
    async with AsyncExitStack() as stack:
        servers = {
            name: await stack.enter_async_context(SimulatorServer(one)) for name, one in settings.items()
        }
        ports = {name: server.port for name, server in servers.items()}
        generation = generation_of(
            policy_of(ports, algorithm, more=more, plugins=plugins, refs=refs), ScriptedEncoder()
        )
        upstream = Upstream()
        await upstream.start()
        stack.push_async_callback(upstream.aclose)
        server = HttpServer(Gateway(Live(generation), upstream, listener="main"), "127.0.0.1", 0)
        port = await server.start()
        stack.push_async_callback(server.stop)
        yield Looping(port, generation, servers)
