"""The management API on an ephemeral port, with a scripted encoder."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.doors.running import generation_of
from tests.doors.wire import Reply, ask
from tests.scripted import ScriptedEncoder, make_policy
from vsr.config.policy import Policy
from vsr.doors.management import management_app
from vsr.doors.server import HttpServer
from vsr.generation import Generation, Live
from vsr.signals.engine import SignalEngine


@dataclass
class Api:
    port: int
    generation: Generation

    async def post(self, path: str, **body: object) -> Reply:
        return await ask(self.port, "POST", path, json.dumps(body).encode())

    async def get(self, path: str) -> Reply:
        return await ask(self.port, "GET", path)


@asynccontextmanager
async def management(
    policy: Policy | None = None,
    encoder: ScriptedEncoder | None = None,
    signals: SignalEngine | None = None,
) -> AsyncIterator[Api]:
    generation = generation_of(policy or make_policy(), encoder)
    generation.signals = signals or generation.signals
    server = HttpServer(management_app(Live(generation)), "127.0.0.1", 0)
    port = await server.start()
    try:
        yield Api(port, generation)
    finally:
        await server.stop()
