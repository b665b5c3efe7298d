"""Loopers through the gateway, over real sockets: what the client gets and what models are asked."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest

from tests.doors.wire import Wire
from tests.doors.wire import request as raw_request
from tests.loopers.world import BROKEN, CHAT, looping, request
from vsr.simulator import Settings
from vsr.simulator.settings import Fault

FUSION = {"type": "fusion", "fusion": {"model": "big", "analysis_mode": "one_call"}}
REMOM = {"type": "remom", "remom": {"breadth_schedule": [3, 2]}}
RATINGS = {"type": "ratings"}
ALL: list[dict[str, Any]] = [
    {"type": "confidence"},
    RATINGS,
    REMOM,
    FUSION,
    {"type": "workflows", "workflows": {"roles": [{"name": "thinker", "models": ["small", "middle"]}]}},
    {
        "type": "workflows",
        "workflows": {"roles": [{"name": "thinker", "models": ["small"]}], "final": {"model": "big"}},
    },
]
ONE_MESSAGE: Any = [{"role": "user", "content": "why?"}]


@pytest.mark.parametrize("algorithm", ALL, ids=lambda one: str(one["type"]))
async def test_the_openai_client_gets_one_answer_plain_and_streamed(algorithm: dict[str, Any]) -> None:
    async with looping(algorithm) as world, world.client() as client:
        plain = await client.chat.completions.create(model="auto", messages=ONE_MESSAGE)
        assert plain.choices[0].message.content
        assert plain.choices[0].finish_reason == "stop"
        stream = await client.chat.completions.create(
            model="auto", messages=ONE_MESSAGE, stream=True, stream_options={"include_usage": True}
        )
        events = [event async for event in stream]
        text = "".join(event.choices[0].delta.content or "" for event in events if event.choices)
        assert text
        assert [event.choices[0].finish_reason for event in events if event.choices][-1] == "stop"
        usages = [event.usage for event in events if event.usage]
        assert len(usages) == 1
        assert plain.usage is not None
        assert usages[0].total_tokens >= 0.8 * plain.usage.total_tokens > 0


async def test_a_client_that_did_not_ask_for_usage_sees_none_in_its_stream() -> None:
    async with looping(FUSION) as world:
        reply = await world.chat(stream=True)
        assert b'"usage":{' not in reply.body
        assert reply.body.endswith(b"data: [DONE]\n\n")


async def test_one_bill_holds_the_tokens_of_all_calls() -> None:
    async with looping(FUSION) as world:
        reply = await world.chat()
        used = json.loads(reply.body)["usage"]
        assert world.calls() == {"small": 1, "middle": 1, "big": 2}
        by_model = [world.sample("llm_model_tokens_total", model=name) for name in ("small", "middle", "big")]
        assert all(by_model)
        assert sum(by_model) == used["total_tokens"] == used["prompt_tokens"] + used["completion_tokens"]
        assert world.sample("llm_model_requests_total", model="big") == 2


async def test_headers_tell_which_models_were_called_and_how_often() -> None:
    async with looping(FUSION) as world:
        headers = (await world.chat()).headers
        assert headers["x-vsr-response-path"] == "looper"
        assert headers["x-vsr-selected-algorithm"] == "fusion"
        assert headers["x-vsr-looper-algorithm"] == "fusion"
        assert headers["x-vsr-looper-models-used"] == "small,middle,big"
        assert headers["x-vsr-looper-iterations"] == "4"
        assert "x-vsr-looper-total-tokens" not in headers
        debug = (await world.chat(headers={"x-vsr-debug": "true"})).headers
        assert debug["x-vsr-looper-model"] == "big"
        assert int(debug["x-vsr-looper-total-tokens"]) > 0


async def test_the_last_models_stream_is_passed_on_while_it_is_written() -> None:
    slow = Settings(tokens_per_second=20, script=(("assistants", "one two three four five six seven eight"),))
    async with (
        looping(FUSION, {"small": Settings(), "big": slow}) as world,
        Wire(world.port) as wire,
    ):
        # the judge's panel answer is quoted at once, its synthesis is paced
        await wire.send(raw_request("POST", CHAT, request(stream=True)))
        status, headers = await wire.head()
        assert (status, headers["content-type"]) == (200, "text/event-stream")
        first = await wire.chunk()
        assert b"seven" not in first
        assert world.models["big"].requests[-1].outcome == "pending"


async def test_a_client_that_leaves_cancels_every_call_at_once() -> None:
    waiting = Settings(fault=Fault("stall"))
    async with looping(REMOM, {"small": waiting, "middle": waiting, "big": waiting}) as world:
        async with Wire(world.port) as wire:
            await wire.send(raw_request("POST", CHAT, request()))
            async with asyncio.timeout(10):
                while sum(world.calls().values()) < 3:  # noqa: ASYNC110 # no event of a server
                    await asyncio.sleep(0.005)
        async with asyncio.timeout(10):
            for server in world.models.values():
                for received in server.requests:
                    await received.ended.wait()
                    assert received.outcome == "aborted"
            await world.generation.drained()
        assert (
            world.sample("vsr_requests_total", door="gateway", status="499", code="client_closed_request")
            == 1
        )


async def test_a_member_that_fails_is_skipped() -> None:
    async with looping(FUSION, {"small": BROKEN, "middle": Settings(), "big": Settings()}) as world:
        reply = await world.chat()
        assert reply.status == 200
        assert reply.headers["x-vsr-looper-iterations"] == "4"
        labels = {"algorithm": "fusion", "model": "small", "result": "failed"}
        assert world.sample("vsr_looper_calls_total", **labels) == 1


@pytest.mark.parametrize("algorithm", [RATINGS, REMOM, FUSION], ids=lambda one: str(one["type"]))
async def test_a_member_that_fails_ends_the_run_where_the_configuration_says_so(
    algorithm: dict[str, Any],
) -> None:
    models = {"small": BROKEN, "middle": Settings(), "big": Settings()}
    async with looping(algorithm | {"on_error": "fail"}, models) as world:
        reply = await world.chat()
        assert reply.status == 502
        assert reply.headers["x-vsr-response-path"] == "error"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_judge_that_fails_leaves_the_panels_best_answer(stream: bool) -> None:
    models = {"small": Settings(), "big": BROKEN}
    async with looping(FUSION, models) as world:
        reply = await world.chat(stream=stream)
        assert reply.status == 200
        assert b"I am small" in reply.body


@pytest.mark.parametrize("algorithm", ALL, ids=lambda one: str(one["type"]))
async def test_when_all_fail_the_error_is_openais(algorithm: dict[str, Any]) -> None:
    async with looping(algorithm, {"small": BROKEN, "middle": BROKEN, "big": BROKEN}) as world:
        for stream in (False, True):
            reply = await world.chat(stream=stream)
            assert reply.status == 502
            assert reply.error["type"] == "server_error"
        async with world.client() as client:
            with pytest.raises(openai.InternalServerError):
                await client.chat.completions.create(model="auto", messages=ONE_MESSAGE)


async def test_a_request_that_every_model_refuses_is_the_clients_error() -> None:
    refusing = Settings(fault=Fault("status", 400))
    async with looping(RATINGS, {"small": refusing, "big": refusing}) as world:
        reply = await world.chat()
        assert (reply.status, reply.error["code"]) == (400, "looper_failed")


async def test_a_run_has_a_time_limit() -> None:
    stalled = Settings(fault=Fault("stall"))
    more = "global: {integrations: {looper: {timeout_seconds: 50ms}}}"
    async with looping(FUSION, {"small": stalled, "big": stalled}, more=more) as world:
        reply = await world.chat()
        assert (reply.status, reply.error["code"]) == (504, "looper_timeout")
        await asyncio.wait_for(world.models["small"].requests[0].ended.wait(), 10)


async def test_a_stream_is_cut_with_an_error_event_when_the_time_is_up() -> None:
    models = {"small": Settings(), "big": Settings(tokens_per_second=2, script=(("assistants", "so " * 99),))}
    more = "global: {integrations: {looper: {timeout_seconds: 300ms}}}"
    fast_panel = FUSION | {"fusion": {"model": "big", "analysis_models": ["small"], "analysis_mode": "none"}}
    async with looping(fast_panel, models, more=more) as world:
        reply = await world.chat(stream=True)
        assert reply.status == 200
        assert b'"code":"looper_timeout"' in reply.body
        assert b"[DONE]" not in reply.body


async def test_an_answer_that_is_too_large_is_a_failure_of_its_model() -> None:
    large = Settings(script=(("why", "long " * 300_000),))
    more = "global: {integrations: {looper: {max_response_bytes_mb: 1}}}"
    async with looping(RATINGS, {"small": large, "big": Settings()}, more=more) as world:
        reply = await world.chat()
        assert reply.status == 200
        assert len(json.loads(reply.body)["choices"]) == 1


async def test_tokens_that_are_spent_end_the_intermediate_calls_and_not_the_answer() -> None:
    more = "global: {integrations: {looper: {max_total_tokens: 1, max_concurrent: 1}}}"
    async with looping(REMOM, more=more) as world:
        reply = await world.chat()
        assert reply.status == 200
        assert sum(world.calls().values()) == 2


async def test_no_more_calls_run_at_once_than_allowed() -> None:
    running = Settings(tokens_per_second=200)
    more = "global: {integrations: {looper: {max_concurrent: 1}}}"
    async with looping(RATINGS, {"small": running, "middle": running, "big": running}, more=more) as world:
        task = asyncio.create_task(world.chat())
        most = 0
        while not task.done():
            pending = [
                one for server in world.models.values() for one in server.requests if one.outcome == "pending"
            ]
            most = max(most, len(pending))
            await asyncio.sleep(0.002)
        assert most == 1
        assert len(json.loads((await task).body)["choices"]) == 3


# ---------------------------------------------------------------- what applies to every call


async def test_masking_system_prompt_and_headers_apply_to_every_call() -> None:
    plugins = (
        "[{type: pii, configuration: {pii_types_allowed: [], action: mask}},"
        " {type: system_prompt, configuration: {system_prompt: Be brief.}},"
        " {type: header_mutation, configuration: {add: [{name: x-team, value: blue}]}}]"
    )
    async with looping(FUSION, plugins=plugins) as world:
        reply = await world.chat("who is alice?", headers={"authorization": "Bearer client"})
        assert reply.status == 200
        for server in world.models.values():
            for received in server.requests:
                assert b"alice" not in received.body
                assert received.json()["messages"][0] == {"role": "system", "content": "Be brief."}
                assert received.headers["x-team"] == "blue"
                assert "authorization" not in received.headers


async def test_a_refused_request_calls_no_model() -> None:
    async with looping(FUSION) as world:
        reply = await world.chat("attack!")
        assert reply.status == 403
        assert sum(world.calls().values()) == 0


async def test_forged_headers_of_a_looper_change_nothing_and_reach_no_model() -> None:
    forged = {"x-vsr-looper-request": "true", "x-vsr-internal-auth": "secret", "x-vsr-fusion-depth": "1"}
    async with looping(FUSION) as world:
        reply = await world.chat("attack!", headers=forged)
        assert reply.status == 403
        await world.chat(headers=forged)
        seen = {name for server in world.models.values() for one in server.requests for name in one.headers}
        assert not seen & set(forged)


async def test_only_the_last_call_has_the_clients_tools() -> None:
    tools = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}]
    async with looping(FUSION) as world:
        reply = await world.chat(tools=tools, tool_choice="required")
        assert json.loads(reply.body)["choices"][0]["finish_reason"] == "tool_calls"
        assert ["tools" in body for body in world.asked("small")] == [False]
        assert ["tools" in body for body in world.asked("big")] == [False, True]


async def test_a_looper_can_be_asked_for_by_its_name() -> None:
    async with looping(FUSION) as world, world.client() as client:
        names = [model.id async for model in client.models.list()]
        assert "vllm-sr/fusion" in names
        assert "vllm-sr/remom" not in names
        reply = await world.chat(model="vllm-sr/fusion")
        assert reply.headers["x-vsr-looper-algorithm"] == "fusion"
        assert (await world.chat(model="vllm-sr/remom")).status == 404


async def test_models_on_the_way_are_shown_in_a_plain_answer_unless_that_is_switched_off() -> None:
    async with looping(FUSION) as world:
        shown = json.loads((await world.chat()).body)["looper"]
        assert [one["model"] for one in shown["responses"]] == ["small", "middle", "big"]
    quiet = {"type": "fusion", "fusion": {"include_intermediate_responses": False, "analysis_mode": "none"}}
    async with looping(quiet) as world:
        assert "looper" not in json.loads((await world.chat()).body)
