"""What an exchange remembers for the choice of later requests, and what it answers when nobody may serve."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.exchange.test_exchange import METRICS, Body, answer, ask, error_of, forward
from tests.scripted import ScriptedEncoder, make_policy
from vsr.config.policy import (
    Choosing,
    Decision,
    LatencyAware,
    ModelRef,
    MultiFactor,
    Policy,
    Pricing,
    RouterDC,
    Signals,
)
from vsr.errors import BackendTimeout
from vsr.exchange import Exchange, RequestHead, Services
from vsr.selection.memory import Memory

TOOLS = [{"type": "function", "function": {"name": "add"}}]
RESULT: Body = {"role": "tool", "tool_call_id": "1", "content": "42"}


def with_algorithm(choosing: Choosing) -> Policy:
    refs = (ModelRef("math-7b"), ModelRef("general-8b"))
    return replace(make_policy(), decisions=(Decision("all", models=refs, choosing=choosing),))


def start(memory: Memory, policy: Policy) -> Exchange:
    encoder: Any = ScriptedEncoder()
    services = Services(policy=policy, encoder=encoder, metrics=METRICS, memory=memory)
    return Exchange(RequestHead("POST", "/v1/chat/completions", ()), services, door="test")


async def served(memory: Memory, policy: Policy, body: bytes) -> str:
    """The model that a request goes to, and answers it well."""
    exchange = start(memory, policy)
    _, sent = await forward(exchange, body)
    exchange.on_response_headers(200, (("content-type", "application/json"),))
    usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    exchange.on_response_body(json.dumps({"choices": [], "usage": usage}).encode())
    exchange.close()
    return str(sent["model"])


def conversation(*rest: Body, **fields: object) -> bytes:
    first = {"role": "user", "content": "add these"}
    return json.dumps({"model": "auto", "messages": [first, *rest], **fields}).encode()


async def test_answers_are_measured_for_later_choices() -> None:
    memory, policy = Memory(), with_algorithm(Choosing(LatencyAware(tpot_percentile=50)))
    assert await served(memory, policy, ask()) == "math-7b"
    observed = memory.recorder.snapshot().of("math-7b")
    assert (len(observed.ttft), len(observed.tpot), observed.in_flight) == (0, 1, 0)
    for _ in range(3):
        memory.recorder.answered("general-8b", None, 1e-9, 3)
    assert await served(memory, policy, ask()) == "general-8b"


async def test_only_a_stream_shows_when_its_first_token_came() -> None:
    memory = Memory()
    exchange = start(memory, make_policy())
    await forward(exchange, ask(stream=True))
    exchange.on_response_headers(200, (("content-type", "text/event-stream"),))
    last = {"choices": [{"index": 0, "delta": {"content": "4"}, "finish_reason": "stop"}]}
    exchange.on_response_chunk(f"data: {json.dumps(last)}\n\n".encode())
    exchange.on_response_end()
    exchange.close()
    assert len(memory.recorder.snapshot().of("math-7b").ttft) == 1


async def test_a_lora_is_paid_for_at_its_model_s_price_and_measured_with_it() -> None:
    base, memory = make_policy(), Memory()
    general = replace(base.models["general-8b"], loras=("sonnets",), pricing=Pricing(2, 4, currency="EUR"))
    policy = replace(base, models={**base.models, "general-8b": general}, default_lora="sonnets")
    assert await served(memory, policy, ask("hello")) == "sonnets"
    value = METRICS.registry.get_sample_value
    assert value("llm_model_cost_total", {"model": "sonnets", "currency": "EUR"}) == pytest.approx(22e-6)
    assert value("llm_model_tpot_seconds_count", {"model": "sonnets"}) == 1
    assert len(memory.recorder.snapshot().of("general-8b").tpot) == 1


def test_cached_tokens_cost_what_the_provider_asks_for_them() -> None:
    pricing = Pricing(2, 4, cached_input=1)
    assert pricing.cost(10, 5, cached=4) == pytest.approx(36e-6)
    assert pricing.cost(3, 0, cached=9) == pytest.approx(3e-6)


async def test_a_static_choice_in_place_of_an_algorithm_is_counted() -> None:
    await served(Memory(), with_algorithm(Choosing(RouterDC())), ask())
    labels = {"method": "router_dc", "decision": "all", "reason": "unselectable"}
    assert METRICS.registry.get_sample_value("llm_model_selection_fallback_total", labels) == 1


async def test_a_request_is_load_until_it_ends_however_it_ends() -> None:
    memory, policy = Memory(), make_policy()
    exchange = start(memory, policy)
    await forward(exchange, ask())
    assert memory.recorder.snapshot().of("math-7b").in_flight == 1
    exchange.on_backend_failure(BackendTimeout("too slow"))
    exchange.close()
    exchange.close()
    observed = memory.recorder.snapshot().of("math-7b")
    assert (observed.in_flight, observed.ttft) == (0, ())


async def test_a_tool_loop_stays_with_the_model_that_began_it() -> None:
    memory = Memory()
    by_load = Choosing(MultiFactor(quality=0, latency=0, cost=0, load=1))
    policy = with_algorithm(by_load)
    assert await served(memory, policy, conversation(tools=TOOLS)) == "math-7b"
    memory.recorder.started("math-7b")  # from here on the other one has less to do
    call: Body = {"role": "assistant", "content": None, "tool_calls": []}
    assert await served(memory, policy, conversation(call, RESULT, tools=TOOLS)) == "math-7b"
    thanks: Body = {"role": "user", "content": "thanks"}
    assert await served(memory, policy, conversation(call, RESULT, thanks, tools=TOOLS)) == "general-8b"


async def test_a_tool_loop_that_another_recipe_began_does_not_choose_for_this_one() -> None:
    base = replace(make_policy(), auto_names=("auto", "private"), entrypoints={"private": "local"})
    policy = replace(base, recipes={"local": replace(base, recipe="local", signals=Signals())})
    memory, asked = Memory(), {"role": "user", "content": "math! please"}
    call: Body = {"role": "assistant", "content": None, "tool_calls": []}
    assert await served(memory, policy, ask(tools=TOOLS)) == "math-7b"
    further = ask(model="private", messages=[asked, call, RESULT], tools=TOOLS)
    assert await served(memory, policy, further) == "general-8b"


async def test_a_tool_loop_without_a_decision_leaves_a_model_or_lora_that_a_reload_takes_out() -> None:
    memory, base = Memory(), make_policy()
    call: Body = {"role": "assistant", "content": None, "tool_calls": []}
    further = conversation(call, RESULT, tools=TOOLS)
    general = replace(base.models["general-8b"], loras=("sonnets",))
    tuned = replace(base, models={**base.models, "general-8b": general}, default_lora="sonnets")
    assert await served(memory, tuned, conversation(tools=TOOLS)) == "sonnets"
    assert await served(memory, base, further) == "general-8b"
    named = replace(base, default_model="math-7b")
    assert await served(memory, named, further) == "general-8b"  # a domain still names it
    assert await served(memory, replace(named, signals=Signals()), further) == "math-7b"


@pytest.mark.parametrize(("rule", "status"), [("fail", 503), ("first", None)])
async def test_nobody_is_asked_when_every_model_is_over_its_ceiling(rule: str, status: int | None) -> None:
    settings = MultiFactor(max_cost=1.0, on_no_candidates=rule)  # type: ignore[arg-type] # parametrised
    policy = with_algorithm(Choosing(settings))
    dear = {name: replace(model, pricing=Pricing(5, 5)) for name, model in policy.models.items()}
    policy = replace(policy, models=dear)
    if status is None:
        assert await served(Memory(), policy, ask()) == "math-7b"
    else:
        step = await answer(start(Memory(), policy), ask())
        assert error_of(step) == (status, "no_candidate")
        assert dict(step.headers)["retry-after"] == "5"
