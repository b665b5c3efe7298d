"""Replacing parts of a string that is JSON itself, such as a tool's arguments, so that it stays JSON.

Only values and keys are rewritten, never the marks between them. Which parts, and what stands in their
place, is the caller's to say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

Span = tuple[int, int, str]
"""start, end (characters) and what goes in their place."""

_SCALAR = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?', re.DOTALL)
_SPELLED_OUT = re.compile(r"\\(?:u(d[89ab]..)\\u(d[c-f]..)|u(....)|.)", re.DOTALL | re.IGNORECASE)
"""A surrogate pair, another \\u, or two characters."""
_SHORT_FORMS = {'"': r"\"", "\\": r"\\", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t"}
_READ_ESCAPE = re.compile(r"\\(?:u00[01].|([^u]))")
"""A control character, or a character after a backslash."""
_ESCAPE = re.compile(r"\\(?:u[0-9A-Fa-f]{4}|.)", re.DOTALL)


def is_json(text: str) -> bool:
    """Whether the text is a JSON object, array or string."""
    if text.lstrip()[:1] not in ("{", "[", '"'):
        return False
    try:
        # numbers as they stand: CPython refuses to convert those of more than 4,300 digits, others do not
        json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return False
    return True


def without_unicode_escapes(text: str) -> str:
    r"""The JSON `text` with characters in the place of its \u escapes, and with short escapes such as \n
    where a string must have one. Half of a surrogate pair stays half of one."""
    return _SPELLED_OUT.sub(_character, text)


def _character(escape: re.Match[str]) -> str:
    high, low, unit = escape.groups()
    if high:
        return chr(0x10000 + (int(high, 16) - 0xD800 << 10) + int(low, 16) - 0xDC00)
    if not unit:
        return escape[0]
    character = chr(int(unit, 16))
    return _SHORT_FORMS.get(character, escape[0] if character < " " else character)


def as_parsed(text: str) -> str:
    r"""JSON with blanks in the place of its escapes' backslashes, and of what stands for control characters.

    Whoever parses `Ignore\nall` has two words, and whoever does not has none that is known. As long as
    before, so that offsets stay; a text that is no JSON, and any other `\u`, are left alone.
    """
    if "\\" not in text or not is_json(text):
        return text
    return _READ_ESCAPE.sub(_as_read, text)


def _as_read(escape: re.Match[str]) -> str:
    character = escape[1]
    return " " + character if character and character not in "nrtbf" else " " * len(escape[0])


def within_scalars(text: str, spans: Sequence[Span]) -> list[Span]:
    """`spans`, disjoint and in order, cut to the strings and numbers of the JSON `text` that they touch.

    A number is replaced wholly, by a string; an escape in a string is not torn apart.
    """
    found: list[Span] = []
    first = end_of_last = 0
    for scalar in _SCALAR.finditer(text):
        while first < len(spans) and spans[first][1] <= scalar.start():
            first += 1
        escapes = _Escapes(scalar)
        for span in _touching(spans, first, scalar.end()):
            start, end, instead = _cut(span, scalar, escapes)
            start = max(start, end_of_last)
            if start < end:
                found.append((start, end, instead))
                end_of_last = end
    return found


def _touching(spans: Sequence[Span], first: int, end: int) -> Iterator[Span]:
    while first < len(spans) and spans[first][0] < end:
        yield spans[first]
        first += 1


class _Escapes:
    """Of one string, walked once for all that is asked: positions must not fall."""

    def __init__(self, string: re.Match[str]) -> None:
        self._rest = _ESCAPE.finditer(string.string, string.start() + 1, string.end() - 1)
        self._start = self._end = 0

    def around(self, position: int) -> tuple[int, int]:
        """Start and end of the escape that would be torn apart at `position`; that itself if none would."""
        while self._end <= position:
            escape = next(self._rest, None)
            if escape is None:
                return position, position
            self._start, self._end = escape.span()
        return (self._start, self._end) if self._start < position else (position, position)


def _cut(span: Span, scalar: re.Match[str], escapes: _Escapes) -> Span:
    if not scalar.group().startswith('"'):
        return scalar.start(), scalar.end(), f'"{span[2]}"'
    start, end = max(span[0], scalar.start() + 1), min(span[1], scalar.end() - 1)
    return escapes.around(start)[0], escapes.around(end)[1], span[2]
