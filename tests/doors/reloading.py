"""A gateway and a management API over one configuration file, with a scripted encoder."""

# ruff: noqa: ASYNC240 # a small file

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from tests.doors.wire import Reply, ask
from tests.scripted import ScriptedBundle, ScriptedEncoder
from tests.signals.asking import vector
from vsr.config.load import LoadedConfig, load_text
from vsr.config.storage import ConfigFile
from vsr.doors.gateway import Gateway
from vsr.doors.management import management_app
from vsr.doors.server import HttpServer
from vsr.encoder.bundle import default_bundle_path, load_bundle
from vsr.encoder.encoder import Encoder
from vsr.encoder.manifest import Manifest
from vsr.facts import Passage, Readings
from vsr.generation import Generation, Live
from vsr.providers.client import Upstream
from vsr.reload import Reloader, Source
from vsr.telemetry import Metrics

DOCUMENT = """\
# a comment that stays
version: v0.3
providers:
  defaults: {default_model: NAME} # the default
  models: [{name: NAME, backend_refs: [{endpoint: "127.0.0.1:PORT"}]}]
"""
ENV = {"TOKEN": "s3cret-token", "VIEWER": "viewer-token"}
AUTH = """\
global:
  services:
    management_api:
      auth: {mode: bearer, tokens: [{env: TOKEN, role: admin}, {env: VIEWER, role: viewer}]}
"""


@dataclass
class ManifestBundle(ScriptedBundle):
    manifest: Manifest = field(default_factory=lambda: load_bundle(default_bundle_path()).manifest)


class EmbeddingEncoder(ScriptedEncoder):
    """Places every text somewhere, too."""

    async def read(
        self, passages: Sequence[Passage], ask: Sequence[int], *, deadline: float | None = None
    ) -> Readings:
        readings = await super().read(passages, ask, deadline=deadline)
        return replace(readings, embedding=vector(passages[0].text.reveal()))


def document(name: str, port: int = 9001) -> str:
    return DOCUMENT.replace("NAME", name).replace("PORT", str(port))


def load(text: str) -> LoadedConfig:
    return load_text(text, "router.yaml", ENV)


@dataclass
class Reloading:
    path: Path | None
    live: Live
    reloader: Reloader
    gateway_port: int
    port: int

    async def ask(self, method: str, path: str, body: str = "", **headers: str) -> Reply:
        """Of the management API. Header names are given with underscores."""
        fields = {"host": "127.0.0.1"} | {name.replace("_", "-"): value for name, value in headers.items()}
        return await ask(self.port, method, path, body.encode(), fields)


@asynccontextmanager
async def reloading(path: Path | None, text: str) -> AsyncIterator[Reloading]:
    if path is not None:
        path.write_text(text)
    loaded = load(text)
    encoder = EmbeddingEncoder(bundle=ManifestBundle())
    live = Live(Generation(loaded.policy, cast(Encoder, encoder), Metrics()))
    file = ConfigFile(path) if path is not None else None
    reloader = Reloader(live, Source("router.yaml", file, load), text, loaded)
    upstream = Upstream()
    await upstream.start()
    gateway = HttpServer(Gateway(live, upstream, listener="default"), "127.0.0.1", 0)
    management = HttpServer(management_app(live, reloader), "127.0.0.1", 0)
    gateway_port, port = await gateway.start(), await management.start()
    try:
        yield Reloading(path, live, reloader, gateway_port, port)
    finally:
        await gateway.stop()
        await management.stop()
        await upstream.aclose()
        await live.aclose()
