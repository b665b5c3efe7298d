"""Domain rules: which subject a request is about, read from the domain head's probabilities.

A rule stands for one or more classes of the head and holds when the likeliest of them reaches the
threshold. When no rule holds, the rule named like the fallback category does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from vsr.config.policy import DomainRule
from vsr.facts import Signal


def evaluate(rules: Sequence[DomainRule], probabilities: Mapping[str, float], fallback: str) -> list[Signal]:
    """One signal a rule. `probabilities` is empty when the request has no text to route by."""
    signals = [_evaluate_rule(rule, probabilities) for rule in rules]
    if any(signal.matched for signal in signals):
        return signals
    return [
        replace(signal, matched=True, detail="fallback: no domain reached its threshold")
        if signal.name == fallback
        else signal
        for signal in signals
    ]


def _evaluate_rule(rule: DomainRule, probabilities: Mapping[str, float]) -> Signal:
    if not probabilities:
        return Signal("domain", rule.name, False, 0.0, rule.threshold, detail="no text to route by")
    best = max(rule.classes, key=lambda name: (probabilities.get(name, 0.0), name), default="")
    probability = probabilities.get(best, 0.0)
    matched = probability >= rule.threshold
    detail = "" if best == rule.name else f"as {best}"
    return Signal("domain", rule.name, matched, probability, rule.threshold, detail=detail)
