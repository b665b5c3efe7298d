"""Personal data that has a form: found by patterns, confirmed by validators, never by a guess.

The encoder's head finds names, places and everything else that needs understanding; what is found
here is exact. `merge_entities` joins both sources, and holds the head to the forms that it claims.
Internet domains and URLs are left to the head: a link is seldom personal.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from vsr.facts import Entity, Passage
from vsr.signals.addresses import find_credentials, find_emails, find_ip_addresses
from vsr.signals.dates import find_dates
from vsr.signals.numbers import (
    Span,
    find_cards,
    find_ibans,
    find_resident_numbers,
    find_social_security_numbers,
)
from vsr.signals.phones import find_phones
from vsr.signals.plates import find_plates
from vsr.signals.plausible import EXACT, is_in_full, is_plausible
from vsr.signals.text import fold, surroundings

Recogniser = Callable[[str], Iterator[Span]]

_ANYWHERE: Final[tuple[Recogniser, ...]] = (find_credentials, find_emails)
_NUMERIC: Final[tuple[Recogniser, ...]] = (
    find_ibans,
    find_resident_numbers,
    find_cards,
    find_social_security_numbers,
)

# All numeric identifiers hold seven digits that are hardly apart. Only the text around such places
# is given to their recognisers, which makes ordinary prose ten times as cheap to read.
_DENSE: Final = re.compile(r"\d(?:[ .\-/()]{0,2}\d){6}", re.ASCII)
_AROUND: Final = 64  # characters: an IBAN's letters, or the cue before a telephone number


def find_identifiers(text: str) -> list[Span]:
    """(type, start, end, score) of what was found, in order, not overlapping. Time is linear in the text."""
    folded = fold(text)
    claims = list(_claims(folded.text))
    if not claims:
        return []
    taken = bytearray(len(folded.text))
    found: list[Span] = []
    for kind, start, end, score in claims:
        if not any(taken[start:end]):
            taken[start:end] = b"\x01" * (end - start)
            found.append((kind, *folded.span(start, end), score))
    return sorted(found, key=lambda span: span[1])


def _claims(text: str) -> Iterator[Span]:
    """Surest first: where two recognisers claim the same characters, the earlier one has them."""
    regions = list(surroundings(_DENSE, text, _AROUND))
    for recogniser in _ANYWHERE:
        yield from recogniser(text)
    for recogniser in _NUMERIC:
        yield from _within(regions, text, recogniser)
    yield from find_ip_addresses(text)
    yield from find_dates(text)
    yield from _within(regions, text, find_phones)
    yield from find_plates(text)


def _within(regions: Sequence[tuple[int, int]], text: str, recogniser: Recogniser) -> Iterator[Span]:
    for start, end in regions:
        for kind, first, last, score in recogniser(text[start:end]):
            yield kind, start + first, start + last, score


def merge_entities(
    passages: Sequence[Passage], encoder: Iterable[Entity], patterns: Iterable[Entity]
) -> tuple[Entity, ...]:
    """Both sources as one list, in order of position.

    Overlapping spans of one type become their union, or the pattern's where the form says where it ends; if
    the rest of the encoder's span is another such identifier, written in full, that is kept too.
    A pattern was validated, so an encoder span of another type gives way to it: wholly if the greater part
    of it lies on patterns, else it keeps what is left beside them. An encoder span without a pattern must
    not contradict its type's form: a card number with a wrong check digit is none.
    """
    by_passage: dict[int, list[Entity]] = {}
    for pattern in sorted(patterns, key=_position):
        by_passage.setdefault(pattern.passage, []).append(pattern)
    kept = [entity for confirmed in by_passage.values() for entity in confirmed]
    texts = [passage.text.reveal() for passage in passages]
    for span in encoder:
        nearby = _overlapping(span, by_passage.get(span.passage, []))
        if nearby:
            kept += _beside(span, nearby, texts[span.passage])
        elif is_plausible(span.type, texts[span.passage], span.start, span.end):
            kept.append(span)
    kept.sort(key=lambda entity: (entity.passage, entity.type, entity.start))
    return tuple(sorted(_unite(kept), key=_position))


def _overlapping(span: Entity, patterns: Sequence[Entity]) -> list[Entity]:
    """`patterns` are those of one passage, in order and not overlapping."""
    first = bisect_right(patterns, span.start, key=lambda entity: entity.end)
    last = bisect_left(patterns, span.end, key=lambda entity: entity.start)
    return list(patterns[first:last])


def _beside(span: Entity, patterns: Sequence[Entity], text: str) -> list[Entity]:
    same = any(pattern.type == span.type for pattern in patterns)
    if same and span.type not in EXACT:
        return [span]
    covered = sum(min(span.end, pattern.end) - max(span.start, pattern.start) for pattern in patterns)
    if not same and covered * 2 >= span.end - span.start:
        return []
    pieces = []
    start = span.start
    for pattern in patterns:
        pieces.append(_trimmed(span, start, pattern.start, text))
        start = pattern.end
    pieces.append(_trimmed(span, start, span.end, text))
    pieces = [piece for piece in pieces if piece.start < piece.end]
    if same:
        return [piece for piece in pieces if is_in_full(piece.type, text, piece.start, piece.end)]
    return pieces


def _trimmed(span: Entity, start: int, end: int, text: str) -> Entity:
    """`span` from `start` to `end` without what is neither letter nor digit at its edges."""
    while start < end and not text[start].isalnum():
        start += 1
    while start < end and not text[end - 1].isalnum():
        end -= 1
    return replace(span, start=start, end=end)


def _position(entity: Entity) -> tuple[int, int, int]:
    return entity.passage, entity.start, entity.end


def _unite(entities: Iterable[Entity]) -> Iterator[Entity]:
    """Entities sorted by passage, type and start."""
    current: Entity | None = None
    for entity in entities:
        if current is None:
            current = entity
        elif (entity.passage, entity.type) == (current.passage, current.type) and entity.start < current.end:
            current = replace(
                current,
                end=max(current.end, entity.end),
                score=max(current.score, entity.score),
                source="pattern" if "pattern" in (current.source, entity.source) else "encoder",
            )
        else:
            yield current
            current = entity
    if current is not None:
        yield current
