"""What an exchange remembers for the choice of later requests, and what it answers when nobody may serve."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.exchange.test_exchange import METRICS, Body, answer, ask, error_of, forward
from tests.scripted import ScriptedEncoder, make_policy
from vsr.config.policy import Choosing, Decision, LatencyAware, ModelRef, MultiFactor, Policy, Pricing
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
    memory, policy = Memory(), with_algorithm(Choosing(LatencyAware(ttft_percentile=50)))
    assert await served(memory, policy, ask()) == "math-7b"
    observed = memory.recorder.snapshot().of("math-7b")
    assert (len(observed.ttft), len(observed.tpot), observed.in_flight) == (1, 1, 0)
    for _ in range(3):
        memory.recorder.answered("general-8b", 1e-9, 1e-9, 0)
    assert await served(memory, policy, ask()) == "general-8b"


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
