"""Embedding rules: the routing text is near to an operator's examples.

A rule's score is its nearness to the candidates less that to the negative ones. A rule holds hard from
its own threshold on; if none does, those over the soft threshold hold (unless switched off). Of all that
hold the `top_k` nearest are left. `margin_threshold` is the lead the nearest rule needs over the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vsr.config.policy_signals import EmbeddingMatching, EmbeddingRule
from vsr.facts import Signal
from vsr.signals.prototypes import Bank, Nearness, Vector, unit


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingBanks:
    candidates: Bank
    negatives: Bank

    def nearness(self, vector: Vector) -> Nearness:
        near = self.candidates.nearness(vector)
        if not self.negatives.examples:
            return near
        return Nearness(near.score - self.negatives.nearness(vector).score, near.example)


def evaluate(
    rules: Sequence[EmbeddingRule],
    banks: Mapping[str, EmbeddingBanks],
    vector: Vector,
    matching: EmbeddingMatching,
) -> list[Signal]:
    near = {rule.name: banks[rule.name].nearness(vector) for rule in rules}
    ranked = sorted(rules, key=lambda rule: -near[rule.name].score)
    hard = [rule for rule in ranked if near[rule.name].score >= rule.threshold]
    soft = [rule for rule in ranked if matching.soft and near[rule.name].score >= matching.soft_threshold]
    holding = hard or soft
    if holding and len(ranked) > 1:
        lead = near[ranked[0].name].score - near[ranked[1].name].score
        if lead < ranked[0].scoring.margin:
            holding = []
    left = {rule.name for rule in (holding[: matching.top_k] if matching.top_k else holding)}
    how = "hard" if hard else "soft"
    return [_signal(rule, near[rule.name], rule.name in left, how, matching) for rule in rules]


def _signal(
    rule: EmbeddingRule, near: Nearness, matched: bool, how: str, matching: EmbeddingMatching
) -> Signal:
    threshold = matching.soft_threshold if matched and how == "soft" else rule.threshold
    detail = f"candidate {near.example}" + (f", {how} match" if matched else "")
    return Signal(
        "embedding", rule.name, matched, unit(near.score), threshold, detail=detail, value=near.score
    )
