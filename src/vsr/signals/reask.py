"""Re-ask rules: the person asks the same again, which says that the answers did not help.

A rule holds when each of the last `lookback` asks before this one is near to it; the confidence is the
cosine of the one least like it.
"""

from __future__ import annotations

from collections.abc import Sequence

from vsr.config.policy_signals import ReaskRule
from vsr.facts import Signal
from vsr.signals.prototypes import Vector, unit


def evaluate(rules: Sequence[ReaskRule], vector: Vector, earlier: Sequence[Vector]) -> list[Signal]:
    """earlier: vectors of the asks before, the latest first."""
    cosines = [float(vector @ other) for other in earlier]
    return [_evaluate_rule(rule, cosines) for rule in rules]


def _evaluate_rule(rule: ReaskRule, cosines: Sequence[float]) -> Signal:
    if len(cosines) < rule.lookback:
        detail = f"{len(cosines)} asks before, {rule.lookback} needed"
        return Signal("reask", rule.name, False, 0.0, rule.threshold, detail=detail, value=0.0)
    least = min(cosines[: rule.lookback])
    streak = next((at for at, cosine in enumerate(cosines) if cosine < rule.threshold), len(cosines))
    detail = f"asked alike {streak} times before"
    return Signal(
        "reask", rule.name, least >= rule.threshold, unit(least), rule.threshold, detail=detail, value=least
    )
