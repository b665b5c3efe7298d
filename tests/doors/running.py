"""A gateway on an ephemeral port, with the real exchange and a scripted encoder."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from tests.doors.wire import Reply, ask
from tests.scripted import ScriptedEncoder, make_policy
from vsr.config.policy import Policy, Timeouts
from vsr.doors.gateway import Gateway
from vsr.doors.server import HttpServer
from vsr.encoder.encoder import Encoder
from vsr.facts import Passage, Readings
from vsr.generation import Generation, Live
from vsr.providers.client import Upstream
from vsr.telemetry import Metrics

CHAT = "/v1/chat/completions"
Change = Callable[[dict[str, Any]], None]


@dataclass
class Running:
    port: int
    generation: Generation
    encoder: ScriptedEncoder
    server: HttpServer

    async def chat(self, body: bytes, **headers: str) -> Reply:
        """Header names are given with underscores."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return await ask(self.port, "POST", CHAT, body, fields)

    def ended(self, status: int, code: str) -> float:
        """How many requests ended like this."""
        labels = {"door": "gateway", "status": str(status), "code": code}
        return self.generation.metrics.registry.get_sample_value("vsr_requests_total", labels) or 0.0


@dataclass
class GatedEncoder(ScriptedEncoder):
    """Answers when `gate` is opened; `entered` is set when it is asked."""

    gate: asyncio.Event | None = field(default_factory=asyncio.Event)
    entered: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(
        self, passages: Sequence[Passage], ask: Sequence[int], *, deadline: float | None = None
    ) -> Readings:
        self.entered.set()
        return await super().read(passages, ask, deadline=deadline)

    def open(self) -> None:
        assert self.gate is not None
        self.gate.set()


def question(text: str = "math! 6 * 7", **fields: object) -> bytes:
    return json.dumps(
        {"model": "auto", "messages": [{"role": "user", "content": text}], **fields}, ensure_ascii=False
    ).encode()


def generation_of(policy: Policy, encoder: ScriptedEncoder | None = None) -> Generation:
    return Generation(policy, cast(Encoder, encoder or ScriptedEncoder()), Metrics())


@asynccontextmanager
async def gateway(
    backend_port: int,
    *,
    encoder: ScriptedEncoder | None = None,
    timeouts: Timeouts | None = None,
    change: Change | None = None,
) -> AsyncIterator[Running]:
    encoder = encoder or ScriptedEncoder()

    def edit(fields: dict[str, object]) -> None:
        fields["timeouts"] = timeouts or Timeouts()
        if change is not None:
            change(fields)

    generation = generation_of(make_policy(backend_port, edit), encoder)
    upstream = Upstream()
    await upstream.start()
    server = HttpServer(Gateway(Live(generation), upstream, listener="default"), "127.0.0.1", 0)
    port = await server.start()
    try:
        yield Running(port, generation, encoder, server)
    finally:
        await server.stop()
        await upstream.aclose()
