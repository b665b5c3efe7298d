"""What an agent's harness puts into user messages, told from what the person asks.

Coding agents send reminders, the environment and summaries of earlier turns under the role `user`.
All of it reaches the model and is judged like any text; only routing looks at the person's words alone.
A message is cut at most twice, before and after those words: whoever writes a prompt could otherwise
chop it into passages too short for the guard.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from typing import Final

from vsr.facts import BodyPath

Piece = tuple[BodyPath, str, int]
"""A string (or the part of one from that character on) and where it stands; an object's key stands
nowhere that could be rewritten: ()."""

_TAGS: Final = (
    *("system-reminder", "environment_context", "environment_details", "user_instructions"),
    *("local-command-stdout", "local-command-stderr", "local-command-caveat", "task-notification"),
    *("ide_opened_file", "ide_selection", "ide_diagnostics", "permissions instructions", "turn_aborted"),
)
_OPENING: Final = re.compile(rf"\s*<({'|'.join(_TAGS)})>")
_BLANKS: Final = re.compile(r"\s*")
_SUMMARIES: Final = (
    "This session is being continued from a previous conversation",
    "Another language model started to solve this problem and produced a summary",
    "[Request interrupted by user",
)
"""How the summaries of known agents begin; such a string is no ask from its first to its last word."""


def split(pieces: Sequence[Piece]) -> tuple[list[Piece], list[Piece], list[Piece]]:
    """Pieces of one message → harness text before the ask, the ask, harness text after it."""
    before: list[Piece] = []
    after: list[Piece] = []
    rest = deque(piece for piece in pieces if piece[1].strip())
    while rest:
        path, text, offset = rest[0]
        cut = _leading(text)
        if not cut:
            break
        before.append((path, text[:cut], offset))
        rest.popleft()
        if text[cut:].strip():
            rest.appendleft((path, text[cut:], offset + cut))
            break
    while rest:
        path, text, offset = rest[-1]
        cut = _trailing(text)
        if cut == len(text):
            break
        after.append((path, text[cut:], offset + cut))
        rest.pop()
        if text[:cut].strip():
            rest.append((path, text[:cut], offset))
            break
    return before, list(rest), after[::-1]


def _leading(text: str) -> int:
    """Characters of harness text that `text` begins with. Takes time in proportion to them, as `_trailing`
    does: a client may send blocks by the million."""
    position = 0
    while opening := _OPENING.match(text, position):
        closing = f"</{opening[1]}>"
        end = text.find(closing, opening.end())
        if end < 0:
            break
        position = end + len(closing)
    begin = _BLANKS.match(text, position)
    if begin and text.startswith(_SUMMARIES, begin.end()):
        return len(text)
    return position


def _trailing(text: str) -> int:
    """Where the harness text begins that `text` ends with; its length if there is none."""
    start = len(text)
    while True:
        end = _without_blanks(text, start)
        tag = next((tag for tag in _TAGS if text.endswith(f"</{tag}>", 0, end)), None)
        opening = text.rfind(f"<{tag}>", 0, end) if tag else -1
        if opening < 0:
            return start
        start = opening


def _without_blanks(text: str, end: int) -> int:
    """Where `text[:end]` ends without the blanks at its end, and without a copy of it."""
    width = 64
    while end:
        tail = text[max(0, end - width) : end]
        if kept := len(tail.rstrip()):
            return end - len(tail) + kept
        end -= len(tail)
        width *= 2
    return 0
