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
_ESCAPE = re.compile(r"\\(?:u[0-9A-Fa-f]{4}|.)", re.DOTALL)


def is_json(text: str) -> bool:
    """Whether the text is a JSON object or array."""
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def within_scalars(text: str, spans: Sequence[Span]) -> list[Span]:
    """`spans`, disjoint and in order, cut to the strings and numbers of the JSON `text` that they touch.

    A number is replaced wholly, by a string; an escape in a string is not torn apart.
    """
    found: list[Span] = []
    first = end_of_last = 0
    for scalar in _SCALAR.finditer(text):
        while first < len(spans) and spans[first][1] <= scalar.start():
            first += 1
        for span in _touching(spans, first, scalar.end()):
            start, end, instead = _cut(span, scalar)
            start = max(start, end_of_last)
            if start < end:
                found.append((start, end, instead))
                end_of_last = end
    return found


def _touching(spans: Sequence[Span], first: int, end: int) -> Iterator[Span]:
    while first < len(spans) and spans[first][0] < end:
        yield spans[first]
        first += 1


def _cut(span: Span, scalar: re.Match[str]) -> Span:
    if not scalar.group().startswith('"'):
        return scalar.start(), scalar.end(), f'"{span[2]}"'
    start, end = max(span[0], scalar.start() + 1), min(span[1], scalar.end() - 1)
    for escape in _ESCAPE.finditer(scalar.string, scalar.start() + 1, scalar.end() - 1):
        if escape.start() < start < escape.end():
            start = escape.start()
        if escape.start() < end < escape.end():
            end = escape.end()
    return start, end, span[2]
