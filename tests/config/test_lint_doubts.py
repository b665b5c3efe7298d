"""Warnings about what is allowed and may not be what was meant."""

from __future__ import annotations

import pytest

from tests.config.documents import PROVIDERS, load, warned
from vsr.encoder.bundle import default_bundle_path, load_bundle
from vsr.guards.calibration import threshold_doubts

SIGNALS = "routing:\n  signals:\n    keywords: [{name: k, keywords: [x]}, {name: l, keywords: [y]}]\n"


def rule(name: str, priority: int, keyword: str) -> str:
    rules = f"rules: {{type: keyword, name: {keyword}}}"
    return f"    - {{name: {name}, priority: {priority}, modelRefs: [{{model: a}}, {{model: b}}], {rules}}}\n"


def test_a_signal_that_nothing_asks_for_is_told_in_its_line() -> None:
    text = SIGNALS + "  decisions:\n" + rule("d", 1, "k")
    assert warned(text) == ["9: no decision and no projection asks for the keyword signal 'l'"]


def test_a_priority_shared_by_decisions_that_can_match_together_is_told() -> None:
    together = SIGNALS + "  decisions:\n" + rule("d", 5, "k") + rule("e", 5, "l")
    assert ["share priority 5" in one for one in warned(together)] == [True]
    assert warned(SIGNALS + "  decisions:\n" + rule("d", 5, "k") + rule("e", 6, "l")) == []
    apart = rule("e", 5, "l").replace(
        "{type: keyword, name: l}",
        "{operator: AND, conditions: [{type: keyword, name: l}, "
        "{operator: NOT, conditions: [{type: keyword, name: k}]}]}",
    )
    assert warned(SIGNALS + "  decisions:\n" + rule("d", 5, "k") + apart) == []


def test_a_pii_guard_that_can_only_report_is_told_where_it_was_written() -> None:
    assert ["has no policy" in one for one in warned("global: {guards: {pii: {threshold: 0.5}}}\n")] == [True]
    assert warned("global: {guards: {pii: {pii_types_allowed: []}}}\n") == []
    assert warned("") == []


@pytest.mark.parametrize(
    ("plugin", "expected"),
    [("[GPE, AGE]", "decision 'd' allows AGE"), ("[]", "pii_policy of 'a' allows GPE"), ("[GPE]", "")],
)
def test_a_pii_policy_that_another_one_outdoes_is_told(plugin: str, expected: str) -> None:
    text = PROVIDERS.replace("{name: a,", "{name: a, pii_policy: {pii_types_allowed: [GPE]},")
    text += (
        "routing: {decisions: [{name: d, modelRefs: [{model: a}, {model: b}], "
        f"plugins: [{{type: pii, configuration: {{pii_types_allowed: {plugin}}}}}]}}]}}\n"
    )
    found = [warning.message for warning in load(text).warnings]
    assert [expected in one for one in found] == ([True] if expected else [])


@pytest.mark.parametrize(("threshold", "side"), [("0.01", "below"), ("0.9999", "above"), ("", "")])
def test_a_threshold_outside_of_all_operating_points_is_told(threshold: str, side: str) -> None:
    manifest = load_bundle(default_bundle_path()).manifest
    extra = f"global: {{guards: {{jailbreak: {{threshold: {threshold}}}}}}}\n" if threshold else ""
    found = threshold_doubts(load(PROVIDERS + extra).policy, manifest)
    assert [f"is {side} every operating point" in one for one in found] == ([True] if side else [])
