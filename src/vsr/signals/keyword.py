"""Keyword rules that match literally: whole words, or an operator's own expressions.

The configuration compiles the expressions (word boundaries, case). Most keywords of most rules are in no
text: the words of a text are looked up among those that keywords need, the other keywords by plain search,
and only what is left is tried.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from re import Pattern

from vsr.config.patterns import anchor, needle
from vsr.config.policy_signals import KeywordRule
from vsr.facts import Signal
from vsr.signals.asked import Asked


@dataclass(frozen=True, slots=True)
class _Keyword:
    """rule: index of its rule. needle: folded text without which the pattern cannot match."""

    rule: int
    needle: str
    pattern: Pattern[str]


class LiteralKeywords:
    """Rules of the methods `words` and `regex`."""

    def __init__(self, rules: Sequence[KeywordRule]) -> None:
        self._rules = rules
        self._nothing = [conclude(rule, 0) for rule in rules]
        self._anchored: defaultdict[bytes, list[_Keyword]] = defaultdict(list)
        for index, rule in enumerate(rules):
            if rule.method == "words":
                for word, pattern in zip(rule.keywords, rule.patterns, strict=True):
                    self._anchored[anchor(word)].append(_Keyword(index, needle(word), pattern))
        self._elsewhere = self._anchored.pop(b"", [])

    def evaluate(self, asked: Asked) -> list[Signal]:
        """A rule without a keyword in the text gives one and the same signal every time."""
        found: defaultdict[int, int] = defaultdict(int)
        for one in self._likely(asked):
            found[one.rule] += asked.occurrences(one.needle, one.pattern, 1)
        for index, rule in enumerate(self._rules):
            if rule.expressions:
                found[index] = sum(expression.search(asked.text) for expression in rule.expressions)
        signals = self._nothing.copy()
        for index, count in found.items():
            signals[index] = conclude(self._rules[index], count)
        return signals

    def _likely(self, asked: Asked) -> Iterator[_Keyword]:
        """At least the keywords that the text holds."""
        folded, anchors = asked.folded, asked.anchors
        for word in self._anchored if anchors is None else self._anchored.keys() & anchors:
            yield from self._anchored[word]
        yield from (one for one in self._elsewhere if one.needle in folded)


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
