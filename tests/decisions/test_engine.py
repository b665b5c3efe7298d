"""Rule trees and the order among decisions."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsr.config.policy import Branch, Decision, Leaf, Policy, RuleNode
from vsr.decisions.engine import handles, match, matched_decisions, winner
from vsr.facts import Signal

MATH = Leaf("domain", "math")
URGENT = Leaf("keyword", "urgent")
ATTACK = Leaf("jailbreak", "attack")


def held(*signals: Signal) -> dict[tuple[str, str], Signal]:
    return {signal.key: signal for signal in signals}


SIGNALS = held(
    Signal("domain", "math", True, 0.8),
    Signal("keyword", "urgent", True, 1.0),
    Signal("jailbreak", "attack", False, 0.1),
)


def test_and_has_the_mean_and_or_the_maximum_of_confidences() -> None:
    both = match(Branch("AND", (MATH, URGENT)), SIGNALS)
    assert both.confidence == pytest.approx(0.9)
    assert both.rules == ("domain:math", "keyword:urgent")
    assert match(Branch("OR", (MATH, ATTACK)), SIGNALS).confidence == 0.8
    assert match(Branch("OR", (MATH, URGENT)), SIGNALS).confidence == 1.0


def test_not_holds_with_full_confidence_and_names_no_rule() -> None:
    result = match(Branch("NOT", (ATTACK,)), SIGNALS)
    assert (result.matched, result.confidence, result.rules) == (True, 1.0, ())
    assert not match(Branch("NOT", (MATH,)), SIGNALS).matched


def test_a_decision_without_rules_holds_with_no_confidence() -> None:
    assert match(None, {}) == match(Branch("AND", ()), {})
    assert match(None, {}).matched
    assert match(None, {}).confidence == 0.0


def test_a_label_is_part_of_the_matched_rule() -> None:
    signals = held(Signal("complexity", "maths", True, label="hard"))
    assert match(Leaf("complexity", "maths"), signals).rules == ("complexity:maths:hard",)


def test_an_unavailable_signal_counts_as_its_leaf_says() -> None:
    signals = held(Signal("jailbreak", "attack", False, 0.0, error="too slow"))
    assert not match(ATTACK, signals).matched
    assert match(replace(ATTACK, on_error="match"), signals).confidence == 1.0
    assert match(replace(ATTACK, on_error="match"), {}).matched


def decision(name: str, confidence: float, priority: int = 0, tier: int = 0) -> tuple[Decision, Signal]:
    return (
        Decision(name, priority, tier, rules=Leaf("domain", name)),
        Signal("domain", name, True, confidence),
    )


def order(
    *entries: tuple[Decision, Signal], strategy: Literal["priority", "confidence"] = "priority"
) -> list[str]:
    policy = Policy(decisions=tuple(entry[0] for entry in entries), strategy=strategy)
    signals = held(*(entry[1] for entry in entries))
    names = [matched.decision.name for matched in matched_decisions(policy, signals)]
    first = winner(policy, signals)
    assert first is not None
    assert first.decision.name == names[0]
    return names


def test_priority_comes_before_confidence_and_the_name_breaks_ties() -> None:
    entries = decision("c", 0.5, 9), decision("b", 0.9), decision("a", 0.9), decision("d", 0.95)
    assert order(*entries) == ["c", "d", "a", "b"]


def test_the_strategy_confidence_puts_confidence_first() -> None:
    assert order(decision("a", 0.5, 9), decision("b", 0.9), strategy="confidence") == ["b", "a"]


def test_tiers_come_before_everything_else_once_one_is_used() -> None:
    entries = decision("a", 0.99, 9, tier=2), decision("b", 0.5, tier=1), decision("c", 0.6, tier=1)
    assert order(*entries) == ["c", "b", "a"]


def test_without_a_decision_that_holds_nobody_wins() -> None:
    assert winner(Policy(decisions=(Decision("a", rules=MATH),)), {}) is None


def test_a_decision_reached_by_a_verdict_handles_it() -> None:
    signals = SIGNALS | held(Signal("jailbreak", "attack", True, 0.97))
    assert handles(ATTACK, signals, "jailbreak")
    assert handles(Branch("OR", (MATH, Branch("AND", (ATTACK, URGENT)))), signals, "jailbreak")
    assert not handles(ATTACK, signals, "pii")


def test_a_verdict_off_the_satisfied_part_of_the_tree_is_not_handled() -> None:
    signals = SIGNALS | held(Signal("jailbreak", "attack", True, 0.97))
    unmet = Branch("AND", (ATTACK, Leaf("domain", "law")))
    assert not handles(Branch("OR", (MATH, unmet)), signals, "jailbreak")
    assert not handles(unmet, signals, "jailbreak")
    assert not handles(ATTACK, SIGNALS, "jailbreak")
    assert not handles(None, signals, "jailbreak")


def test_a_verdict_under_a_not_is_not_handled() -> None:
    signals = SIGNALS | held(Signal("jailbreak", "attack", True, 0.97))
    double = Branch("NOT", (Branch("NOT", (ATTACK,)),))
    assert match(double, signals).matched
    assert not handles(double, signals, "jailbreak")
    assert not handles(Branch("NOT", (ATTACK,)), SIGNALS, "jailbreak")


NAMES = ("a", "b", "c", "d")
leaves = st.builds(Leaf, st.just("t"), st.sampled_from(NAMES), st.sampled_from(("match", "no_match")))
trees: st.SearchStrategy[RuleNode] = st.recursive(
    leaves,
    lambda nodes: st.one_of(
        st.builds(Branch, st.sampled_from(("AND", "OR")), st.lists(nodes, max_size=3).map(tuple)),
        st.builds(Branch, st.just("NOT"), nodes.map(lambda node: (node,))),
    ),
    max_leaves=8,
)
signal_maps = st.dictionaries(
    st.sampled_from(NAMES),
    st.tuples(st.booleans(), st.floats(0, 1), st.sampled_from(("", "", "broken"))),
).map(lambda made: held(*(Signal("t", name, m and not e, c, error=e) for name, (m, c, e) in made.items())))


def naive(node: RuleNode, signals: dict[tuple[str, str], Signal]) -> tuple[bool, float]:
    """The definition, written down without a thought for speed."""
    if isinstance(node, Leaf):
        signal = signals.get((node.type, node.name), Signal(node.type, node.name, False, error="absent"))
        return (node.on_error == "match", 1.0) if signal.error else (signal.matched, signal.confidence)
    children = [naive(child, signals) for child in node.children]
    if node.operator == "NOT":
        return not children[0][0], 1.0
    if node.operator == "AND":
        mean = sum(confidence for _, confidence in children) / len(children) if children else 0.0
        return all(matched for matched, _ in children), mean
    confidences = [confidence for matched, confidence in children if matched]
    return bool(confidences), max(confidences, default=0.0)


@given(trees, signal_maps)
def test_the_engine_agrees_with_the_definition(
    tree: RuleNode, signals: dict[tuple[str, str], Signal]
) -> None:
    matched, confidence = naive(tree, signals)
    result = match(tree, signals)
    assert result.matched == matched
    assert result.confidence == pytest.approx(confidence if matched else 0.0)


@given(trees, signal_maps)
def test_only_a_tree_that_holds_handles_anything(
    tree: RuleNode, signals: dict[tuple[str, str], Signal]
) -> None:
    if handles(tree, signals, "t"):
        assert match(tree, signals).rules
