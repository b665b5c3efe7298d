"""The ways to disguise text: what makes a text suspect of one, in microseconds, and who unwraps it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from vsr.signals.unwrap import (
    ODD,
    Found,
    Knows,
    escaped,
    from_base64,
    from_hex,
    lettered,
    mirrored,
    mixed,
    rotated,
    scattered,
    smuggled,
    substituted,
    unmarked,
)

MARKUP = "role markup"


@dataclass(frozen=True, slots=True)
class Way:
    """A kind of disguise. suspects: quick, may be wrong; find: what is there. words: it disguises parts of
    sentences, which are read with what stands around them."""

    kind: str
    suspects: Callable[[Shape], bool]
    find: Callable[[str, Knows], Iterator[Found]]
    words: bool = False


class Shape:
    """A text with every character replaced by its class, where a disguise shows as a substring.

    Searching a pattern takes ten times as long, and nearly every text is plain.
    """

    def __init__(self, text: str, knows: Knows) -> None:
        self.text = text
        self._knows = knows
        self._bytes = text.encode("ascii", "replace")

    def classes(self, table: bytes) -> bytes:
        return self._bytes.translate(table)

    def has(self, table: bytes, run: bytes) -> bool:
        return run in self.classes(table)

    @cached_property
    def lower(self) -> str:
        return self.text.lower()

    @cached_property
    def begins_odd(self) -> bool:
        """Hardly a word of the beginning is known."""
        words = _WORD.findall(self.text[:_BEGINNING].lower())
        return len(words) > 1 and 2 * sum(map(self._knows, words)) < len(words)


def _table(classes: dict[str, str]) -> bytes:
    """A translation of bytes to one letter a class, `x` for all others."""
    table = bytearray(b"x" * 256)
    for letter, characters in classes.items():
        for character in characters.encode():
            table[character] = ord(letter)
    return bytes(table)


_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CODE = _table({"c": _LETTERS + "0123456789+/_-"})
_HEX = _table({"h": "0123456789abcdefABCDEF", " ": " :,"})
_SINGLES = _table({"a": _LETTERS, " ": " .-_*|/,+~\r\n"})
_LEET = _table({"a": _LETTERS, "0": "0134578@$"})

_MIRRORED = (
    "noit",
    " gni",
    " eht ",
    " dna ",
    "uoy ",
    " lla ",
    " fo ",
    " ot ",
    " siht",
    " taht",
    " tahw",
    " em ",
)
_ROTATED = ("gvba", "vat ", " gur ", " naq ", " nyy ", " lbh", " bs ", " gb ", "guvf", "gung", "jung", " zr ")
"""Common words and endings, turned. Mirrored endings are beginnings."""
_TEMPLATE_TAGS = (
    "<|",
    "_of_turn>",
    "sys>>",
    "system>",
    "user>",
    "assistant>",
    "human>",
    "tool>",
    "developer>",
)

_WORD = re.compile("[a-z]{3,}")
_BEGINNING = 120
"""Characters that are looked at word by word."""

_ODD = re.compile(f"[{ODD}]")
_FOREIGN = re.compile("[\u0370-\u052f]")
_MIXED = re.compile("[A-Za-z][\u0370-\u052f]|[\u0370-\u052f][A-Za-z]")
_TAG = re.compile("[\U000e0020-\U000e007e]")


def _hexadecimal(shape: Shape) -> bool:
    """Twelve pairs, each beside the next or one character apart: not a list of numbers."""
    pairs = shape.classes(_HEX).replace(b"  ", b"x").replace(b"hh", b"p").replace(b" ", b"")
    return b"p" * 12 in pairs


def _spaced(shape: Shape) -> bool:
    letters = shape.classes(_SINGLES)
    for _ in range(3):  # gaps of up to eight become one
        letters = letters.replace(b"  ", b" ")
    return b"a a a a a" in letters


def _escapes(shape: Shape) -> bool:
    text = shape.text
    # a single character is found ten times as fast as two
    slashed = "\\" in text and ("\\x" in text or "\\u" in text)
    return slashed or ("%" in text and text.count("%") > 3) or ("&" in text and "&#" in text)


def _rotated(shape: Shape) -> bool:
    return shape.begins_odd or any(sign in shape.lower for sign in _ROTATED)


def _mirrored(shape: Shape) -> bool:
    return shape.begins_odd or any(sign in shape.lower for sign in _MIRRORED)


def _marked(shape: Shape) -> bool:
    text = shape.text
    tags = "<" in text and any(sign in shape.lower for sign in _TEMPLATE_TAGS)
    return tags or "inst]" in shape.lower or "##" in text


def _mixed(shape: Shape) -> bool:
    if _ODD.search(shape.text):
        return True
    return _FOREIGN.search(shape.text) is not None and _MIXED.search(shape.text) is not None


def _alone(find: Callable[[str], Iterator[Found]]) -> Callable[[str, Knows], Iterator[Found]]:
    """For ways that need no vocabulary."""
    return lambda text, _: find(text)


WAYS = (
    Way("base64", lambda shape: shape.has(_CODE, b"c" * 24), _alone(from_base64)),
    Way("hex", _hexadecimal, _alone(from_hex)),
    Way("escapes", _escapes, _alone(escaped)),
    Way("scattered escapes", _escapes, _alone(scattered), words=True),
    Way(MARKUP, _marked, _alone(unmarked), words=True),
    Way("spacing", _spaced, _alone(lettered), words=True),
    Way("leetspeak", lambda shape: shape.has(_LEET, b"a0a"), substituted, words=True),
    Way("rot13", _rotated, rotated),
    Way("mirrored", _mirrored, mirrored),
)
"""In plain ASCII."""
EVERY_WAY = (
    *WAYS,
    Way("look-alikes", _mixed, _alone(mixed), words=True),
    Way("invisible", lambda shape: _TAG.search(shape.text) is not None, _alone(smuggled)),
)


def suspected(text: str, knows: Knows) -> list[Way]:
    """The ways that the text may be disguised in."""
    shape = Shape(text, knows)
    return [way for way in (WAYS if text.isascii() else EVERY_WAY) if way.suspects(shape)]
