"""Text that is written so that a reader sees it and a classifier does not: read it as a reader would.

Codes (base64, hex, escapes, rot13), mirrored text, spaced-out letters, look-alike and invisible
characters, and the marks of chat templates. A passage whose plain form says all that it says is judged by
the prompt guard in that form alone: benign text is no attack for being disguised. If a stretch of it may
say something as it stands, too, it is judged in both forms. Otherwise the disguised stretches are read
besides the text as it stands, and can only add risk. All of them are: what a way of writing disguises is
hardly longer than the text it stands in. Personal data is looked for in the text itself alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from vsr.content import Content
from vsr.facts import Passage, Readings
from vsr.signals.rewriting import LONGEST, apart, in_context, is_ambiguous, may_stand_for, rewritten
from vsr.signals.unwrap import Knows
from vsr.signals.ways import MARKUP, Way, suspected

MOST_ALONE = 8
"""Stretches of a request that are read each on its own; those of a passage after them are read together."""
CERTAIN = 0.95
"""The head takes role marks for a sign of an attack; in this it is believed only if it is this sure."""


@dataclass(frozen=True, slots=True)
class Disguised:
    """What a passage, or stretches of it, say to whoever sees through this kind of writing. ambiguous: the
    passage may say something as it stands, too."""

    kind: str
    passage: int
    text: Content
    ambiguous: bool = False


@dataclass(frozen=True, slots=True)
class Undisguised:
    """instead: whole passages by their number, to be read in this form, and in no other unless they are
    ambiguous. beside: stretches to be read besides."""

    instead: Mapping[int, Disguised]
    beside: tuple[Disguised, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(part.kind for part in (*self.instead.values(), *self.beside)))


def undisguise(passages: Sequence[Passage], knows: Knows) -> Undisguised:
    """Further readings of the passages in order. knows: the encoder's vocabulary."""
    instead: dict[int, Disguised] = {}
    beside: list[Disguised] = []
    for number, passage in enumerate(passages):
        text = passage.text.reveal()
        ways = suspected(text, knows)
        plain = _plain_form(number, text, ways, knows) if ways else None
        if plain:
            instead[number] = plain
            continue
        parts = list(_stretches(number, text, ways, knows))
        left = max(0, MOST_ALONE - len(beside))
        beside += parts[:left]
        if parts[left:]:
            beside.append(_together(parts[left:]))
    return Undisguised(instead, tuple(beside))


def in_plain_form(passages: Sequence[Passage], found: Undisguised) -> list[Passage]:
    """All passages, as the encoder is to take them in the place of those that were sent."""
    return [
        Passage(passage.role, found.instead[number].text, ()) if number in found.instead else passage
        for number, passage in enumerate(passages)
    ]


def as_passages(passages: Sequence[Passage], parts: Sequence[Disguised]) -> list[Passage]:
    """The stretches as the encoder takes them, each in the role of the passage it was found in."""
    return [Passage(passages[part.passage].role, part.text, ()) for part in parts]


def with_plain_form(readings: Readings, found: Undisguised, heard: Readings) -> Readings:
    """The request's readings with the risks of the passages in plain form in the place of their own, and
    beside them if a passage is ambiguous."""
    kinds = {number: part.kind for number, part in found.instead.items()}
    ambiguous = {number for number, part in found.instead.items() if part.ambiguous}
    risks = [replace(risk, disguise=kinds.get(risk.passage, "")) for risk in heard.jailbreak]
    risks += [
        replace(risk, beside=True)
        for risk in readings.jailbreak
        if risk.passage in ambiguous
        or (ambiguous and risk.bridging)  # from which passage on is not told
        or (MARKUP in kinds.get(risk.passage, "") and risk.risk >= CERTAIN)
    ]
    readings = _covering(readings, heard)
    coverage = replace(readings.coverage, guarded_tokens=heard.coverage.tokens)
    return replace(readings, jailbreak=tuple(risks), coverage=coverage)


def with_stretches(readings: Readings, parts: Sequence[Disguised], heard: Readings) -> Readings:
    """The same with the risks of disguised stretches, told of the passages they stand in."""
    risks = tuple(
        replace(risk, passage=parts[risk.passage].passage, disguise=parts[risk.passage].kind, beside=True)
        for risk in heard.jailbreak
        if not risk.bridging  # neighbours in this list only
    )
    return replace(_covering(readings, heard), jailbreak=readings.jailbreak + risks)


def told(readings: Readings, found: Undisguised) -> Readings:
    """The same, saying what was read in another form."""
    return replace(readings, coverage=replace(readings.coverage, disguises=found.kinds))


def _covering(readings: Readings, heard: Readings) -> Readings:
    before, more = readings.coverage, heard.coverage
    coverage = replace(
        before, windows=before.windows + more.windows, memo_hits=before.memo_hits + more.memo_hits
    )
    return replace(readings, coverage=coverage)


def _plain_form(number: int, text: str, ways: Sequence[Way], knows: Knows) -> Disguised | None:
    """The whole passage as its reader would read it, if that may stand for it."""
    if len(text) > LONGEST:
        return None
    found = [(way.kind, list(way.find(text, knows))) for way in ways]
    spans = apart(text, (span for _, of_way in found for span in of_way))
    reading = rewritten(text, spans)
    if not spans or len(reading) > LONGEST:
        return None
    marks = next((of_way for kind, of_way in found if kind == MARKUP), [])
    if not may_stand_for(reading, rewritten(text, marks), knows):
        return None
    kind = ", ".join(kind for kind, of_way in found if of_way)
    ambiguous = is_ambiguous(text, set(spans).difference(marks), knows)
    return Disguised(kind, number, Content(reading), ambiguous)


def _stretches(number: int, text: str, ways: Sequence[Way], knows: Knows) -> Iterator[Disguised]:
    for way in ways:
        spans = way.find(text, knows)
        for _, _, reading in in_context(text, list(spans)) if way.words else spans:
            yield Disguised(way.kind, number, Content(reading))


def _together(parts: Sequence[Disguised]) -> Disguised:
    """Stretches of one passage as one."""
    kinds = ", ".join(dict.fromkeys(part.kind for part in parts))
    reading = "\n".join(part.text.reveal() for part in parts)
    return Disguised(kinds, parts[0].passage, Content(reading))
