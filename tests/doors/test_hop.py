"""The hop to the gateway on loopback: who may come over it, with what, and for how long."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio

from tests.doors.running import generation_of
from tests.doors.wire import Reply, ask
from tests.loopers.world import CHAT, policy_of, request
from tests.scripted import ScriptedEncoder
from vsr.config.policy import ApiKey, Listener
from vsr.content import Secret
from vsr.doors.hop import REFERENCE, TOKEN, Hop, Loopback
from vsr.doors.server import HttpServer
from vsr.exchange import Compose, Exchange, RequestHead
from vsr.generation import Generation, Live
from vsr.providers.client import Upstream
from vsr.simulator import SimulatorServer

KEY = "key-of-a-client"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class World:
    """A loopback listener whose clients need a key of their own unless a judged exchange waits for them."""

    port: int
    hop: Hop
    clock: Clock
    generation: Generation
    encoder: ScriptedEncoder
    model: SimulatorServer

    async def left(self) -> tuple[Exchange, str]:
        """A judged exchange, and the reference that leads to it."""
        own = (("authorization", f"Bearer {KEY}"),)
        exchange = self.generation.exchange(RequestHead("POST", CHAT, own, listener="main"), "extproc")
        assert exchange.on_request_headers() is None
        action = await exchange.on_request_body(request())
        assert isinstance(action, Compose)
        return exchange, self.hop.leave(exchange, action, self.generation.policy)

    async def come(self, reference: str, **changed: str) -> Reply:
        """As Envoy comes, with neither the client's key nor any other."""
        return await ask(self.port, "POST", CHAT, request(), self.hop.headers(reference, "main") | changed)


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    encoder, clock = ScriptedEncoder(), Clock()
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(SimulatorServer())
        policy = policy_of({"small": model.port, "big": model.port}, {"type": "ratings"})
        listener = Listener("main", port=0, timeout=30, api_keys=(ApiKey(Secret(KEY)),))
        generation = generation_of(replace(policy, listeners=(listener,)), encoder)
        upstream = Upstream()
        await upstream.start()
        stack.push_async_callback(upstream.aclose)
        hop = Hop(clock=clock)
        server = HttpServer(Loopback(Live(generation), upstream, hop), "127.0.0.1", 0)
        hop.port = await server.start()
        stack.push_async_callback(server.stop)
        yield World(hop.port, hop, clock, generation, encoder, model)


async def test_what_was_left_is_answered_once_without_being_judged_again(world: World) -> None:
    _, reference = await world.left()
    reply = await world.come(reference)
    assert (reply.status, reply.headers["x-vsr-response-path"]) == (200, "looper")
    assert (world.encoder.calls, len(world.model.requests)) == (1, 2)
    await world.generation.drained()


async def test_a_reference_that_was_used_opens_nothing(world: World) -> None:
    _, reference = await world.left()
    await world.come(reference)
    again = await world.come(reference)
    assert again.status == 401
    assert len(world.model.requests) == 2


@pytest.mark.parametrize(("waited", "status"), [(30.0, 200), (30.1, 401)])
async def test_a_parcel_waits_for_thirty_seconds(world: World, waited: float, status: int) -> None:
    exchange, reference = await world.left()
    world.clock.now += waited
    assert (await world.come(reference)).status == status
    assert bool(world.model.requests) == (status == 200)
    if world.hop.forget(reference):
        exchange.close()
    await world.generation.drained()


async def test_an_expired_parcel_is_still_its_sessions_to_close(world: World) -> None:
    exchange, reference = await world.left()
    world.clock.now += 31
    assert world.hop.take(reference) is None
    assert world.hop.forget(reference)
    assert not world.hop.forget(reference)
    exchange.close()


@pytest.mark.parametrize("token", ["", "guess", Hop().headers("", "")[TOKEN]], ids=["none", "guess", "other"])
async def test_a_foreign_token_finds_nothing_here_and_leaves_the_parcel(world: World, token: str) -> None:
    exchange, reference = await world.left()
    reply = await world.come(reference, **{TOKEN: token})
    assert (reply.status, reply.error["code"]) == (404, "not_found")
    assert not world.model.requests
    assert world.hop.take(reference) is not None
    exchange.close()


async def test_the_token_alone_lets_nobody_past_the_clients_keys(world: World) -> None:
    assert (await world.come("left elsewhere")).status == 401
    assert (await world.come("x", **{REFERENCE: ""})).status == 401
    known = await world.come("left elsewhere", authorization=f"Bearer {KEY}")
    assert known.status == 200
    assert world.encoder.calls == 1
