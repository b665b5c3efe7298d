"""Outcomes that survive a restart and reach every worker: a file of JSON lines, appended and followed.

One line is one `write` to a file opened for appending, so workers do not tear each other's lines. Lines
hold names and numbers, no text of a request. At start only the newest `KEEP_BYTES` are read, and a file
of twice that size is cut to them.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from vsr.selection.feedback import Feedback, Outcome

logger = logging.getLogger(__name__)

KEEP_BYTES = 16 * 1024 * 1024
"""About a hundred thousand outcomes; older ones have next to no weight left."""
FOLLOW_SECONDS = 1.0
_CHUNK = 1024 * 1024


class FeedbackFile:
    """What was learned by all who write to `path`. Raises OSError if it can be neither read nor made."""

    def __init__(self, path: Path, feedback: Feedback, clock: Callable[[], float] = time.monotonic) -> None:
        self._feedback = feedback
        self._clock = clock
        path.parent.mkdir(parents=True, exist_ok=True)
        _shorten(path)
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        self._position = max(0, os.fstat(self._file).st_size - KEEP_BYTES)
        self._rest = b""
        self._next = 0.0
        while self._read():
            pass

    def add(self, outcome: Outcome) -> None:
        """Learned with the next `follow`, like the outcomes of other workers, hence once only."""
        line = json.dumps({"version": 1, **asdict(outcome)}, ensure_ascii=False, separators=(",", ":"))
        os.write(self._file, line.encode() + b"\n")
        self._next = 0.0

    def follow(self) -> None:
        """Read what was appended, at most once a second and a megabyte at a time."""
        now = self._clock()
        if now >= self._next:
            self._next = now + FOLLOW_SECONDS
            self._read()

    def close(self) -> None:
        os.close(self._file)

    def _read(self) -> bool:
        data = os.pread(self._file, _CHUNK, self._position)
        self._position += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            outcome = _parse(line)
            if outcome is not None:
                self._feedback.learn(outcome)
        return len(data) == _CHUNK


def _parse(line: bytes) -> Outcome | None:
    """None for what is no outcome: half a line at the cut, or a line somebody else wrote."""
    try:
        fields = json.loads(line)
        if fields.pop("version") != 1:
            return None
        outcome = Outcome(**fields)
        texts = (outcome.model, outcome.loser, outcome.decision, outcome.category)
        if not all(isinstance(text, str) for text in texts) or not 0 <= outcome.quality <= 1:
            return None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return outcome


def _shorten(path: Path) -> None:
    if not path.exists() or path.stat().st_size <= 2 * KEEP_BYTES:
        return
    with path.open("rb") as file:
        file.seek(-KEEP_BYTES, os.SEEK_END)
        kept = file.read().split(b"\n", 1)[-1]
    short = path.with_name(path.name + ".new")
    short.write_bytes(kept)
    short.replace(path)  # a worker that still holds the old file loses later lines of others, not its own
    logger.info("the feedback file was cut to its newest %d bytes", len(kept))
