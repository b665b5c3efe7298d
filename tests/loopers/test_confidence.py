"""The cascade: who is asked, when it stops, and in which order it climbs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.loopers.world import BROKEN, looping, policy_of
from vsr.config.policy import Card, Confidence, Pricing
from vsr.loopers.confidence import in_order
from vsr.loopers.prompts import read_confidence
from vsr.loopers.task import Task
from vsr.selection.members import name_of
from vsr.simulator import Settings

SURE, UNSURE, SILENT = Settings(logprob=-0.05), Settings(logprob=-2.9), Settings(logprob=None)
TORN = Settings(logprob=-0.69)  # between two tokens


def cascade(**settings: Any) -> dict[str, Any]:
    return {"type": "confidence", "confidence": {"threshold": 0.6, **settings}}


@pytest.mark.parametrize("method", ["avg_logprob", "margin", "hybrid"])
async def test_a_sure_small_model_is_the_only_one_that_is_asked(method: str) -> None:
    # the margin of -0.05 is 2.97, a confidence of .63
    async with looping(cascade(confidence_method=method), {"small": SURE, "big": SURE}) as world:
        reply = await world.chat()
        assert world.calls() == {"small": 1, "big": 0}
        assert reply.headers["x-vsr-looper-iterations"] == "1"
        assert world.asked("small")[0]["top_logprobs"] == 2


@pytest.mark.parametrize("method", ["avg_logprob", "margin", "hybrid"])
@pytest.mark.parametrize("stream", [False, True])
async def test_an_unsure_model_hands_over_to_the_next(method: str, stream: bool) -> None:
    unsure = UNSURE if method == "avg_logprob" else TORN
    models = {"small": unsure, "middle": unsure, "big": SURE}
    async with looping(cascade(confidence_method=method), models) as world:
        reply = await world.chat(stream=stream)
        assert world.calls() == {"small": 1, "middle": 1, "big": 1}
        assert reply.status == 200
        assert world.asked("big")[0].get("stream", False) is stream


async def test_log_probabilities_that_the_client_did_not_ask_for_do_not_reach_it() -> None:
    async with looping(cascade(), {"small": SURE, "big": SURE}) as world:
        assert json.loads((await world.chat()).body)["choices"][0]["logprobs"] is None
        asked = json.loads((await world.chat(logprobs=True, top_logprobs=1)).body)
        assert asked["choices"][0]["logprobs"]["content"]


async def test_an_answer_without_evidence_is_a_failure() -> None:
    async with looping(cascade(), {"small": SILENT, "big": SURE}) as world:
        await world.chat()
        assert world.calls() == {"small": 1, "big": 1}
    async with looping(cascade(on_error="fail"), {"small": SILENT, "big": SURE}) as world:
        assert (await world.chat()).status == 502


async def test_without_a_threshold_any_evidence_is_enough_for_the_average() -> None:
    async with looping({"type": "confidence"}, {"small": UNSURE, "big": SURE}) as world:
        await world.chat()
        assert world.calls() == {"small": 1, "big": 0}


async def test_the_last_model_that_fails_leaves_the_best_that_was_heard() -> None:
    async with looping(cascade(), {"small": UNSURE, "big": BROKEN}) as world:
        reply = await world.chat()
        assert (reply.status, b"I am small" in reply.body) == (200, True)


@pytest.mark.parametrize(("grade", "asked"), [("0.9", 0), ("0.1", 1), ("no idea", 1)])
async def test_a_model_can_grade_its_own_answer(grade: str, asked: int) -> None:
    grader = Settings(script=(("How likely is it", f'{{"confidence": {grade}}}'),))
    models = {"small": grader, "big": Settings()}
    async with looping(cascade(confidence_method="self_verify", threshold=0.7), models) as world:
        reply = await world.chat("a question of mine")
        assert world.calls() == {"small": 2, "big": asked}
        verifying = world.asked("small")[1]["messages"]
        assert "a question of mine" in verifying[0]["content"]
        assert reply.status == 200


async def test_a_streaming_client_gets_the_accepted_answer_as_a_stream_with_its_tool_calls() -> None:
    tools = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}]
    algorithm = cascade(confidence_method="self_verify", threshold=0.001)
    grader = Settings(script=(("How likely is it", "1.0"),))
    async with looping(algorithm, {"small": grader, "big": Settings()}) as world, world.client() as client:
        stream = await client.chat.completions.create(  # type: ignore[call-overload] # plain dicts
            model="auto",
            messages=[{"role": "user", "content": "why?"}],
            tools=tools,
            tool_choice="required",
            stream=True,
        )
        events = [event async for event in stream]
        calls = [event.choices[0].delta.tool_calls for event in events if event.choices[0].delta.tool_calls]
        assert calls[0][0].function.name == "look_up"
        assert events[-1].choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("order", "expected"),
    [("size", "bca"), ("small_to_large", "bca"), ("declared", "abc"), ("cost", "cab"), ("automix", "cab")],
)
def test_models_climb_by_size_cost_or_worth_or_as_declared(order: Any, expected: str) -> None:
    known = {"a": (70, 2.0, 0.6), "b": (None, None, 0.9), "c": (8, 1.0, None)}
    policy = policy_of(dict.fromkeys(known, 1), {"type": "confidence"})
    models = {
        name: replace(
            policy.models[name],
            card=Card(quality=quality, parameters=size),
            pricing=Pricing(price, price) if price is not None else None,
        )
        for name, (size, price, quality) in known.items()
    }
    policy = replace(policy, models=models)
    task = Task({"messages": []}, policy.decisions[0], policy)
    assert "".join(name_of(ref) for ref in in_order(task, Confidence(order=order))) == expected


def test_the_cheap_model_is_asked_first_where_prices_count_alone() -> None:
    policy = policy_of({"dear": 1, "cheap": 1}, {"type": "confidence"})
    models = {
        name: replace(policy.models[name], pricing=Pricing(price, price))
        for name, price in (("dear", 10.0), ("cheap", 1.0))
    }
    task = Task({"messages": []}, policy.decisions[0], replace(policy, models=models))
    order = in_order(task, Confidence(order="automix", cost_quality_tradeoff=1.0))
    assert [name_of(ref) for ref in order] == ["cheap", "dear"]


@pytest.mark.parametrize(
    ("text", "confidence"),
    [
        ('{"confidence": 0.5, "reason": "x"}', 0.5),
        ('Sure:\n```json\n{"confidence": 1}\n```', 1.0),
        ("0.25", 0.25),
        ("I would say 0.9 of it", None),
        ('{"confidence": 7}', None),
        ('{"confidence": true}', None),
        ("{", None),
    ],
)
def test_a_grade_is_read_or_there_is_none(text: str, confidence: float | None) -> None:
    assert read_confidence(text) == confidence
