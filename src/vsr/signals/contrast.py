"""Jailbreak rules by contrast: nearer to known attacks than to harmless requests of the same kind.

The contrast is the cosine to the nearest attack less that to the nearest harmless text, the largest of
all asks that the rule looks at. A hybrid rule holds when either the head or the contrast does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vsr.config.policy_signals import JailbreakRule
from vsr.facts import Signal
from vsr.signals.prototypes import Bank, Nearness, Vector, unit


@dataclass(frozen=True, slots=True, eq=False)
class ContrastBanks:
    attacks: Bank
    benign: Bank


def evaluate_rule(rule: JailbreakRule, banks: ContrastBanks, vectors: Sequence[Vector]) -> Signal:
    """vectors: of the asks that the rule looks at, one at least."""
    assert rule.contrast is not None, "rules of the head alone are not contrasted"
    best = max((_contrast(banks, vector) for vector in vectors), key=lambda near: near.score)
    matched = best.score >= rule.contrast
    detail = f"contrast, attack {best.example}"
    return Signal(
        "jailbreak", rule.name, matched, unit(best.score), rule.contrast, detail=detail, value=best.score
    )


def either(head: Signal, contrast: Signal) -> Signal:
    """An error of the one counts only if the other does not match."""
    if contrast.matched and (not head.matched or contrast.confidence > head.confidence):
        return contrast
    if head.matched:
        return head
    return replace(head, error=head.error or contrast.error)


def _contrast(banks: ContrastBanks, vector: Vector) -> Nearness:
    attack, benign = banks.attacks.nearness(vector), banks.benign.nearness(vector)
    return Nearness(attack.score - benign.score, attack.example)
