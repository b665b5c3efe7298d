"""Behind Envoy: too much at once, and a processor that is lost while streams run."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from tests.doors.running import GatedEncoder, generation_of
from tests.envoy.conftest import fronted
from tests.scripted import ScriptedEncoder, make_policy
from vsr.config.policy import Limits, Listener, Policy
from vsr.generation import Live
from vsr.simulator import SimulatorServer

CHAT = "/v1/chat/completions"


def policy_of(simulator: SimulatorServer, limit: int) -> Policy:
    def settle(fields: dict[str, Any]) -> None:
        fields["listeners"] = (Listener("main", port=0, timeout=30),)
        fields["limits"] = Limits(max_concurrent_requests=limit)

    return make_policy(simulator.port, settle)


def chat(stream: bool = False) -> dict[str, Any]:
    return {"model": "auto", "stream": stream, "messages": [{"role": "user", "content": "math!"}]}


async def test_one_request_too_many_is_503_at_once_and_the_admitted_one_finishes() -> None:
    encoder = GatedEncoder()
    async with SimulatorServer() as simulator, aiohttp.ClientSession() as client:
        policy = policy_of(simulator, limit=1)
        async with fronted(Live(generation_of(policy, encoder)), policy) as (url, _, _):
            admitted = asyncio.create_task(client.post(url + CHAT, json=chat()))
            await encoder.entered.wait()
            async with client.post(url + CHAT, json=chat()) as turned_away:
                assert turned_away.status == 503
                assert turned_away.headers["retry-after"] == "1"
                assert (await turned_away.json())["error"]["code"] == "overloaded"
            encoder.open()
            async with await admitted as answer:
                assert answer.status == 200


async def test_a_running_stream_ends_when_the_processor_is_lost_and_new_requests_are_refused() -> None:
    async with SimulatorServer() as simulator, aiohttp.ClientSession() as client:
        policy = policy_of(simulator, limit=8)
        async with fronted(Live(generation_of(policy, ScriptedEncoder())), policy) as (url, _, server):
            stalling = {"x-sim-fault": "stall-midway"}
            async with client.post(url + CHAT, json=chat(stream=True), headers=stalling) as running:
                assert running.status == 200
                await running.content.readany()
                await server.stop(0)  # cuts its streams, as a killed process would
                try:
                    while await running.content.readany():
                        pass
                except aiohttp.ClientError:
                    pass  # a cut answer is an end, too; what matters is that it does not hang
            reached = len(simulator.requests)
            async with client.post(url + CHAT, json=chat()) as refused:
                assert refused.status == 503
                assert "error" in await refused.json()
            assert len(simulator.requests) == reached
