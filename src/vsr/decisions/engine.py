"""Rule trees over signals, and which decision wins. Pure, and the same for live traffic and traces.

Confidences as in the original: a leaf has its signal's; AND the mean of its children, OR the maximum
of those that hold, NOT 1.0; a decision without rules holds with 0. An unavailable signal counts as
its leaf's `on_error` says, with confidence 1.0 when that is `match`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from vsr.config.policy import Decision, Leaf, Policy, RuleNode
from vsr.facts import Signal

Signals = Mapping[tuple[str, str], Signal]

_NO_MATCH: Final = -1.0


@dataclass(frozen=True, slots=True)
class Match:
    """rules: the labels `type:name[:label]` of the leaves that made the tree hold."""

    matched: bool
    confidence: float = 0.0
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Matched:
    """A decision that holds, with what its `Match` says."""

    decision: Decision
    confidence: float
    rules: tuple[str, ...]


def match(node: RuleNode | None, signals: Signals) -> Match:
    confidence = 0.0 if node is None else _confidence(node, signals)
    if confidence == _NO_MATCH:
        return Match(False)
    return Match(True, confidence, () if node is None else tuple(_held(node, signals)))


def matched_decisions(policy: Policy, signals: Signals) -> list[Matched]:
    """Every decision that holds, best first."""
    return [_matched(decision, signals) for _, decision in _ranked(policy, signals)]


def winner(policy: Policy, signals: Signals) -> Matched | None:
    ranked = _ranked(policy, signals)
    return _matched(ranked[0][1], signals) if ranked else None


def handles(node: RuleNode | None, signals: Signals, signal_type: str) -> bool:
    """Whether a decision with this tree was reached because of a signal of `signal_type`.

    True iff such a leaf holds on the part of the tree that holds, under no NOT: the decision then
    knows of the verdict and takes care of it.
    """
    if node is None or _confidence(node, signals) == _NO_MATCH:
        return False
    if isinstance(node, Leaf):
        return node.type == signal_type
    # A NOT that holds has no child that holds, so nothing below it is found here.
    return any(handles(child, signals, signal_type) for child in node.children)


def leaf_label(leaf: Leaf, signal: Signal | None = None) -> str:
    label = f":{signal.label}" if signal is not None and signal.label else ""
    return f"{leaf.type}:{leaf.name}{label}"


def _matched(decision: Decision, signals: Signals) -> Matched:
    held = match(decision.rules, signals)
    return Matched(decision, held.confidence, held.rules)


def _ranked(policy: Policy, signals: Signals) -> list[tuple[float, Decision]]:
    """Only confidences are computed here: this runs for every request over every decision."""
    held = []
    for decision in policy.decisions:
        confidence = 0.0 if decision.rules is None else _confidence(decision.rules, signals)
        if confidence != _NO_MATCH:
            held.append((confidence, decision))
    held.sort(key=_order(policy))
    return held


def _order(policy: Policy) -> Callable[[tuple[float, Decision]], tuple[float | str, ...]]:
    if any(decision.tier > 0 for decision in policy.decisions):
        return lambda item: (item[1].tier, -item[0], -item[1].priority, item[1].name)
    if policy.strategy == "confidence":
        return lambda item: (-item[0], -item[1].priority, item[1].name)
    return lambda item: (-item[1].priority, -item[0], item[1].name)


def _confidence(node: RuleNode, signals: Signals) -> float:
    """The confidence a tree holds with, or `_NO_MATCH`. Stops at the first child that settles it."""
    if isinstance(node, Leaf):
        signal = signals.get((node.type, node.name))
        if signal is None or signal.error:
            return 1.0 if node.on_error == "match" else _NO_MATCH
        return signal.confidence if signal.matched else _NO_MATCH
    if node.operator == "AND":
        total = 0.0
        for child in node.children:
            confidence = _confidence(child, signals)
            if confidence == _NO_MATCH:
                return _NO_MATCH
            total += confidence
        return total / len(node.children) if node.children else 0.0
    if node.operator == "OR":
        best = _NO_MATCH
        for child in node.children:
            best = max(best, _confidence(child, signals))
        return best
    return 1.0 if _confidence(node.children[0], signals) == _NO_MATCH else _NO_MATCH


def _held(node: RuleNode, signals: Signals) -> list[str]:
    if _confidence(node, signals) == _NO_MATCH:
        return []
    if isinstance(node, Leaf):
        return [leaf_label(node, signals.get((node.type, node.name)))]
    if node.operator == "NOT":
        return []
    return [label for child in node.children for label in _held(child, signals)]
