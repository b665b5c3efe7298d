"""Text as the pattern recognisers see it: look-alike characters folded, positions kept.

Full-width and other decimal digits, exotic spaces and dashes become their ASCII twins one for one;
zero-width characters, which hide a number from a pattern and not from a reader, are left out.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

_ZEROS: Final = (0x0660, 0x06F0, 0x0966, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6)
_SPACES: Final = "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_DASHES: Final = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63"
_INVISIBLE: Final = frozenset("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff")

_FOLDED: Final = {
    **{chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},
    **{chr(zero + value): str(value) for zero in _ZEROS for value in range(10)},
    **dict.fromkeys(_SPACES, " "),
    **dict.fromkeys(_DASHES, "-"),
}


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
    characters = set(text)
    # A few `replace` over a long text are ten times as fast as `translate`.
    for character in characters & _FOLDED.keys():
        text = text.replace(character, _FOLDED[character])
    hidden = characters & _INVISIBLE
    if not hidden:
        return Folded(text)
    places = re.finditer("[" + "".join(hidden) + "]", text)
    left_out = array("L", (place.start() - count for count, place in enumerate(places)))
    for character in hidden:
        text = text.replace(character, "")
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
