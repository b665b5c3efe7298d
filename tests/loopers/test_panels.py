"""Ratings, remom, fusion and workflows: what models are asked, in which rounds, and what comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.loopers.world import BROKEN, looping
from vsr.config.policy import ModelRef, Remom, Workflows
from vsr.loopers.prompts import filled
from vsr.loopers.remom import distribute
from vsr.loopers.workflows import read_plan
from vsr.simulator import Settings
from vsr.simulator.settings import Fault

PLAN = '{"steps": [{"name": "draft", "models": ["small", "big"], "prompt": "Draft."}]}'


def last(body: Any) -> str:
    text: str = body["messages"][-1]["content"]
    return text


# ---------------------------------------------------------------- ratings


async def test_ratings_give_one_choice_for_each_model_the_best_rated_first() -> None:
    async with looping({"type": "ratings"}) as world:
        choices = json.loads((await world.chat()).body)["choices"]
        assert [choice["index"] for choice in choices] == [0, 1, 2]
        texts = [choice["message"]["content"].split(" at ")[0] for choice in choices]
        assert texts == ["I am big", "I am middle", "I am small"]


async def test_ratings_stream_all_choices() -> None:
    async with looping({"type": "ratings"}) as world, world.client() as client:
        stream = await client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": "why?"}], stream=True
        )
        seen = {choice.index for event in [one async for one in stream] for choice in event.choices}
        assert seen == {0, 1, 2}


# ---------------------------------------------------------------- remom


async def test_remom_runs_its_rounds_each_on_what_the_one_before_said() -> None:
    async with looping({"type": "remom", "remom": {"breadth_schedule": [3, 2]}}) as world:
        reply = await world.chat()
        assert reply.headers["x-vsr-looper-iterations"] == "6"
        asked = [body for name in world.models for body in world.asked(name)]
        assert sum('<response number="3">' in last(body) for body in asked) == 2
        assert sum('<response number="2">' in last(body) for body in asked) == 3
        assert {body["temperature"] for body in asked} == {1.0}
        rounds = json.loads(reply.body)["looper"]["rounds"]
        assert [len(one["responses"]) for one in rounds] == [3, 2]


async def test_remom_keeps_the_end_of_long_answers_if_told_to() -> None:
    settings = {"breadth_schedule": [1], "compaction_strategy": "last_n_tokens", "compaction_tokens": 2}
    models = {"small": Settings(script=(("why", "abcdefghijklmnop"),))}
    async with looping({"type": "remom", "remom": settings}, models) as world:
        await world.chat()
        assert "\nijklmnop\n" in last(world.asked("small")[1])


async def test_a_round_goes_on_with_those_who_answered_in_time() -> None:
    settings = {"breadth_schedule": [2], "round_timeout_seconds": "200ms", "synthesis_model": "small"}
    models = {"small": Settings(), "big": Settings(fault=Fault("stall"))}
    async with looping({"type": "remom", "remom": settings}, models) as world:
        assert (await world.chat()).status == 200
        assert world.calls() == {"small": 2, "big": 1}
        await world.models["big"].requests[0].ended.wait()
        counted = {"algorithm": "remom", "model": "big"}
        assert world.sample("vsr_looper_calls_total", result="failed", **counted) == 1
        assert world.sample("vsr_looper_calls_total", result="ok", **counted) == 0


async def test_a_round_goes_on_when_enough_have_answered() -> None:
    settings = {"breadth_schedule": [2], "min_successful_responses": 1, "synthesis_model": "small"}
    models = {"small": Settings(), "big": Settings(fault=Fault("stall"))}
    async with looping({"type": "remom", "remom": settings}, models) as world:
        assert (await world.chat()).status == 200
        await world.models["big"].requests[0].ended.wait()
        counted = {"algorithm": "remom", "model": "big"}
        assert world.sample("vsr_looper_calls_total", result="cancelled", **counted) == 1
        assert world.sample("vsr_looper_calls_total", result="ok", **counted) == 0


async def test_too_few_answers_are_an_error() -> None:
    settings = {"breadth_schedule": [2], "min_successful_responses": 2}
    async with looping({"type": "remom", "remom": settings}, {"small": Settings(), "big": BROKEN}) as world:
        reply = await world.chat()
        assert (reply.status, reply.error["code"]) == (502, "looper_failed")


@pytest.mark.parametrize(
    ("distribution", "weights", "expected"),
    [
        ("weighted", (3, 1), "aaab"),
        ("weighted", (0, 0), "abab"),
        ("equal", (3, 1), "abab"),
        ("round_robin", (1, 1), "abab"),
        ("first_only", (1, 1), "aaaa"),
    ],
)
def test_calls_are_distributed(distribution: Any, weights: tuple[float, float], expected: str) -> None:
    refs = [ModelRef("a", weight=weights[0]), ModelRef("b", weight=weights[1])]
    chosen = distribute(refs, 4, Remom((4,), distribution=distribution))
    assert "".join(ref.model for ref in chosen) == expected


# ---------------------------------------------------------------- fusion


async def test_a_judge_analyses_and_then_synthesises() -> None:
    settings = {"model": "big", "analysis_models": ["small", "middle"]}
    models = {"small": Settings(), "middle": Settings(), "big": Settings(script=(("JSON", '{"best": 1}'),))}
    async with looping({"type": "fusion", "fusion": settings}, models) as world:
        reply = await world.chat(temperature=0.9, response_format={"type": "text"})
        assert world.calls() == {"small": 1, "middle": 1, "big": 2}
        analysis, synthesis = world.asked("big")
        assert "unique_insights" in last(analysis)
        assert '<analysis>\n{"best": 1}' in last(synthesis)
        assert "response_format" not in analysis
        assert synthesis["response_format"] == {"type": "text"}
        assert json.loads(reply.body)["looper"]["analysis"] == {"best": 1}


async def test_panel_members_can_have_settings_of_their_own() -> None:
    settings = {
        "analysis_mode": "none",
        "temperature": 0.2,
        "max_completion_tokens": 300,
        "analysis_overrides": [{"model": "big", "temperature": 0.7, "max_completion_tokens": 100}],
    }
    async with looping({"type": "fusion", "fusion": settings}) as world:
        await world.chat(max_tokens=200)
        assert (world.asked("small")[0]["temperature"], world.asked("small")[0]["max_tokens"]) == (0.2, 200)
        assert (world.asked("big")[0]["temperature"], world.asked("big")[0]["max_tokens"]) == (0.7, 100)


async def test_an_analysis_that_fails_does_not_keep_the_judge_from_answering() -> None:
    models = {"small": Settings(), "big": Settings(script=(("unique_insights", ""),))}
    async with looping(
        {"type": "fusion", "fusion": {"model": "big", "analysis_models": ["small"]}}, models
    ) as world:
        reply = await world.chat()
        assert (reply.status, b"I am big" in reply.body) == (200, True)


async def test_a_template_replaces_the_judges_prompt() -> None:
    settings = {
        "analysis_mode": "none",
        "synthesis_template": "Q={{original}} R={{responses}} A={{analysis}}",
    }
    async with looping({"type": "fusion", "fusion": settings}) as world:
        await world.chat("what is {{responses}}?")
        text = last(world.asked("small")[1])
        assert text.startswith("Q=what is {{responses}}? R=<response")
        assert text.endswith("A=")


def test_an_answer_cannot_smuggle_in_a_placeholder() -> None:
    assert filled("{{responses}}", responses="{{original}}", original="secret") == "{{original}}"


# ---------------------------------------------------------------- workflows


def flow(**settings: Any) -> dict[str, Any]:
    return {"type": "workflows", "workflows": settings}


async def test_roles_work_one_after_the_other_and_see_what_they_may() -> None:
    roles = [
        {"name": "thinker", "models": ["small"], "prompt": "Think."},
        {"name": "worker", "models": ["middle"]},
        {"name": "verifier", "models": ["small"], "access_list": ["worker"]},
        {"name": "stranger", "models": ["middle"], "access_list": []},
    ]
    async with looping(flow(roles=roles, final={"model": "big", "prompt": "Put it together."})) as world:
        reply = await world.chat()
        thinker, verifier = map(last, world.asked("small"))
        worker, stranger = map(last, world.asked("middle"))
        assert "You are the thinker" in thinker
        assert "Think." in thinker
        assert "What the thinker said" in worker
        assert "What the worker said" in verifier
        assert "What the thinker said" not in verifier
        assert "said (data" not in stranger
        assert last(world.asked("big")[0]).startswith("Put it together.")
        steps = json.loads(reply.body)["looper"]["steps"]
        assert [step["name"] for step in steps] == ["thinker", "worker", "verifier", "stranger"]


async def test_a_planner_plans_steps_of_the_decisions_models_and_writes_the_answer() -> None:
    models = {"small": Settings(), "big": Settings(script=(("Plan how", f"Here: {PLAN}"),))}
    async with looping(flow(mode="dynamic", planner={"model": "big"}), models) as world:
        reply = await world.chat()
        assert reply.status == 200
        assert world.calls() == {"small": 1, "big": 3}
        assert "Draft." in last(world.asked("small")[0])


@pytest.mark.parametrize(("on_error", "status"), [("fail", 502), ("skip", 200)])
async def test_a_plan_that_names_a_strange_model_is_not_carried_out(on_error: str, status: int) -> None:
    plan = PLAN.replace("small", "stranger")
    models = {"small": Settings(), "big": Settings(script=(("Plan how", plan),))}
    settings = flow(mode="dynamic", planner={"model": "big"}, on_error=on_error)
    async with looping(settings, models) as world:
        assert (await world.chat()).status == status


async def test_a_worker_that_fails_ends_a_workflow_unless_told_otherwise() -> None:
    roles = [{"name": "thinker", "models": ["small", "big"]}]
    models = {"small": Settings(), "big": BROKEN}
    async with looping(flow(roles=roles), models) as world:
        assert (await world.chat()).status == 502
    async with looping(flow(roles=roles, on_error="skip"), models) as world:
        assert (await world.chat()).status == 200


@pytest.mark.parametrize(
    "text",
    [
        "no plan",
        '{"steps": []}',
        '{"steps": [{"models": []}]}',
        '{"steps": [{"models": ["a", "b", "a"]}]}',
        '{"steps": [{"models": "a"}]}',
        '{"steps": [{"models": ["c"]}]}',
        '{"steps": [{"models": ["a"]}, {"models": ["a"]}, {"models": ["a"]}, {"models": ["a"]}]}',
    ],
)
def test_a_plan_beyond_its_bounds_is_none(text: str) -> None:
    assert read_plan(text, ["a", "b"], Workflows(dynamic=True)) is None
