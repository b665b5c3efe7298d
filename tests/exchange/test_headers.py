"""What answers say about the route."""

from __future__ import annotations

from vsr.config.policy import Partition, Policy, Projections
from vsr.facts import Facts, Signal
from vsr.headers import debug, describe
from vsr.route import Retention, Route, SystemPrompt


def test_a_named_recipe_and_retention_directives_are_told_on_success_only() -> None:
    retention = Retention(drop=False, ttl_turns=3, prefer_prefix=True)
    route = Route("forward", "fast", model="a", recipe="quick", retention=retention)
    told = describe(route, path="upstream", success=True)
    assert told["x-vsr-selected-recipe"] == "quick"
    assert {name: value for name, value in told.items() if "retention" in name} == {
        "x-vsr-retention-drop": "false",
        "x-vsr-retention-ttl-turns": "3",
        "x-vsr-retention-prefer-prefix": "true",
    }
    failed = describe(route, path="error", success=False)
    assert not any("retention" in name or "recipe" in name for name in failed)


def test_the_documents_own_routing_is_not_named() -> None:
    told = describe(Route("forward", "auto", model="a"), path="upstream", success=True)
    assert "x-vsr-selected-recipe" not in told


def test_debug_headers_tell_what_the_decisions_saw_under_the_original_s_names() -> None:
    signals = (
        Signal("embedding", "near", True, 0.9),
        Signal("embedding", "far", True, 0.6),
        Signal("fact_check", "facts", True),
        Signal("user_feedback", "wrong", True),
        Signal("keyword", "sums", True),
        Signal("projection", "hard", True),
    )
    facts = Facts((), None, {signal.key: signal for signal in signals})
    policy = Policy(projections=Projections((Partition("topics", "embedding", ("near", "far")),)))
    route = Route("forward", "auto", model="a", plugins=(SystemPrompt("Be brief."),))
    assert debug(facts, route, policy) == {
        "x-vsr-matched-embeddings": "near",
        "x-vsr-matched-fact-check": "facts",
        "x-vsr-matched-user-feedback": "wrong",
        "x-vsr-matched-keywords": "sums",
        "x-vsr-matched-projections": "hard",
        "x-vsr-injected-system-prompt": "true",
    }


def test_no_system_prompt_is_injected_where_no_model_is_called() -> None:
    route = Route("refuse", "auto", plugins=(SystemPrompt("Be brief."),))
    assert debug(Facts((), None, {}), route, Policy())["x-vsr-injected-system-prompt"] == "false"
