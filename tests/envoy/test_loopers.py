"""Requests that several models answer, through the real Envoy: it sends them to our own gateway on
loopback, where the judged exchange waits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import aiohttp
import openai
import pytest
import pytest_asyncio

from tests.doors.running import generation_of
from tests.loopers.world import CHAT, policy_of, request
from tests.scripted import ScriptedEncoder
from vsr.config.envoy import EnvoyOptions, envoy_config
from vsr.config.policy import ApiKey, Listener
from vsr.content import Secret
from vsr.doors.envoy_process import EnvoyProcess
from vsr.doors.extproc import ExtProcServer
from vsr.doors.hop import Hop, Loopback
from vsr.doors.server import HttpServer
from vsr.generation import Generation, Live
from vsr.providers.client import Upstream
from vsr.simulator import SimulatorServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = "key-of-a-client"
FUSION = {"type": "fusion", "fusion": {"model": "big", "analysis_mode": "one_call"}}


@dataclass
class World:
    url: str
    loopback: str
    generation: Generation
    encoder: ScriptedEncoder
    small: SimulatorServer
    big: SimulatorServer
    hop: Hop
    client: aiohttp.ClientSession

    async def chat(
        self, text: str = "why?", *, headers: Mapping[str, str] | None = None, **fields: object
    ) -> aiohttp.ClientResponse:
        sent = {"authorization": f"Bearer {KEY}", **(headers or {})}
        return await self.client.post(self.url + CHAT, data=request(text, **fields), headers=sent)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[World]:
    encoder = ScriptedEncoder()
    async with AsyncExitStack() as stack:
        upstream = Upstream()
        await upstream.start()
        stack.push_async_callback(upstream.aclose)
        small, big = [await stack.enter_async_context(SimulatorServer()) for _ in range(2)]
        client = await stack.enter_async_context(aiohttp.ClientSession())
        policy = policy_of({"small": small.port, "big": big.port}, FUSION)
        listener = Listener("main", port=0, timeout=30, api_keys=(ApiKey(Secret(KEY)),))
        generation = generation_of(replace(policy, listeners=(listener,)), encoder)
        hop = Hop()
        loopback = HttpServer(Loopback(Live(generation), upstream, hop), "127.0.0.1", 0)
        hop.port = await loopback.start()
        stack.push_async_callback(loopback.stop)
        processor = ExtProcServer(Live(generation), port=0, hop=hop)
        options = EnvoyOptions(extproc_port=await processor.start(), loopback_port=hop.port)
        stack.push_async_callback(processor.stop, 0)
        envoy = EnvoyProcess(envoy_config(generation.policy, options), concurrency=1)
        await envoy.start()
        stack.push_async_callback(envoy.stop, 0)
        (port,) = (await envoy.ports()).values()
        url, here = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{hop.port}"
        yield World(url, here, generation, encoder, small, big, hop, client)


@pytest.fixture
def world(shared: World) -> World:
    for server in (shared.small, shared.big):
        server.requests.clear()
    return shared


async def test_the_openai_client_gets_one_answer_plain_and_streamed(world: World) -> None:
    async with openai.AsyncOpenAI(base_url=world.url + "/v1", api_key=KEY, max_retries=0) as client:
        plain = await client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": "why?"}]
        )
        assert plain.choices[0].message.content
        stream = await client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": "why?"}], stream=True
        )
        text = "".join([event.choices[0].delta.content or "" async for event in stream if event.choices])
        assert "I am big" in text


async def test_the_request_is_judged_once_and_the_answer_says_which_models_were_called(world: World) -> None:
    judged = world.encoder.calls
    async with await world.chat() as answer:
        body = await answer.json()
    assert answer.status == 200
    assert answer.headers["x-vsr-response-path"] == "looper"
    assert answer.headers["x-vsr-looper-models-used"] == "small,big"
    assert world.encoder.calls == judged + 1
    assert body["usage"]["total_tokens"] > 0
    await world.generation.drained()


async def test_a_stream_passes_through_both_hops_while_it_is_written(world: World) -> None:
    async with await world.chat(stream=True, headers={"x-sim-tokens-per-second": "20"}) as answer:
        first = await answer.content.readuntil(b"\n\n")
        assert world.big.requests[-1].outcome == "pending"
        rest = await answer.content.read()
    assert b"I" not in first
    assert b"[DONE]" in rest


async def test_a_client_that_leaves_cancels_the_calls(world: World) -> None:
    asking = asyncio.create_task(world.chat(headers={"x-sim-fault": "stall"}))
    async with asyncio.timeout(20):
        while not (world.small.requests and world.big.requests):  # noqa: ASYNC110 # no event of a server
            await asyncio.sleep(0.01)
        asking.cancel()
        await world.small.requests[0].ended.wait()
        await world.big.requests[0].ended.wait()
        await world.generation.drained()


async def test_neither_token_nor_reference_nor_the_clients_key_reach_a_model(world: World) -> None:
    async with await world.chat(headers={"x-kept": "1"}) as answer:
        assert answer.status == 200
    for server in (world.small, world.big):
        for received in server.requests:
            assert received.headers["x-kept"] == "1"
            assert not [name for name in received.headers if name.startswith("x-vsr-")]
            assert "authorization" not in received.headers
            assert "x-forwarded-for" not in received.headers


async def test_forged_headers_lead_no_client_around_the_guards(world: World) -> None:
    forged = {
        "x-vsr-internal-auth": "guess",
        "x-vsr-looper-request": "guess",
        "x-selected-model": "vsr-looper",
        "x-gateway-destination-endpoint": world.loopback.removeprefix("http://"),
    }
    async with await world.chat("attack!", headers=forged) as answer:
        assert answer.status == 403
    assert not world.small.requests
    async with world.client.post(world.loopback + CHAT, data=request(), headers=forged) as direct:
        assert direct.status == 404
        assert (await direct.json())["error"]["code"] == "not_found"
    assert not world.small.requests


async def test_what_another_worker_left_is_judged_again_with_the_clients_own_key(world: World) -> None:
    judged = world.encoder.calls
    headers = world.hop.headers("left elsewhere", "main")
    async with world.client.post(world.loopback + CHAT, data=request(), headers=headers) as answer:
        assert answer.status == 401
    own = headers | {"authorization": f"Bearer {KEY}"}
    async with world.client.post(world.loopback + CHAT, data=request(), headers=own) as answer:
        assert answer.status == 200
        assert answer.headers["x-vsr-looper-models-used"] == "small,big"
    assert world.encoder.calls == judged + 1
    async with world.client.post(world.loopback + CHAT, data=request("attack!"), headers=own) as answer:
        assert answer.status == 403


async def test_when_all_models_fail_the_error_is_openais(world: World) -> None:
    async with await world.chat(headers={"x-sim-fault": "status=500"}) as answer:
        error = json.loads(await answer.read())["error"]
    assert (answer.status, error["code"]) == (502, "looper_failed")
    await world.generation.drained()
