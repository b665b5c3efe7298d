"""Complexity rules: nearer to the hard examples or to the easy ones.

The margin is the score of the hard examples less that of the easy ones; the verdict, `hard`, `medium`
or `easy`, is the signal's label. A rule with a composer is only asked where that holds: otherwise it
has no verdict and does not match.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vsr.config.policy_signals import ComplexityRule
from vsr.facts import Signal
from vsr.signals.composer import holds
from vsr.signals.prototypes import Bank, Vector


@dataclass(frozen=True, slots=True, eq=False)
class ComplexityBanks:
    hard: Bank
    easy: Bank


def evaluate(
    rules: Sequence[ComplexityRule],
    banks: Mapping[str, ComplexityBanks],
    vector: Vector,
    signals: Mapping[tuple[str, str], Signal],
) -> list[Signal]:
    """`signals`: those that composers may name, computed before."""
    return [_evaluate_rule(rule, banks[rule.name], vector, signals) for rule in rules]


def _evaluate_rule(
    rule: ComplexityRule,
    banks: ComplexityBanks,
    vector: Vector,
    signals: Mapping[tuple[str, str], Signal],
) -> Signal:
    hard, easy = banks.hard.nearness(vector), banks.easy.nearness(vector)
    margin = hard.score - easy.score
    label = "hard" if margin > rule.hard_above else "easy" if margin < rule.easy_below else "medium"
    threshold = rule.easy_below if label == "easy" else rule.hard_above
    detail = f"hard example {hard.example}, easy example {easy.example}"
    matched = rule.composer is None or holds(rule.composer, signals)
    if not matched:
        detail = "the composer does not hold"
    return Signal(
        "complexity",
        rule.name,
        matched,
        min(1.0, abs(margin)),
        threshold,
        label=label if matched else "",
        detail=detail,
        value=margin,
    )
