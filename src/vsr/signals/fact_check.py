"""Fact-check rules: does the request ask for facts that somebody should be able to rely on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from vsr.config.policy_signals import LikelyRule
from vsr.facts import Signal

NEEDED: Final = "needs_fact_check"
NOT_NEEDED: Final = "no_fact_check_needed"


def evaluate(rules: Sequence[LikelyRule], probability: float | None) -> list[Signal]:
    """`probability` None: the bundle has no such head, or there is no text to route by."""
    return [_evaluate_rule(rule, probability) for rule in rules]


def _evaluate_rule(rule: LikelyRule, probability: float | None) -> Signal:
    if probability is None:
        error = "the bundle has no fact-check head, or there is no text to route by"
        return Signal("fact_check", rule.name, False, 0.0, rule.threshold, error=error)
    needed = probability >= rule.threshold
    if rule.name == NEEDED:
        return Signal("fact_check", rule.name, needed, probability, rule.threshold)
    return Signal("fact_check", rule.name, not needed, 1 - probability, rule.threshold)
