"""What an agent's harness puts into user messages, told from what the person asks.

Coding agents send reminders, the environment and summaries of earlier turns under the role `user`.
All of it reaches the model and is judged like any text; only routing looks at the person's words alone.
A message is cut at most twice, before and after those words: whoever writes a prompt could otherwise
chop it into passages too short for the guard.
"""

from __future__ import annotations

import re
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
_SUMMARIES: Final = (
    "This session is being continued from a previous conversation",
    "Another language model started to solve this problem and produced a summary",
    "[Request interrupted by user",
)
"""How the summaries of known agents begin; such a string is no ask from its first to its last word."""

_MAX_BLOCKS: Final = 64


def split(pieces: Sequence[Piece]) -> tuple[list[Piece], list[Piece], list[Piece]]:
    """Pieces of one message → harness text before the ask, the ask, harness text after it."""
    before: list[Piece] = []
    after: list[Piece] = []
    rest = [piece for piece in pieces if piece[1].strip()]
    while rest:
        path, text, offset = rest[0]
        cut = _leading(text)
        if not cut:
            break
        before.append((path, text[:cut], offset))
        rest[0:1] = [(path, text[cut:], offset + cut)] if text[cut:].strip() else []
    while rest:
        path, text, offset = rest[-1]
        cut = _trailing(text)
        if cut == len(text):
            break
        after.insert(0, (path, text[cut:], offset + cut))
        rest[-1:] = [(path, text[:cut], offset)] if text[:cut].strip() else []
    return before, rest, after


def _leading(text: str) -> int:
    """Characters of harness text that `text` begins with."""
    if text.lstrip()[:200].startswith(_SUMMARIES):
        return len(text)
    position = 0
    for _ in range(_MAX_BLOCKS):
        opening = _OPENING.match(text, position)
        if opening is None:
            break
        closing = f"</{opening[1]}>"
        end = text.find(closing, opening.end())
        if end < 0:
            break
        position = end + len(closing)
    return position


def _trailing(text: str) -> int:
    """Where the harness text begins that `text` ends with; its length if there is none."""
    start = len(text)
    for _ in range(_MAX_BLOCKS):
        head = text[:start].rstrip()
        tag = next((tag for tag in _TAGS if head.endswith(f"</{tag}>")), None)
        opening = head.rfind(f"<{tag}>") if tag else -1
        if opening < 0:
            break
        start = opening
    return start
