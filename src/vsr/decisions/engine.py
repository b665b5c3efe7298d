"""Rule trees over signals, and which decision wins. Pure, and the same for live traffic and traces.

Confidences as in the original: a leaf has its signal's, with a predicate 1.0; AND the mean of its
children, OR the maximum of those that hold, NOT 1.0; a decision without rules holds with 0. An
unavailable signal counts as its leaf's `on_error` says, with confidence 1.0 when that is `match`.
Signals are those that `projections.project` left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from vsr.config.policy import Decision, Leaf, Policy, RuleNode
from vsr.decisions.projections import leaf_value
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
    held = [
        (confidence, decision)
        for decision in policy.decisions
        if (confidence := _holds(decision, signals)) != _NO_MATCH
    ]
    held.sort(key=_order(policy))
    return [_matched(decision, signals) for _, decision in held]


def winner(policy: Policy, signals: Signals) -> Matched | None:
    """The first of `matched_decisions`, without asking those that could not be better."""
    best: tuple[float, Decision] | None = None
    rank: int | None = None
    of, order = _rank(policy), _order(policy)
    for decision in sorted(policy.decisions, key=of):
        if rank is not None and of(decision) != rank:
            break
        confidence = _holds(decision, signals)
        if confidence == _NO_MATCH:
            continue
        rank, held = of(decision), (confidence, decision)
        if best is None or order(held) < order(best):
            best = held
    return _matched(best[1], signals) if best else None


def _rank(policy: Policy) -> Callable[[Decision], int]:
    """What comes before everything else in the order, so that later ranks need not be asked."""
    if has_tiers(policy):
        return lambda decision: decision.tier
    if policy.strategy == "confidence":
        return lambda decision: 0
    return lambda decision: -decision.priority


def has_tiers(policy: Policy) -> bool:
    return any(decision.tier > 0 for decision in policy.decisions)


def leaf_label(leaf: Leaf, signal: Signal | None = None) -> str:
    label = leaf.label or (signal.label if signal is not None else "")
    return f"{leaf.type}:{leaf.name}" + (f":{label}" if label else "")


def _matched(decision: Decision, signals: Signals) -> Matched:
    held = match(decision.rules, signals)
    return Matched(decision, held.confidence, held.rules)


def _holds(decision: Decision, signals: Signals) -> float:
    return 0.0 if decision.rules is None else _confidence(decision.rules, signals)


def _order(policy: Policy) -> Callable[[tuple[float, Decision]], tuple[float | str, ...]]:
    if has_tiers(policy):
        return lambda item: (item[1].tier, -item[0], -item[1].priority, item[1].name)
    if policy.strategy == "confidence":
        return lambda item: (-item[0], -item[1].priority, item[1].name)
    return lambda item: (-item[1].priority, -item[0], item[1].name)


def _confidence(node: RuleNode, signals: Signals) -> float:
    """The confidence a tree holds with, or `_NO_MATCH`. Stops at the first child that settles it."""
    if isinstance(node, Leaf):
        signal = signals.get(node.key)
        if signal is None or signal.error:
            return 1.0 if node.on_error == "match" else _NO_MATCH
        if node.predicate is None:
            held = signal.matched and (not node.label or node.label == signal.label)
            return signal.confidence if held else _NO_MATCH
        value = leaf_value(signal, node.label)
        return 1.0 if value is not None and node.predicate.holds(value) else _NO_MATCH
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
        return [leaf_label(node, signals.get(node.key))]
    if node.operator == "NOT":
        return []
    return [label for child in node.children for label in _held(child, signals)]
