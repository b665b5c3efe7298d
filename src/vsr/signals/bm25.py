"""Keyword rules by BM25: every keyword of a rule is a document, the routing text the query.

Scores as usual (k1 = 1.2, b = 0.75) over the keywords of one rule; a term counts once however often it
is asked. English endings are cut, Chinese and Japanese are read in pairs of characters. Function words are
left out, but a keyword of nothing else is one term, the words in their order.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from vsr.config.policy_signals import KeywordRule
from vsr.facts import Signal
from vsr.signals.asked import Asked, is_cjk
from vsr.signals.keyword import conclude

_K1: Final = 1.2
_B: Final = 0.75
_STOP: Final = frozenset(
    {"a", "about", "after", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be"}
    | {"because", "been", "before", "being", "both", "but", "by", "can", "could", "did", "do", "does"}
    | {"doing", "down", "each", "few", "for", "from", "had", "has", "have", "having", "he", "her"}
    | {"here", "him", "his", "how", "i", "if", "in", "into", "is", "it", "its", "just", "me", "more"}
    | {"most", "must", "my", "no", "nor", "not", "now", "of", "off", "on", "once", "only", "or"}
    | {"other", "our", "out", "over", "own", "same", "shall", "she", "should", "so", "some", "such"}
    | {"than", "that", "the", "their", "them", "then", "there", "these", "they", "this", "those"}
    | {"through", "to", "too", "under", "until", "up", "us", "very", "was", "we", "were", "what"}
    | {"when", "where", "which", "while", "who", "why", "will", "with", "would", "you", "your"}
)
"""Function words: a keyword of several words is not found by one of these alone."""


class Bm25Keywords:
    def __init__(self, rules: Sequence[KeywordRule]) -> None:
        self._rules = [(rule, _weights(rule)) for rule in rules]
        self._phrases = frozenset(
            phrase
            for rule in rules
            if not rule.case_sensitive
            for keyword in rule.keywords
            for phrase in _phrase(_split(rule, keyword))
        )

    def evaluate(self, asked: Asked) -> list[Signal]:
        if not self._rules:
            return []
        spoken = f" {' '.join(asked.words)} " if self._phrases else ""
        phrases = [phrase for phrase in self._phrases if f" {phrase} " in spoken]
        folded = frozenset((*terms(asked.distinct), *phrases))
        signals = []
        for rule, weights in self._rules:
            given = frozenset(_terms(asked.cased_words)) if rule.case_sensitive else folded
            scores: defaultdict[int, float] = defaultdict(float)
            for term in weights.keys() & given:
                for keyword, weight in weights[term]:
                    scores[keyword] += weight
            found = sum(1 for score in scores.values() if score >= rule.threshold)
            signals.append(conclude(rule, found, max(scores.values(), default=0.0)))
        return signals


def _weights(rule: KeywordRule) -> dict[str, list[tuple[int, float]]]:
    """Term → (keyword, what the term adds to its score)."""
    keywords = [_split(rule, keyword) for keyword in rule.keywords]
    documents = [
        Counter(_terms(words) if rule.case_sensitive else terms(words) + _phrase(words)) for words in keywords
    ]
    mean = sum(document.total() for document in documents) / max(1, len(documents))
    holding = Counter(term for document in documents for term in document)
    weights: dict[str, list[tuple[int, float]]] = {}
    for index, document in enumerate(documents):
        norm = _K1 * (1 - _B + _B * document.total() / max(mean, 1e-9))
        for term, count in document.items():
            rarity = math.log(1 + (len(documents) - holding[term] + 0.5) / (holding[term] + 0.5))
            weights.setdefault(term, []).append((index, rarity * count * (_K1 + 1) / (count + norm)))
    return weights


def _split(rule: KeywordRule, keyword: str) -> tuple[str, ...]:
    asked = Asked(keyword)
    return asked.cased_words if rule.case_sensitive else asked.words


def terms(words: Iterable[str]) -> list[str]:
    """Index terms of folded words: no function words, no endings."""
    return [_stem(word) for word in _terms(words) if word not in _STOP]


def _phrase(words: Sequence[str]) -> list[str]:
    """The term of a keyword that has function words only; none for any other."""
    return [" ".join(words)] if words and _STOP.issuperset(words) else []


def _terms(words: Iterable[str]) -> list[str]:
    found: list[str] = []
    for word in words:
        if word.isascii() or not is_cjk(word):
            found.append(word)
        else:
            found += [word[at : at + 2] for at in range(max(1, len(word) - 1))]
    return found


def _stem(word: str) -> str:
    """Enough for `functions`, `debugging` and `refactored` to meet their keyword."""
    if len(word) < 4 or not word.isascii():
        return word
    for ending in ("ings", "ing", "ies", "ied", "es", "ed", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            return _undouble(word.removesuffix(ending))
    return word


def _undouble(stem: str) -> str:
    double = len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] not in "aeioulsz"
    return stem[:-1] if double else stem
