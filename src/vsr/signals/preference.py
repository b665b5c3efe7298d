"""Preference rules: the route whose examples a request is nearest to. The rules compete; at most one
holds. A model that labels texts with the rules' names can stand in for the examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vsr.config.policy_signals import PreferenceRule
from vsr.facts import Signal
from vsr.signals.prototypes import NOWHERE, Bank, Vector, unit


def evaluate(rules: Sequence[PreferenceRule], banks: Mapping[str, Bank], vector: Vector) -> list[Signal]:
    near = {rule.name: banks[rule.name].nearness(vector) for rule in rules}
    details = {name: f"example {one.example}" if one != NOWHERE else "" for name, one in near.items()}
    return _compete(rules, {name: one.score for name, one in near.items()}, details)


def from_labels(rules: Sequence[PreferenceRule], probabilities: Mapping[str, float]) -> list[Signal]:
    """`probabilities`: what the external model said."""
    scores = {rule.name: probabilities.get(rule.name, 0.0) for rule in rules}
    return _compete(rules, scores, dict.fromkeys(scores, "by the external model"))


def failed(rule: PreferenceRule, reason: str) -> Signal:
    return Signal("preference", rule.name, False, 0.0, error=reason)


def _compete(
    rules: Sequence[PreferenceRule], scores: Mapping[str, float], details: Mapping[str, str]
) -> list[Signal]:
    reached = [rule.name for rule in rules if scores[rule.name] >= rule.threshold]
    winner = max(reached, key=lambda name: scores[name], default="")
    return [
        Signal(
            "preference",
            rule.name,
            rule.name == winner,
            unit(scores[rule.name]),
            rule.threshold,
            detail=details[rule.name],
            value=scores[rule.name],
        )
        for rule in rules
    ]
