"""Keyword rules that match literally: whole words, or an operator's own expressions.

The configuration compiles the expressions (word boundaries, case); a literal keyword is looked for by
plain search first.
"""

from __future__ import annotations

from collections.abc import Sequence

from vsr.config.patterns import needle
from vsr.config.policy_signals import KeywordRule
from vsr.facts import Signal
from vsr.signals.asked import Asked


class LiteralKeywords:
    """Rules of the methods `words` and `regex`."""

    def __init__(self, rules: Sequence[KeywordRule]) -> None:
        self._rules = [_Literal(rule) for rule in rules]

    def evaluate(self, asked: Asked) -> list[Signal]:
        return [rule.evaluate(asked) for rule in self._rules]


class _Literal:
    """Most rules find nothing in most texts, which is one and the same signal every time."""

    def __init__(self, rule: KeywordRule) -> None:
        self._rule = rule
        self._needles = tuple(needle(word) if rule.method == "words" else "" for word in rule.keywords)
        self._nothing = conclude(rule, 0)

    def evaluate(self, asked: Asked) -> Signal:
        folded = asked.folded
        seen = [index for index, word in enumerate(self._needles) if word in folded]
        if not seen:
            return self._nothing
        patterns = self._rule.patterns
        found = sum(asked.occurrences(self._needles[index], patterns[index], 1) for index in seen)
        return conclude(self._rule, found)


def conclude(rule: KeywordRule, found: int, score: float | None = None) -> Signal:
    """The operator over the keywords found, with confidence 1.0 as in the original. score: the best
    keyword's, where there is one."""
    total = len(rule.keywords)
    match rule.operator:
        case "AND":
            matched = total > 0 and found == total
        case "OR":
            matched = found > 0
        case "NOR":
            matched = found == 0
    return Signal(
        "keyword",
        rule.name,
        matched,
        threshold=None if score is None else rule.threshold,
        detail=f"{found} of {total} keywords found",
        value=score,
    )
