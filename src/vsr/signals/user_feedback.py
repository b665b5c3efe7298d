"""Feedback rules: what a person's words say about the answer before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from vsr.chat.conversation import Conversation
from vsr.config.policy_signals import LikelyRule
from vsr.facts import Signal

LABELS: Final[Mapping[str, str]] = {
    "satisfied": "SAT",
    "need_clarification": "NEED_CLARIFICATION",
    "wrong_answer": "WRONG_ANSWER",
    "want_different": "WANT_DIFFERENT",
}
"""Name of a rule → label of the head."""


def evaluate(
    rules: Sequence[LikelyRule], probabilities: Mapping[str, float], conversation: Conversation
) -> list[Signal]:
    """Without an earlier answer nothing can be feedback on it."""
    if not conversation.roles.get("assistant"):
        return [
            Signal("user_feedback", rule.name, False, 0.0, rule.threshold, detail="no answer to comment on")
            for rule in rules
        ]
    return [_evaluate_rule(rule, probabilities) for rule in rules]


def _evaluate_rule(rule: LikelyRule, probabilities: Mapping[str, float]) -> Signal:
    if not probabilities:
        error = "the bundle has no feedback head, or there is no text to route by"
        return Signal("user_feedback", rule.name, False, 0.0, rule.threshold, error=error)
    probability = probabilities.get(LABELS[rule.name], 0.0)
    likeliest = probability == max(probabilities.values())
    return Signal(
        "user_feedback", rule.name, likeliest and probability >= rule.threshold, probability, rule.threshold
    )
