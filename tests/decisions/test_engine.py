"""Rule trees and the order among decisions."""

from __future__ import annotations

import math
from dataclasses import replace
from operator import ge, gt, le, lt
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsr.config.policy import Branch, Decision, Leaf, Policy, RuleNode
from vsr.config.predicate import Predicate
from vsr.decisions.engine import match, matched_decisions, winner
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


def test_a_predicate_compares_the_value_whether_the_signal_matched_or_not() -> None:
    signals = held(Signal("structure", "lines", False, 0.0, value=12.0))
    assert match(Leaf("structure", "lines", predicate=Predicate(gte=10, lt=20)), signals).confidence == 1.0
    assert not match(Leaf("structure", "lines", predicate=Predicate(gt=12)), signals).matched


def test_without_a_value_a_predicate_compares_the_confidence() -> None:
    assert match(Leaf("domain", "math", predicate=Predicate(lte=0.8)), SIGNALS).matched
    assert not match(Leaf("domain", "math", predicate=Predicate(lt=0.8)), SIGNALS).matched


def test_a_predicate_on_a_label_compares_the_labels_value() -> None:
    signals = held(Signal("classifier", "tone", False, 0.1, labels={"angry": 0.7}))
    assert match(Leaf("classifier", "tone", label="angry", predicate=Predicate(gte=0.5)), signals).matched
    assert not match(Leaf("classifier", "tone", label="calm", predicate=Predicate(gte=0.0)), signals).matched


def test_a_label_without_a_predicate_must_be_the_signals() -> None:
    signals = held(Signal("complexity", "maths", True, 0.6, label="hard"))
    assert match(Leaf("complexity", "maths", label="hard"), signals).confidence == 0.6
    assert not match(Leaf("complexity", "maths", label="easy"), signals).matched


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_is_within_no_bounds(value: float) -> None:
    assert not Predicate(gte=0).holds(value)
    assert not Predicate(lte=0).holds(value)


NAMES = ("a", "b", "c", "d")
LABELS = ("", "", "x", "y")
bounds = st.none() | st.sampled_from((0.0, 0.25, 0.5, 1.0))
predicates = st.builds(Predicate, bounds, bounds, bounds, bounds)
leaves = st.builds(
    Leaf,
    st.just("t"),
    st.sampled_from(NAMES),
    st.sampled_from(("match", "no_match")),
    st.sampled_from(LABELS),
    st.none() | predicates,
)
trees: st.SearchStrategy[RuleNode] = st.recursive(
    leaves,
    lambda nodes: st.one_of(
        st.builds(Branch, st.sampled_from(("AND", "OR")), st.lists(nodes, max_size=3).map(tuple)),
        st.builds(Branch, st.just("NOT"), nodes.map(lambda node: (node,))),
    ),
    max_leaves=8,
)
values = st.none() | st.sampled_from((0.0, 0.25, 0.3, 0.5, 1.0, math.nan))
made = st.builds(
    Signal,
    st.just("t"),
    st.sampled_from(NAMES),
    st.booleans(),
    st.sampled_from((0.0, 0.25, 0.3, 1.0)),
    label=st.sampled_from(LABELS),
    error=st.sampled_from(("", "", "broken")),
    value=values,
    labels=st.dictionaries(st.sampled_from(("x", "y")), st.sampled_from((0.0, 0.25, 0.7))),
)
signal_maps = st.lists(made, max_size=5).map(lambda signals: held(*signals))


def naive_leaf(leaf: Leaf, signals: dict[tuple[str, str], Signal]) -> tuple[bool, float]:
    signal = signals.get((leaf.type, leaf.name), Signal(leaf.type, leaf.name, False, error="absent"))
    if signal.error:
        return leaf.on_error == "match", 1.0
    if leaf.predicate is None:
        return signal.matched and leaf.label in ("", signal.label), signal.confidence
    raw = signal.value if signal.value is not None else signal.confidence
    value = signal.labels.get(leaf.label) if leaf.label else raw
    if value is None or not math.isfinite(value):
        return False, 1.0
    tests = (
        (leaf.predicate.gt, gt),
        (leaf.predicate.gte, ge),
        (leaf.predicate.lt, lt),
        (leaf.predicate.lte, le),
    )
    return all(bound is None or holds(value, bound) for bound, holds in tests), 1.0


def naive(node: RuleNode, signals: dict[tuple[str, str], Signal]) -> tuple[bool, float]:
    """The definition, written down without a thought for speed."""
    if isinstance(node, Leaf):
        return naive_leaf(node, signals)
    children = [naive(child, signals) for child in node.children]
    if node.operator == "NOT":
        return not children[0][0], 1.0
    if node.operator == "AND":
        mean = sum(confidence for _, confidence in children) / len(children) if children else 0.0
        return all(matched for matched, _ in children), mean
    confidences = [confidence for matched, confidence in children if matched]
    return bool(confidences), max(confidences, default=0.0)


def naive_order(policy: Policy, signals: dict[tuple[str, str], Signal]) -> list[str]:
    held_ones = []
    for one in policy.decisions:
        matched, confidence = (True, 0.0) if one.rules is None else naive(one.rules, signals)
        if matched:
            held_ones.append((one, confidence))
    if any(one.tier for one in policy.decisions):
        held_ones.sort(key=lambda pair: (pair[0].tier, -pair[1], -pair[0].priority, pair[0].name))
    elif policy.strategy == "confidence":
        held_ones.sort(key=lambda pair: (-pair[1], -pair[0].priority, pair[0].name))
    else:
        held_ones.sort(key=lambda pair: (-pair[0].priority, -pair[1], pair[0].name))
    return [one.name for one, _ in held_ones]


@given(trees, signal_maps)
def test_the_engine_agrees_with_the_definition(
    tree: RuleNode, signals: dict[tuple[str, str], Signal]
) -> None:
    matched, confidence = naive(tree, signals)
    result = match(tree, signals)
    assert result.matched == matched
    assert result.confidence == pytest.approx(confidence if matched else 0.0)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    names = draw(st.lists(st.sampled_from("pqrstuvw"), unique=True, max_size=6))
    small = st.integers(0, 2)
    tiers = draw(st.sampled_from((st.just(0), small)))
    decisions = tuple(Decision(name, draw(small), draw(tiers), draw(st.none() | trees)) for name in names)
    return Policy(decisions=decisions, strategy=draw(st.sampled_from(("priority", "confidence"))))


@settings(max_examples=50)
@given(policies(), signal_maps)
def test_the_order_among_decisions_agrees_with_the_definition(
    policy: Policy, signals: dict[tuple[str, str], Signal]
) -> None:
    names = [matched.decision.name for matched in matched_decisions(policy, signals)]
    assert names == naive_order(policy, signals)
    first = winner(policy, signals)
    assert (first.decision.name if first else None) == (names[0] if names else None)
