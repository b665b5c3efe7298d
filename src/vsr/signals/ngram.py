"""Keyword rules by n-grams of characters: a word of the text and a keyword are alike as far as they
share them, so that typing errors are forgiven.

Likeness is that of the original's library: of all n-grams of both, padded at the ends, the share they
have in common, warped to `1 - (1 - share)²`. A keyword of several words is compared with as many
neighbouring words, one in Chinese or Japanese with the text itself: the share of its pairs found there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from vsr.config.patterns import fold_case
from vsr.config.policy_signals import KeywordRule
from vsr.facts import Signal
from vsr.signals.asked import Asked, is_cjk
from vsr.signals.keyword import conclude

Place = tuple[int, int]
"""Rule and keyword."""


class NgramKeywords:
    """One index over all rules of the same arity and case."""

    def __init__(self, rules: Sequence[KeywordRule]) -> None:
        self._rules = tuple(rules)
        groups: defaultdict[tuple[int, bool], list[int]] = defaultdict(list)
        for number, rule in enumerate(rules):
            groups[rule.arity, rule.case_sensitive].append(number)
        self._groups = [
            _Group(arity, cased, {number: self._rules[number] for number in numbers})
            for (arity, cased), numbers in groups.items()
        ]

    def evaluate(self, asked: Asked) -> list[Signal]:
        best: dict[Place, float] = {}
        for group in self._groups:
            group.score(asked, best)
        signals = []
        for number, rule in enumerate(self._rules):
            scores = [best.get((number, keyword), 0.0) for keyword in range(len(rule.keywords))]
            found = sum(1 for score in scores if score >= rule.threshold)
            signals.append(conclude(rule, found, max(scores, default=0.0)))
        return signals


class _Group:
    def __init__(self, arity: int, cased: bool, rules: dict[int, KeywordRule]) -> None:
        self._arity = arity
        self._cased = cased
        self._grams: defaultdict[str, list[Place]] = defaultdict(list)
        self._sizes: dict[Place, int] = {}
        self._wide: dict[Place, tuple[str, ...]] = {}
        self._longest = 1
        for number, rule in rules.items():
            for index, keyword in enumerate(rule.keywords):
                self._add((number, index), keyword if cased else fold_case(keyword))

    def _add(self, place: Place, keyword: str) -> None:
        if is_cjk(keyword):
            self._wide[place] = tuple(a + b for a, b in pairwise(keyword)) or (keyword,)
            return
        words = keyword.split()
        self._longest = max(self._longest, min(4, len(words)))
        grams = _grams(" ".join(words), self._arity)
        self._sizes[place] = len(grams)
        for gram in grams:
            self._grams[gram].append(place)

    def score(self, asked: Asked, best: dict[Place, float]) -> None:
        text = asked.excerpt if self._cased else asked.folded_excerpt
        for place, pairs in self._wide.items():
            best[place] = sum(1 for pair in pairs if pair in text) / len(pairs)
        if not self._sizes:
            return
        words = asked.cased_words if self._cased else asked.words
        for length in range(1, self._longest + 1):
            for candidate in dict.fromkeys(_runs(words, length)):
                self._compare(candidate, best)

    def _compare(self, candidate: str, best: dict[Place, float]) -> None:
        grams = _grams(candidate, self._arity)
        shared: dict[Place, int] = {}
        for gram in grams & self._grams.keys():
            for place in self._grams[gram]:
                shared[place] = shared.get(place, 0) + 1
        for place, common in shared.items():
            total = len(grams) + self._sizes[place] - common
            likeness = 1 - (1 - common / total) ** 2
            if likeness > best.get(place, 0.0):
                best[place] = likeness


def _runs(words: Sequence[str], length: int) -> Iterable[str]:
    if length == 1:
        return words
    return (" ".join(words[at : at + length]) for at in range(len(words) - length + 1))


def _grams(word: str, arity: int) -> set[str]:
    padded = " " * (arity - 1) + word + " " * (arity - 1)
    return {padded[at : at + arity] for at in range(len(padded) - arity + 1)}
