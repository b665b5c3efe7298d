"""Why a request went where it went: facts, rules and route told as one value, built on demand.

`vsr explain` prints it and the eval endpoint returns it. It holds types, counts and scores, never
text. Nothing is decided here: the outcome is what `choose` says, and the rules are asked again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vsr.config.policy import Decision, Leaf, Policy, RuleNode
from vsr.decisions.engine import Signals, has_tiers, leaf_label, match, matched_decisions
from vsr.decisions.flips import Choose, Flip, flips
from vsr.decisions.plain import coverage_as_dict, finding_as_dict, route_as_dict, signal_as_dict
from vsr.decisions.projections import Interval, leaf_value, project
from vsr.facts import Coverage, Facts, Signal
from vsr.route import Route


@dataclass(frozen=True, slots=True)
class TracedRule:
    """A node of a rule tree. rule: `type:name` of a leaf, or the operator. why is empty if it held."""

    rule: str
    held: bool
    confidence: float = 0.0
    why: str = ""
    children: tuple[TracedRule, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        node: dict[str, Any] = {"rule": self.rule, "held": self.held, "confidence": self.confidence}
        if self.why:
            node["why"] = self.why
        if self.children:
            node["conditions"] = [child.as_dict() for child in self.children]
        return node


@dataclass(frozen=True, slots=True)
class TracedDecision:
    """rules None is a catch-all. why says what kept it from holding, or from winning."""

    name: str
    priority: int
    tier: int
    matched: bool
    confidence: float
    rules: TracedRule | None
    matched_rules: tuple[str, ...]
    why: str
    annotations: Mapping[str, str | int | float | bool] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "priority": self.priority,
            "tier": self.tier,
            "matched": self.matched,
            "confidence": self.confidence,
            "matched_rules": list(self.matched_rules),
            "rules": self.rules.as_dict() if self.rules else None,
            "why": self.why,
            "annotations": dict(self.annotations),
        }


@dataclass(frozen=True, slots=True)
class Trace:
    """signals: as the decisions saw them, projections among them. scores: of the projections.
    flips: for each signal alone, from which value on the choice would have been another.
    entities: counts by type. categories: the domain head's probabilities, likeliest first.
    seconds: time to judge, keyed by stage (`judge` the whole, `encoder` the pass inside it)."""

    route: Route
    signals: tuple[Signal, ...]
    scores: Mapping[str, Interval]
    decisions: tuple[TracedDecision, ...]
    flips: tuple[Flip, ...]
    winner: str
    runner_up: str
    categories: Mapping[str, float]
    entities: Mapping[str, int]
    coverage: Coverage | None
    operating_points: Mapping[str, float]
    encoder_error: str
    seconds: Mapping[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "route": route_as_dict(self.route),
            "signals": [signal_as_dict(signal) for signal in self.signals],
            "scores": {name: [score.low, score.high] for name, score in self.scores.items()},
            "decisions": [decision.as_dict() for decision in self.decisions],
            "flips": [flip.as_dict() for flip in self.flips],
            "winner": self.winner,
            "runner_up": self.runner_up,
            "findings": [finding_as_dict(finding) for finding in self.route.findings],
            "selection_scores": dict(self.route.scores),
            "categories": dict(self.categories),
            "entities": dict(self.entities),
            "coverage": coverage_as_dict(self.coverage),
            "operating_points": dict(self.operating_points),
            "encoder_error": self.encoder_error,
            "seconds": dict(self.seconds),
        }


def trace(policy: Policy, facts: Facts, choose: Choose) -> Trace:
    """policy: of the recipe that was asked. choose: signals as they were judged → the route."""
    projected = project(policy.projections, facts.signals)
    signals = projected.signals
    ranked = [matched.decision.name for matched in matched_decisions(policy, signals)]
    readings = facts.readings
    probabilities = readings.domain if readings else {}
    return Trace(
        route=choose(facts.signals),
        signals=tuple(signals.values()),
        scores=projected.scores,
        decisions=tuple(_decision(decision, policy, signals, ranked) for decision in policy.decisions),
        flips=flips(policy, facts.signals, choose),
        winner=ranked[0] if ranked else "",
        runner_up=ranked[1] if len(ranked) > 1 else "",
        categories=dict(sorted(probabilities.items(), key=lambda item: -item[1])),
        entities=dict(sorted(Counter(entity.type for entity in facts.entities).items())),
        coverage=readings.coverage if readings else None,
        operating_points=facts.operating_points,
        encoder_error=facts.encoder_error,
        seconds={"judge": facts.seconds, "encoder": readings.seconds if readings else 0.0},
    )


def _decision(decision: Decision, policy: Policy, signals: Signals, ranked: list[str]) -> TracedDecision:
    held = match(decision.rules, signals)
    rules = _rule(decision.rules, signals) if decision.rules else None
    if not held.matched:
        why = rules.why if rules else ""
    elif decision.name == ranked[0]:
        why = ""
    else:
        order = "tier" if has_tiers(policy) else policy.strategy
        why = f"holds, but {ranked[0]} comes first by {order}"
    return TracedDecision(
        name=decision.name,
        priority=decision.priority,
        tier=decision.tier,
        matched=held.matched,
        confidence=held.confidence,
        rules=rules,
        matched_rules=held.rules,
        why=why,
        annotations=decision.annotations,
    )


def _rule(node: RuleNode, signals: Signals) -> TracedRule:
    held = match(node, signals)
    if isinstance(node, Leaf):
        signal = signals.get(node.key)
        why = "" if held.matched else _why_leaf(node, signal)
        return TracedRule(leaf_label(node, signal), held.matched, held.confidence, why)
    children = tuple(_rule(child, signals) for child in node.children)
    why = "" if held.matched else _why_branch(node.operator, children)
    return TracedRule(node.operator, held.matched, held.confidence, why, children)


def _why_leaf(leaf: Leaf, signal: Signal | None) -> str:
    name = leaf_label(leaf, signal)
    if signal is None:
        return f"{name} was not computed"
    if signal.error:
        return f"{name} is unavailable: {signal.error}"
    if leaf.predicate is not None:
        value = leaf_value(signal, leaf.label)
        return f"{name} has no value" if value is None else f"{name} is {value:g}, not {leaf.predicate}"
    if signal.matched:
        return f"{name} does not hold: the label is {signal.label or 'none'}"
    if signal.threshold is not None and signal.confidence < signal.threshold:
        return f"{name} is {signal.confidence:.2f}, below {signal.threshold:.2f}"
    return f"{name} does not hold" + (f" ({signal.detail})" if signal.detail else "")


def _why_branch(operator: str, children: tuple[TracedRule, ...]) -> str:
    if operator == "NOT":
        return " and ".join(f"{_phrase(child)} holds and must not" for child in children)
    missing = [child.why for child in children if not child.held]
    return " and ".join(missing) if operator == "AND" else "none of: " + "; ".join(missing)


def _phrase(node: TracedRule) -> str:
    if not node.children:
        return node.rule
    return f"{node.rule}({', '.join(_phrase(child) for child in node.children)})"
