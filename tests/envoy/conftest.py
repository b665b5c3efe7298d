"""One real Envoy and one processor for each module of tests: both live in that module's event loop."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
import pytest_asyncio

from tests.envoy.world import BackEnd, World
from vsr.config.envoy import EnvoyOptions, envoy_config
from vsr.config.policy import Backend, Limits, Listener, Model, Policy, Timeouts
from vsr.doors.envoy_process import EnvoyProcess
from vsr.doors.extproc import ExtProcServer
from vsr.doors.extproc.server import Live

BODY_LIMIT = 12 * 1024 * 1024


def policy_for(port: int) -> Policy:
    """All models but `refusing` answer. Listeners take free ports."""

    def model(name: str, where: int, base_path: str = "/v1") -> Model:
        return Model(name, name, (Backend(f"{name}-1", name, "http", "127.0.0.1", where, base_path),))

    models = [
        model("math-7b", port),
        model("other-model", port),
        model("prefixed", port, "/api/openai"),
        model("refusing", closed_port()),
    ]
    return Policy(
        listeners=(Listener("main", port=0, timeout=60),),
        models={model.name: model for model in models},
        limits=Limits(max_body_bytes=BODY_LIMIT),
        timeouts=Timeouts(connect=1, first_token=1.5, idle=1.5),
    )


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def fronted(
    live: Live, policy: Policy, *, message_timeout: float = 10.0, patience: float = 4.0
) -> AsyncIterator[tuple[str, EnvoyProcess, ExtProcServer]]:
    """An Envoy for this policy with a processor behind it: its URL, and both."""
    server = ExtProcServer(live, port=0, patience=patience)
    options = EnvoyOptions(extproc_port=await server.start(), message_timeout=message_timeout)
    envoy = EnvoyProcess(envoy_config(policy, options), concurrency=1)
    try:
        await envoy.start()
        (port,) = (await envoy.ports()).values()
        yield f"http://127.0.0.1:{port}", envoy, server
    finally:
        await envoy.stop(0)
        await server.stop(0)


@asynccontextmanager
async def running(
    world: World, *, message_timeout: float = 10.0, patience: float = 4.0
) -> AsyncIterator[tuple[EnvoyProcess, ExtProcServer]]:
    """The same for a small world; sets its url."""
    async with fronted(world, world.policy, message_timeout=message_timeout, patience=patience) as front:
        world.url, envoy, server = front
        yield envoy, server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_world() -> AsyncIterator[World]:
    back_end = BackEnd()
    runner = await back_end.start()
    world = World(policy_for(back_end.port), back_end)
    async with running(world):
        yield world
    await runner.cleanup()


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    shared_world.forget()
    yield shared_world
    shared_world.forget()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session
