"""Files of the original that are younger than the version followed here."""

from __future__ import annotations

import pytest

from tests.config.documents import complaint, complaints, load, policy, warned
from vsr.config.policy import ReasoningFamily

MODEL = """\
version: v0.3
providers:
  defaults: {model: a, reasoning_effort: high}
  models: [{name: a, reasoning: %s, backend_refs: [{endpoint: "127.0.0.1:9001"}]}]
"""
DECISION = "routing: {decisions: [{name: d, modelRefs: [{model: a}], %s}]}\n"


def test_defaults_may_have_the_names_of_later_files() -> None:
    loaded = load(MODEL % "{family: qwen3}").policy
    assert (loaded.default_model, loaded.default_reasoning_effort) == ("a", "high")
    both = (MODEL % "{}").replace("{model: a,", "{model: a, default_model: a,")
    assert "has both default_model and model" in complaints(both)[0]


@pytest.mark.parametrize(
    ("reasoning", "family"),
    [
        ("{family: qwen3}", ReasoningFamily("qwen3", "chat_template_kwargs", "enable_thinking")),
        ("{type: reasoning_effort, parameter: effort}", ReasoningFamily("a", "reasoning_effort", "effort")),
        ("{}", None),
    ],
)
def test_a_model_may_bring_its_own_way_of_reasoning(reasoning: str, family: ReasoningFamily | None) -> None:
    assert load(MODEL % reasoning).policy.models["a"].reasoning_family == family


def test_a_family_that_nobody_knows_is_refused() -> None:
    assert "reasoning family 'qwen9' is not defined" in complaints(MODEL % "{family: qwen9}")[0]


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ("routing: {candidate_requirements: {context: known_limits}}\n", "an algorithm chooses among"),
        (DECISION % "rules: {operator: AND, on_unknown: no_match}", "a signal that failed does not match"),
        (DECISION % "tool_scope: none", "the original has dropped it, too"),
        (DECISION % "plugins: [{type: shadow_dispatch, configuration: {enabled: true}}]", "are built"),
        ("entrypoints: [{model_names: [x], recipe: default, assignments: {}}]\n", "write modelRefs there"),
        ("global: {router: {fallback: {enabled: true}}}\n", "sent again as reliability"),
    ],
)
def test_a_later_key_that_changes_routing_is_refused_with_its_reason(extra: str, reason: str) -> None:
    message = complaint(extra)
    assert "is not supported, because" in message
    assert reason in message


def test_a_later_key_that_changes_nothing_is_listed() -> None:
    inert = policy("evaluation: {records: []}\nrouting: {modelCards: [{name: a, publisher: p}]}\n").inert
    assert len(inert) == 2


def test_a_fallback_that_is_off_and_tools_that_pass_are_accepted() -> None:
    assert policy("global: {router: {fallback: {enabled: false}}}\n")
    assert policy(DECISION % "plugins: [{type: tools, configuration: {enabled: true, mode: passthrough}}]")
    assert "tools is not supported" in complaint(
        DECISION % "plugins: [{type: tools, configuration: {enabled: true, mode: none}}]"
    )


def test_the_pii_classifier_may_say_what_an_error_means() -> None:
    module = "global: {model_catalog: {modules: {classifier: {pii: {on_error: allow}}}}%s}\n"
    assert policy(module % "").guards.pii.on_unavailable == "allow"
    both = module % ", guards: {pii: {on_unavailable: refuse}}"
    assert "is also given as classifier.pii.on_error" in complaint(both)


def test_types_that_are_never_found_may_be_allowed() -> None:
    rule = "routing: {signals: {pii: [{name: p, pii_types_allowed: [TITLE]}]}}\n"
    assert not any("TITLE" in one for one in warned(rule))
