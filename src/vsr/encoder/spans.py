"""From token predictions of the PII head to spans of characters.

Decisions are made per word, never inside one: a word's probability for a type is the mean over its
pieces. Neighbouring words of one type form a span whose score is the mean over the words that are sure,
held against that type's threshold. Which passage a span is in, and what is done about it, is told and
decided elsewhere.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from vsr.encoder.addresses import address_ranges
from vsr.encoder.heads import TokenTypes
from vsr.encoder.tokens import Tokens, is_cjk

DEFAULT_THRESHOLD = 0.5
WORD_FLOOR = 0.4
"""A word this likely of a type may be part of a span. It does not depend on the thresholds, so a
threshold can be fitted on spans found under another; one below it has no further effect."""
UNSURE_FLOOR = 0.2
"""A word this likely belongs to a run of LONG_TYPES, but makes none by itself."""
FAINTEST = 0.1
"""Words with no piece above this are not looked at."""
HALF_OF_DAY = re.compile(r"\s?[ap]\.?m\b\.?", re.IGNORECASE)
"""What belongs to the time before it."""
VERBATIM = frozenset({"PASSWORD"})
"""Types whose edges may be punctuation."""
LONG_TYPES = frozenset({"STREET_ADDRESS"})
"""Types of long spans with names in them that could be something else: neither a word, nor, in Chinese,
LARGEST_GAP characters that the head took for none of it end one; nor does a beginning amid a run
of characters. See `addresses` for where they end."""
LARGEST_GAP = 2
SURE = 0.6
"""A less likely word of LONG_TYPES begins none."""
STOPS = frozenset(".;!?\n")
EDGES = "\"'`“”‘’«»「」『』《》<>,.;:!?，。；：！？、…–—-*_=|\\/"
PAIRS = ("()", "[]", "{}", "（）", "【】")


@dataclass(frozen=True, slots=True)
class Span:
    """`text[start:end]` is an entity of this type, with this probability."""

    type: str
    start: int
    end: int
    score: float


class _Word(NamedTuple):
    number: int
    start: int
    end: int
    type: str
    score: float
    begins: bool


def find_spans(
    text: str, tokens: Tokens, heard: TokenTypes, types: Sequence[str], thresholds: Mapping[str, float]
) -> list[Span]:
    """Spans in order. `heard` has one prediction per token; `types` names their indices."""
    words = list(_entity_words(tokens, heard, types))
    long = _spans(text, [word for word in words if word.type in LONG_TYPES], thresholds)
    starts = [span.start for span in long]

    def is_part(word: _Word) -> bool:
        """A name in an address is a part of it."""
        before = bisect_right(starts, word.start) - 1
        return before >= 0 and word.start < long[before].end

    others = [word for word in words if word.type not in LONG_TYPES and not is_part(word)]
    return sorted([*long, *_spans(text, others, thresholds)], key=lambda span: span.start)


def _spans(text: str, words: Sequence[_Word], thresholds: Mapping[str, float]) -> list[Span]:
    spans: list[Span] = []
    run: list[_Word] = []
    for word in words:
        if run and not _continues(text, run[-1], word):
            spans += _span(text, run, thresholds)
            run = []
        run.append(word)
    if run:
        spans += _span(text, run, thresholds)
    return spans[:1] + [span for before, span in pairwise(spans) if not _inside(span, before)]


def _inside(span: Span, before: Span) -> bool:
    """Whether the span before was found to reach over it."""
    return span.start < before.end and span.type == before.type


def join_types(parts: Sequence[TokenTypes]) -> TokenTypes:
    if len(parts) == 1:
        return parts[0]
    return TokenTypes(
        np.concatenate([part.types for part in parts]),
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate([part.begins for part in parts]),
    )


def _entity_words(tokens: Tokens, heard: TokenTypes, types: Sequence[str]) -> Iterator[_Word]:
    candidates = np.flatnonzero(heard.probabilities > FAINTEST).tolist()
    if not candidates:
        return
    # lists, since one by one their elements are several times quicker than an array's
    kinds, scores = heard.types.tolist(), heard.probabilities.tolist()
    firsts = [*np.flatnonzero(tokens.words).tolist(), len(tokens)]
    end = 0
    for place in candidates:
        if place < end:
            continue  # a further piece of the same word
        number = bisect_right(firsts, place) - 1
        first, end = firsts[number], firsts[number + 1]
        kind, score = _word_type(kinds[first:end], scores[first:end])
        if score >= (UNSURE_FLOOR if types[kind] in LONG_TYPES else WORD_FLOOR):
            start, stop = int(tokens.starts[first]), int(tokens.ends[end - 1])
            begins = bool(heard.begins[first]) and (types[kind] not in LONG_TYPES or score >= SURE)
            yield _Word(number, start, stop, types[kind], score, begins)


def _word_type(kinds: Sequence[int], scores: Sequence[float]) -> tuple[int, float]:
    """The type with the highest mean probability over a word's pieces."""
    if len(kinds) == 1:
        return kinds[0], scores[0]
    totals: dict[int, float] = {}
    for kind, probability in zip(kinds, scores, strict=True):
        totals[kind] = totals.get(kind, 0.0) + probability
    best = max(totals, key=lambda kind: totals[kind])
    return best, totals[best] / len(kinds)


def _continues(text: str, before: _Word, word: _Word) -> bool:
    if before.type != word.type:
        return False
    between = text[before.end : word.start]
    if word.number == before.number + 1:
        # inside a run of Latin characters, such as an address or a number, a new beginning is noise
        unbroken = not between and (word.type in LONG_TYPES or not is_cjk(text[word.start]))
        return unbroken or not word.begins
    if word.type in LONG_TYPES and _is_small_gap(text, before, word):
        return True
    # one punctuation mark that the head passed over, within a run: john.doe, 555-0132
    skipped_mark = word.number == before.number + 2 and len(between) == 1 and not between.isspace()
    return skipped_mark and not between.isalnum() and not word.begins


def _is_small_gap(text: str, before: _Word, word: _Word) -> bool:
    between = text[before.end : word.start]
    if is_cjk(text[word.start]):
        return len(between) <= LARGEST_GAP and all(map(is_cjk, between))
    return word.number == before.number + 2 and not word.begins and STOPS.isdisjoint(between)


def _span(text: str, run: Sequence[_Word], thresholds: Mapping[str, float]) -> list[Span]:
    kind = run[0].type
    sure = [word.score for word in run if word.score >= WORD_FLOOR]
    score = sum(sure) / max(1, len(sure))
    if not sure or score < thresholds.get(kind, DEFAULT_THRESHOLD):
        return []
    start, end = run[0].start, run[-1].end
    if kind not in VERBATIM:
        start, end = _trimmed(text, start, end)
    if kind == "DATE_TIME" and text[end - 1].isdigit() and (half := HALF_OF_DAY.match(text, end)):
        end = half.end()
    ranges = address_ranges(text, start, end) if kind in LONG_TYPES else [(start, end)]
    return [Span(kind, first, last, score) for first, last in ranges if first < last]


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Without white space, punctuation and unpaired brackets at the edges."""
    if text[start].isalnum() and text[end - 1].isalnum():
        return start, end
    while start < end and _is_edge(text[start], text[start:end]):
        start += 1
    while start < end and _is_edge(text[end - 1], text[start:end]):
        end -= 1
    return start, end


def _is_edge(character: str, span: str) -> bool:
    if character.isspace() or character in EDGES:
        return True
    return any(span.count(pair[0]) != span.count(pair[1]) for pair in PAIRS if character in pair)
