"""Keyword rules by edit distance: a keyword counts although it was mistyped.

A threshold up to 10 is a number of edits (the original's meaning), a larger one a similarity in per
cent: of the keyword's letters that many must be right (the meaning that the original's reference
configuration has in mind with 82). Either way a word of up to three letters must be right and one of
up to five may have one error, since otherwise `asap` would be found in `as a`.

Words within d edits share at least one of d + 1 pieces of the keyword, which plain search finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from vsr.config.patterns import fold_case
from vsr.config.policy_signals import KeywordRule
from vsr.facts import Signal
from vsr.signals.asked import Asked, is_cjk
from vsr.signals.keyword import conclude

MAX_EDITS: Final = 10
"""Thresholds above this one are per cent."""


@dataclass(frozen=True, slots=True)
class _Keyword:
    text: str
    words: int
    edits: int
    pieces: tuple[str, ...]
    wide: bool


class FuzzyKeywords:
    def __init__(self, rules: Sequence[KeywordRule]) -> None:
        self._rules = [(rule, tuple(_keyword(rule, word) for word in rule.keywords)) for rule in rules]

    def evaluate(self, asked: Asked) -> list[Signal]:
        signals = []
        for rule, keywords in self._rules:
            text = asked.excerpt if rule.case_sensitive else asked.folded_excerpt
            words = asked.cased_words if rule.case_sensitive else asked.words
            distances = [_distance(keyword, text, words) for keyword in keywords]
            found = [
                1 - distance / max(1, len(keyword.text))
                for keyword, distance in zip(keywords, distances, strict=True)
                if distance <= keyword.edits
            ]
            signals.append(conclude(rule, len(found), max(found, default=0.0)))
        return signals


def allowed_edits(length: int, threshold: float) -> int:
    """For a keyword of `length` characters."""
    edits = int(threshold) if threshold <= MAX_EDITS else int(length * (100 - threshold) / 100)
    if length <= 3:
        return 0
    return min(edits, 1) if length <= 5 else min(edits, length // 2)


def _keyword(rule: KeywordRule, keyword: str) -> _Keyword:
    text = " ".join((keyword if rule.case_sensitive else fold_case(keyword)).split())
    edits = allowed_edits(len(text), rule.threshold)
    step = max(1, len(text) // (edits + 1))
    starts = [step * part for part in range(edits + 1)] + [len(text)]
    pieces = tuple(text[start:end] for start, end in pairwise(starts) if start < end)
    return _Keyword(text, text.count(" ") + 1, edits, pieces, is_cjk(text))


def _distance(keyword: _Keyword, text: str, words: Sequence[str]) -> int:
    """The least number of edits to something in the text; more than allowed if there is nothing."""
    pieces = [piece for piece in keyword.pieces if piece in text]
    if not pieces:
        return keyword.edits + 1
    if keyword.wide:
        return _within(keyword, text, pieces)
    low, high = len(keyword.text) - keyword.edits, len(keyword.text) + keyword.edits
    best = keyword.edits + 1
    for candidate in _candidates(words, keyword.words):
        if low <= len(candidate) <= high and any(piece in candidate for piece in pieces):
            best = min(best, edit_distance(keyword.text, candidate, best))
            if best == 0:
                break
    return best


def _candidates(words: Sequence[str], length: int) -> Sequence[str]:
    if length == 1:
        return tuple(dict.fromkeys(words))
    return tuple(" ".join(words[at : at + length]) for at in range(len(words) - length + 1))


def _within(keyword: _Keyword, text: str, pieces: Sequence[str]) -> int:
    """Scripts without spaces: the text before and behind each piece, wherever the keyword begins and ends."""
    best = keyword.edits + 1
    for piece in pieces:
        offset = keyword.text.index(piece)
        before, behind = keyword.text[:offset][::-1], keyword.text[offset + len(piece) :]
        at = text.find(piece)
        while at >= 0 and best:
            end = at + len(piece)
            distance = _reach(before, text[max(0, at - offset - keyword.edits) : at][::-1], best)
            if distance < best:
                distance += _reach(behind, text[end : end + len(behind) + keyword.edits], best - distance)
            best = min(best, distance)
            at = text.find(piece, at + 1)
    return best


def _reach(left: str, right: str, limit: int) -> int:
    """The least distance from `left` to a beginning of `right`, or `limit` once it cannot be less."""
    return 0 if right.startswith(left) else min(limit, *_distances(left, right, limit))


def edit_distance(left: str, right: str, limit: int) -> int:
    """Levenshtein's, or `limit` once it cannot be less."""
    return 0 if left == right else min(limit, _distances(left, right, limit)[-1])


def _distances(left: str, right: str, limit: int) -> list[int]:
    """From `left` to every beginning of `right`; all at least `limit` once none can be less."""
    row = list(range(len(right) + 1))
    for index, character in enumerate(left, 1):
        above, row[0] = row[0], index
        for column, other in enumerate(right, 1):
            cost = above if character == other else above + 1
            above = row[column]
            row[column] = min(cost, above + 1, row[column - 1] + 1)
        if min(row) >= limit:
            break
    return row
