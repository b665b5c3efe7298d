"""Text that is written so that a reader sees it and a classifier does not: read it as a reader would.

Codes (base64, hex, escapes, rot13), mirrored text, spaced-out letters, look-alike and invisible
characters become further readings for the prompt guard. The text itself is judged as it stands as well;
a reading can only add risk, never take it away. Personal data is looked for in the text itself alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from vsr.content import Content
from vsr.facts import Passage, Readings
from vsr.signals.unwrap import (
    Found,
    escaped,
    from_base64,
    from_hex,
    lettered,
    mirrored,
    mixed,
    rotated,
    smuggled,
    substituted,
)

MAX_PARTS = 8
MAX_CHARACTERS = 16_384
"""A request gets at most so many further readings of this length; what is left over is told as unread."""
LEFT_OVER = "disguised text"


@dataclass(frozen=True, slots=True)
class Disguised:
    """What `passages[passage].text[start:end]` says to whoever sees through this kind of writing."""

    kind: str
    passage: int
    start: int
    end: int
    text: Content


@dataclass(frozen=True, slots=True)
class Way:
    """A kind of disguise. suspects: quick, may be wrong; find: what is there."""

    kind: str
    suspects: Callable[[Shape], bool]
    find: Callable[[str], Iterator[Found]]


class Shape:
    """A text with every character replaced by its class, where a disguise shows as a substring.

    Searching a pattern takes ten times as long, and nearly every text is plain.
    """

    __slots__ = ("_bytes", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._bytes = text.encode("ascii", "replace")

    def has(self, table: bytes, run: bytes) -> bool:
        return run in self._bytes.translate(table)


def undisguise(passages: Sequence[Passage]) -> tuple[list[Disguised], bool]:
    """Further readings of the passages in order, at most MAX_PARTS, and whether that is all of them."""
    found = list(islice(_all_parts(passages), MAX_PARTS + 1))
    cut = any(len(part.text) > MAX_CHARACTERS for part in found)
    parts = [replace(part, text=Content(part.text.reveal()[:MAX_CHARACTERS])) for part in found[:MAX_PARTS]]
    return parts, len(found) <= MAX_PARTS and not cut


def as_passages(passages: Sequence[Passage], parts: Sequence[Disguised]) -> list[Passage]:
    """The readings as the encoder takes them, each in the role of the passage it was found in."""
    return [Passage(passages[part.passage].role, part.text, ()) for part in parts]


def with_disguised(
    readings: Readings, parts: Sequence[Disguised], heard: Readings, complete: bool
) -> Readings:
    """The request's readings with the risks of its disguised parts, told of the passages they stand in."""
    risks = tuple(
        replace(risk, passage=parts[risk.passage].passage, disguise=parts[risk.passage].kind)
        for risk in heard.jailbreak
        if not risk.bridging  # neighbours in this list only
    )
    before = readings.coverage
    coverage = replace(
        before,
        windows=before.windows + heard.coverage.windows,
        memo_hits=before.memo_hits + heard.coverage.memo_hits,
        disguises=tuple(part.kind for part in parts),
        unread=before.unread if complete else (*before.unread, LEFT_OVER),
    )
    return replace(readings, jailbreak=readings.jailbreak + risks, coverage=coverage)


def _all_parts(passages: Sequence[Passage]) -> Iterator[Disguised]:
    for number, passage in enumerate(passages):
        text = passage.text.reveal()
        shape = Shape(text)
        for way in WAYS if text.isascii() else EVERY_WAY:
            if way.suspects(shape):
                for start, end, reading in way.find(text):
                    yield Disguised(way.kind, number, start, end, Content(reading))


def _table(classes: dict[str, str]) -> bytes:
    """A translation of bytes to one letter a class, `x` for all others."""
    table = bytearray(b"x" * 256)
    for letter, characters in classes.items():
        for character in characters.encode():
            table[character] = ord(letter)
    return bytes(table)


_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CODE = _table({"c": _LETTERS + "0123456789+/_-"})
_HEX = _table({"h": "0123456789abcdefABCDEF", " ": " "})
_SINGLES = _table({"a": _LETTERS, " ": " .-_*|/,+~"})
_LEET = _table({"a": _LETTERS, "0": "0134578@$"})

_ODD = re.compile(
    "[\u00ad\u200b-\u200f\u2060-\u2064\ufeff\uff21-\uff5a\u2460-\u24ff\u2100-\u214f\U0001d400-\U0001d7ff]"
)
_FOREIGN = re.compile("[\u0370-\u052f]")
_MIXED = re.compile("[A-Za-z][\u0370-\u052f]|[\u0370-\u052f][A-Za-z]")
_TAG = re.compile("[\U000e0020-\U000e007e]")


def _escapes(shape: Shape) -> bool:
    text = shape.text
    # a single character is found ten times as fast as two
    slashed = "\\" in text and ("\\x" in text or "\\u" in text)
    return slashed or ("%" in text and text.count("%") > 5) or ("&" in text and "&#" in text)


def _rotated(shape: Shape) -> bool:
    text = shape.text
    return " gur " in text or " naq " in text or " nyy " in text or " lbh" in text or "vafgehpgvba" in text


def _mirrored(shape: Shape) -> bool:
    text = shape.text
    return " eht " in text or " dna " in text or " lla " in text or "uoy " in text or "noitcurtsni" in text


def _mixed(shape: Shape) -> bool:
    if _ODD.search(shape.text):
        return True
    return _FOREIGN.search(shape.text) is not None and _MIXED.search(shape.text) is not None


WAYS = (
    Way("base64", lambda shape: shape.has(_CODE, b"c" * 24), from_base64),
    Way("hex", lambda shape: shape.has(_HEX, b"h" * 24) or shape.has(_HEX, b"hh " * 8), from_hex),
    Way("escapes", _escapes, escaped),
    Way("spacing", lambda shape: shape.has(_SINGLES, b"a a a a a"), lettered),
    Way("leetspeak", lambda shape: shape.has(_LEET, b"a0a"), substituted),
    Way("rot13", _rotated, rotated),
    Way("mirrored", _mirrored, mirrored),
)
"""In plain ASCII."""
EVERY_WAY = (
    *WAYS,
    Way("look-alikes", _mixed, mixed),
    Way("invisible", lambda shape: _TAG.search(shape.text) is not None, smuggled),
)
