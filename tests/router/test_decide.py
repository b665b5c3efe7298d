"""What `decide` makes of facts: one pure function, so no sockets and no model here."""

from __future__ import annotations

import dataclasses

import pytest

from tests.scripted import ScriptedEncoder, make_model, make_policy
from vsr.chat.request import parse_chat_request
from vsr.config.policy import (
    Branch,
    Decision,
    Guards,
    Leaf,
    ModelRef,
    PiiGuard,
    Policy,
    PromptGuard,
)
from vsr.errors import VSRError
from vsr.route import FastResponse, PiiPolicy, Route
from vsr.router import decide, judge


async def route(text: str, policy: Policy, *, model: str = "auto", error: Exception | None = None) -> Route:
    request = parse_chat_request({"model": model, "messages": [{"role": "user", "content": text}]})
    facts = await judge(request, policy, ScriptedEncoder(error=error))  # type: ignore[arg-type] # scripted
    return decide(model, facts, policy)


def with_decisions(*decisions: Decision, **changes: object) -> Policy:
    return dataclasses.replace(make_policy(), decisions=decisions, **changes)  # type: ignore[arg-type]


def guarded(**guards: object) -> Policy:
    return dataclasses.replace(make_policy(), guards=Guards(**guards))  # type: ignore[arg-type]


JAILBREAK = Leaf("jailbreak", "attack")
MATH = Leaf("domain", "math")


async def test_auto_goes_to_the_model_with_the_best_score_for_the_category() -> None:
    chosen = await route("math! please", make_policy())
    assert (chosen.outcome, chosen.model, chosen.category) == ("forward", "math-7b", "math")
    assert chosen.confidence == pytest.approx(0.9)
    assert chosen.reasoning is True
    assert chosen.backends == ("math-7b/0",)


async def test_the_category_other_goes_to_the_default_model() -> None:
    chosen = await route("hello", make_policy())
    assert (chosen.model, chosen.category, chosen.reasoning) == ("general-8b", "other", None)


async def test_below_the_threshold_the_default_model_serves() -> None:
    policy = make_policy()
    domains = tuple(dataclasses.replace(rule, threshold=0.95) for rule in policy.signals.domains)
    policy = dataclasses.replace(policy, signals=dataclasses.replace(policy.signals, domains=domains))
    chosen = await route("math! please", policy)
    assert (chosen.model, chosen.category) == ("general-8b", "other")


async def test_a_lora_may_serve_what_nothing_else_claims() -> None:
    policy = make_policy()
    models = dict(policy.models) | {"general-8b": make_model("general-8b", loras=("legal-lora",))}
    chosen = await route("hello", dataclasses.replace(policy, models=models, default_lora="legal-lora"))
    assert (chosen.model, chosen.model_id) == ("general-8b", "legal-lora")


async def test_without_a_default_model_an_unmatched_request_is_unroutable() -> None:
    chosen = await route("hello", dataclasses.replace(make_policy(), default_model=""))
    assert chosen.outcome == "unroutable"


async def test_a_concrete_model_name_is_respected() -> None:
    chosen = await route("math! please", make_policy(), model="general-8b")
    assert (chosen.model, chosen.model_id, chosen.reasoning) == ("general-8b", "general-8b", None)


async def test_a_concrete_model_name_does_not_bypass_the_jailbreak_guard() -> None:
    chosen = await route("attack! now", make_policy(), model="general-8b")
    assert chosen.outcome == "refuse"


async def test_an_unknown_model_name_is_reported_as_unknown() -> None:
    assert (await route("hello", make_policy(), model="gpt-99")).outcome == "unknown_model"


async def test_a_lora_name_reaches_its_base_models_back_end_under_its_own_id() -> None:
    policy = make_policy()
    models = dict(policy.models) | {"general-8b": make_model("general-8b", loras=("legal-lora",))}
    chosen = await route("hello", dataclasses.replace(policy, models=models), model="legal-lora")
    assert (chosen.model, chosen.model_id) == ("general-8b", "legal-lora")


async def test_a_jailbreak_is_refused_where_no_decision_handles_it() -> None:
    policy = with_decisions(Decision("maths", rules=MATH, models=(ModelRef("math-7b"),)))
    chosen = await route("math! attack!", policy)
    assert (chosen.outcome, chosen.decision) == ("refuse", "maths")
    finding = chosen.finding("jailbreak")
    assert finding is not None
    assert finding.state == "violating"


async def test_a_decision_on_the_verdict_handles_it_instead() -> None:
    policy = with_decisions(
        Decision("block", priority=100, rules=JAILBREAK, plugins=(FastResponse("No."),)),
        Decision("maths", rules=MATH, models=(ModelRef("math-7b"),)),
    )
    chosen = await route("math! attack!", policy)
    assert (chosen.outcome, chosen.decision, chosen.message) == ("answer", "block", "No.")


async def test_a_decision_that_merely_excludes_jailbreaks_does_not_handle_them() -> None:
    calm = Branch("NOT", (JAILBREAK,))
    policy = with_decisions(
        Decision("calm", priority=9, rules=Branch("OR", (calm, MATH)), models=(ModelRef("math-7b"),))
    )
    assert (await route("math! attack!", policy)).outcome == "refuse"


async def test_shadow_mode_reports_and_does_not_act() -> None:
    chosen = await route("attack! now", guarded(jailbreak=PromptGuard(mode="shadow")))
    finding = chosen.finding("jailbreak")
    assert chosen.outcome == "forward"
    assert finding is not None
    assert (finding.state, finding.shadow) == ("violating", True)


async def test_an_unavailable_guard_fails_closed_by_default() -> None:
    assert (await route("hello", make_policy(), error=VSRError())).outcome == "unavailable"


async def test_an_unavailable_guard_may_be_configured_to_let_requests_pass_to_the_default_model() -> None:
    policy = guarded(jailbreak=PromptGuard(on_unavailable="allow"), pii=PiiGuard(on_unavailable="allow"))
    chosen = await route("math! please", policy, error=VSRError())
    assert (chosen.outcome, chosen.model, chosen.category) == ("forward", "general-8b", "")


async def test_personal_data_that_the_policy_forbids_is_blocked_masked_or_logged() -> None:
    outcomes = {}
    for action in ("block", "mask", "log"):
        policy = guarded(pii=PiiGuard(policy=PiiPolicy(frozenset(), action)))
        chosen = await route("I am alice", policy)
        outcomes[action] = (chosen.outcome, len(chosen.mask))
    assert outcomes == {"block": ("refuse", 0), "mask": ("forward", 1), "log": ("forward", 0)}


async def test_the_stricter_of_the_decisions_and_the_models_policy_applies() -> None:
    policy = make_policy()
    strict = make_model("math-7b", pii=PiiPolicy(frozenset(), "block"))
    lenient = Decision("maths", rules=MATH, models=(ModelRef("math-7b"),), plugins=(PiiPolicy(),))
    policy = dataclasses.replace(
        policy, models=dict(policy.models) | {"math-7b": strict}, decisions=(lenient,)
    )
    assert (await route("math! by alice", policy)).outcome == "refuse"


async def test_the_same_facts_and_seed_give_the_same_route() -> None:
    policy = make_policy()
    request = parse_chat_request({"model": "auto", "messages": [{"role": "user", "content": "math!"}]})
    facts = await judge(request, policy, ScriptedEncoder())  # type: ignore[arg-type] # scripted
    assert decide("auto", facts, policy, seed=3) == decide("auto", facts, policy, seed=3)
