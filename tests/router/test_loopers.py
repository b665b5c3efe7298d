"""Routes that call several models."""

from __future__ import annotations

from dataclasses import replace

from tests.loopers.world import policy_of
from tests.scripted import ScriptedEncoder
from vsr.chat.request import parse_chat_request
from vsr.config.policy import Policy
from vsr.route import PiiPolicy, Route
from vsr.router import decide, explain, judge

FUSION = policy_of({"small": 9001, "big": 9002}, {"type": "fusion"})


async def routed(policy: Policy, text: str = "why?", model: str = "auto") -> Route:
    request = parse_chat_request({"model": model, "messages": [{"role": "user", "content": text}]})
    facts = await judge(request, policy, ScriptedEncoder())  # type: ignore[arg-type] # scripted
    route = decide(model, facts, policy)
    assert explain(model, facts, policy).route.outcome == route.outcome
    return route


async def test_a_composed_route_names_its_models_and_none_as_the_one() -> None:
    route = await routed(FUSION)
    assert (route.outcome, route.algorithm, route.members) == ("compose", "fusion", ("small", "big"))
    assert (route.model, route.backends) == ("", ())
    assert "fusion calls small, big" in route.reason


async def test_guards_come_before_any_call() -> None:
    assert (await routed(FUSION, "attack!")).outcome == "refuse"


async def test_one_member_that_may_not_see_persons_is_enough_to_refuse() -> None:
    strict = replace(FUSION.models["big"], pii=PiiPolicy(frozenset(), "block"))
    policy = replace(FUSION, models={**FUSION.models, "big": strict})
    assert (await routed(policy, "alice")).outcome == "refuse"
    assert (await routed(FUSION, "alice")).outcome == "compose"


async def test_the_global_pii_policy_holds_for_members_without_one_of_their_own() -> None:
    open_minded = replace(FUSION.models["big"], pii=PiiPolicy())
    guards = replace(FUSION.guards, pii=replace(FUSION.guards.pii, policy=PiiPolicy(frozenset(), "mask")))
    policy = replace(FUSION, models={**FUSION.models, "big": open_minded}, guards=guards)
    assert (await routed(policy, "alice")).mask


async def test_the_name_of_a_looper_never_falls_back_to_one_model() -> None:
    assert (await routed(FUSION, model="vllm-sr/fusion")).outcome == "compose"
    plain = replace(FUSION, decisions=())
    assert (await routed(plain, model="vllm-sr/fusion")).outcome == "unroutable"
    assert (await routed(FUSION, model="vllm-sr/remom")).outcome == "unknown_model"
