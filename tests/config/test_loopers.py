"""Algorithms that call several models: what a file says about them and what lint finds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.loopers.world import policy_of
from vsr.config.load import load_text
from vsr.config.policy import Confidence, Fusion, Grounding, Ratings, Remom, Verifier, Workflows
from vsr.errors import ConfigError
from vsr.selection.members import members, name_of

PORTS = {"small": 9001, "big": 9002}


def called(algorithm: dict[str, Any]) -> list[str]:
    policy = policy_of(PORTS | {"other": 9003}, algorithm)
    return [name_of(ref) for ref in members(policy.decisions[0], policy)]


def complaint(algorithm: dict[str, Any], more: str = "") -> str:
    with pytest.raises(ConfigError) as caught:
        policy_of(PORTS, algorithm, more=more)
    return "\n".join(problem.message for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("algorithm", "looper"),
    [
        ({"type": "confidence"}, Confidence(threshold=-1.0)),
        (
            {"type": "confidence", "confidence": {"confidence_method": "self_verify"}},
            Confidence("self_verify", 0.7),
        ),
        ({"type": "ratings", "on_error": "fail"}, Ratings(on_error="fail")),
        ({"type": "ratings", "on_error": "fail", "ratings": {"on_error": "skip"}}, Ratings()),
        ({"type": "remom", "remom": {"breadth_schedule": [2]}}, Remom((2,))),
        (
            {
                "type": "remom",
                "remom": {"breadth_schedule": [2], "compaction_strategy": "last_n_tokens"},
            },
            Remom((2,), kept_tokens=1000),
        ),
        (
            {
                "type": "confidence",
                "confidence": {
                    "confidence_method": "automix_entailment",
                    "verifier_server_url": "http://127.0.0.1:9/",
                    "max_response_bytes": 300,
                },
            },
            Confidence(
                "automix_entailment",
                0.7,
                verifier=Verifier("http://127.0.0.1:9", timeout=60.0, answer_bytes=300),
            ),
        ),
        ({"type": "fusion"}, Fusion()),
        (
            {"type": "fusion", "fusion": {"grounding": {"enabled": True, "nli_contradiction_penalty": 1.0}}},
            Fusion(grounding=Grounding()),
        ),
        (
            {"type": "workflows", "workflows": {"mode": "dynamic", "planner": {"model": "big"}}},
            Workflows(dynamic=True, planner="big"),
        ),
    ],
)
def test_defaults_are_the_originals(algorithm: dict[str, Any], looper: object) -> None:
    assert policy_of(PORTS, algorithm).decisions[0].looper == looper


@pytest.mark.parametrize(
    ("algorithm", "names"),
    [
        ({"type": "ratings"}, ["small", "big", "other"]),
        (
            {"type": "remom", "remom": {"breadth_schedule": [2], "model_distribution": "first_only"}},
            ["small"],
        ),
        ({"type": "fusion", "fusion": {"model": "big", "analysis_models": ["other"]}}, ["other", "big"]),
        (
            {"type": "prompt", "prompt": {"model": "other", "instructions": "x"}},
            ["other", "small", "big"],
        ),
        (
            {
                "type": "workflows",
                "workflows": {"roles": [{"name": "a", "models": ["other"]}], "final": {"model": "small"}},
            },
            ["other", "small"],
        ),
    ],
)
def test_the_models_that_may_be_called_are_known(algorithm: dict[str, Any], names: list[str]) -> None:
    assert called(algorithm) == names


@pytest.mark.parametrize(
    ("algorithm", "message"),
    [
        ({"type": "remom"}, "remom needs a block of settings"),
        ({"type": "remom", "remom": {"breadth_schedule": [64]}}, "makes 65 calls for one request"),
        ({"type": "fusion", "fusion": {"model": "bigg"}}, "model 'bigg' is not in providers.models"),
        ({"type": "fusion", "fusion": {"min_successful_responses": 3}}, "is more than the 2 asked"),
        (
            {"type": "fusion", "fusion": {"analysis_mode": "none", "analysis_template": "x"}},
            "analysis_template is for analysis_mode separate",
        ),
        (
            {"type": "fusion", "fusion": {"analysis_overrides": [{"model": "x"}]}},
            "'x' is not on the panel",
        ),
        ({"type": "fusion", "fusion": {"grounding": {"policy": "drop"}}}, "grounding.policy must be"),
        ({"type": "workflows", "workflows": {}}, "mode static needs roles"),
        ({"type": "workflows", "workflows": {"mode": "dynamic"}}, "needs a model that plans"),
        (
            {"type": "workflows", "workflows": {"roles": [{"name": "a", "models": ["x"]}]}},
            "'x' is not in modelRefs",
        ),
        (
            {
                "type": "workflows",
                "workflows": {"roles": [{"name": "a", "models": ["big"], "access_list": ["b"]}]},
            },
            "'b' is no earlier role",
        ),
        (
            {"type": "confidence", "confidence": {"confidence_method": "automix_entailment"}},
            "automix_entailment needs verifier_server_url",
        ),
        (
            {
                "type": "confidence",
                "confidence": {
                    "confidence_method": "automix_entailment",
                    "verifier_server_url": "verifier:8000",
                },
            },
            "must look like http://host:port",
        ),
        (
            {"type": "confidence", "confidence": {"verifier_timeout_seconds": 5}},
            "is for confidence_method automix_entailment",
        ),
        (
            {"type": "confidence", "confidence": {"hybrid_weights": {"logprob_weight": 0.9}}},
            "must add up to 1",
        ),
        ({"type": "confidence", "ratings": {}}, "has settings for ratings"),
        ({"type": "ratings", "on_error": "fallback"}, "on_error fallback is for type prompt"),
    ],
)
def test_what_could_not_be_carried_out_is_refused(algorithm: dict[str, Any], message: str) -> None:
    assert message in complaint(algorithm)


def test_a_weight_of_zero_is_a_weight() -> None:
    weights = {"logprob_weight": 0, "margin_weight": 1}
    given = {"type": "confidence", "confidence": {"hybrid_weights": weights, "cost_quality_tradeoff": 0}}
    looper = policy_of(PORTS, given).decisions[0].looper
    assert isinstance(looper, Confidence)
    assert (looper.logprob_weight, looper.margin_weight, looper.cost_quality_tradeoff) == (0, 1, 0)


def test_limits_come_from_the_integration() -> None:
    more = "global: {integrations: {looper: {timeout_seconds: 30s, max_calls: 5, endpoint: 'http://x'}}}"
    limits = policy_of(PORTS, {"type": "fusion"}, more=more).looper_limits
    assert (limits.seconds, limits.calls, limits.response_bytes) == (30.0, 5, 32 * 1024 * 1024)


def test_a_name_of_a_looper_exists_with_a_decision_of_its_kind_only() -> None:
    assert policy_of(PORTS, {"type": "fusion"}).looper_names == {"vllm-sr/fusion": "fusion"}
    more = "global: {integrations: {looper: {flow: {model_names: [team]}}}}"
    flow = {"type": "workflows", "workflows": {"roles": [{"name": "a", "models": ["big"]}]}}
    policy = policy_of(PORTS, flow, more=more)
    assert policy.looper_names == {"team": "workflows"}
    assert policy.loops


def test_a_model_that_only_judges_is_reachable() -> None:
    text = json.dumps(
        {
            "version": "v0.3",
            "providers": {
                "defaults": {"default_model": "a"},
                "models": [{"name": n, "backend_refs": [{"endpoint": "127.0.0.1:1"}]} for n in "ab"],
            },
            "routing": {
                "decisions": [
                    {
                        "name": "d",
                        "modelRefs": [{"model": "a"}],
                        "algorithm": {"type": "fusion", "fusion": {"model": "b"}},
                    }
                ]
            },
        }
    )
    assert load_text(text, "test", {}).warnings == ()
