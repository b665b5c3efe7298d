"""Text as the pattern recognisers see it: look-alike characters folded, positions kept.

Decimal digits of every script, full-width characters, exotic spaces and dashes become their ASCII twins
one for one; characters that nobody sees, which hide a number from a pattern and not from a reader, are
left out.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

_LAST_DIGITS: Final = 0x20000
"""No decimal digits stand from here on."""
_SPACES: Final = "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_DASHES: Final = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63"
_INVISIBLE: Final = (
    *(0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), *range(0x200B, 0x2010)),
    *(*range(0x202A, 0x202F), *range(0x2060, 0x2070), 0x3164, *range(0xFE00, 0xFE10), 0xFEFF, 0xFFA0),
    *(*range(0xFFF0, 0xFFF9), *range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B), *range(0xE0000, 0xE1000)),
)
"""Unicode's Default_Ignorable_Code_Point."""
_HIDDEN: Final = re.compile(f"[{''.join(map(chr, _INVISIBLE))}]")

_FOLDED: Final = {
    **{chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},
    **{
        digit: str(unicodedata.decimal(digit))
        for digit in map(chr, range(0x80, _LAST_DIGITS))
        if digit.isdecimal()
    },
    **dict.fromkeys(_SPACES, " "),
    **dict.fromkeys(_DASHES, "-"),
    **dict.fromkeys(map(chr, _INVISIBLE), ""),
}
_TABLE: Final = str.maketrans(_FOLDED)
_FEW: Final = 16


@dataclass(frozen=True, slots=True)
class Folded:
    """left_out: for each character that was left out, how many of `text` stand before it. A position for each
    that stays would weigh far more than a long text that hides one."""

    text: str
    left_out: Sequence[int] = ()

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original that `text[start:end]` was made from (end > start)."""
        return self._position(start), self._position(end - 1) + 1

    def _position(self, index: int) -> int:
        return index + bisect_right(self.left_out, index)


def fold(text: str) -> Folded:
    if text.isascii():
        return Folded(text)
    odd = set(text) & _FOLDED.keys()
    hidden = any(not _FOLDED[character] for character in odd)
    places = _HIDDEN.finditer(text) if hidden else ()
    left_out = array("L", (place.start() - count for count, place in enumerate(places)))
    if len(odd) > _FEW:
        return Folded(text.translate(_TABLE), left_out)
    for character in odd:  # ten times as fast for a few in a long text
        text = text.replace(character, _FOLDED[character])
    return Folded(text, left_out)


def surroundings(pattern: re.Pattern[str], text: str, around: int) -> Iterator[tuple[int, int]]:
    """Stretches of `around` characters on both sides of every match, joined where they touch. The last may
    end behind the text."""
    start = end = 0
    for match in pattern.finditer(text):
        if match.start() - around > end:
            if end:
                yield start, end
            start = match.start() - around
        end = match.end() + around
    if end:
        yield start, end
