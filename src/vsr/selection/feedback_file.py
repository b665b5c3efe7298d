"""Outcomes that survive a restart and reach every worker: a file of JSON lines, appended and followed.

Workers write one after another, under a lock of the file. A line that could not be written whole is taken
back; where even that fails, it is ended, and the next one begins after it. Lines hold names and numbers, no
text of a request. At start only the newest `KEEP_BYTES` are read, and a file of twice that size is cut to
them. Cut by another worker, renamed or emptied by a tool that rotates logs: whoever follows the file goes on
with the one that stands at its path.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from vsr.config.storage import lock_alone
from vsr.selection.feedback import Feedback, Outcome

logger = logging.getLogger(__name__)

KEEP_BYTES = 16 * 1024 * 1024
"""About a hundred thousand outcomes; older ones have next to no weight left."""
FOLLOW_SECONDS = 1.0
_CHUNK = 1024 * 1024
_PATIENCE, _START_PATIENCE = 0.2, 30.0
"""Seconds for another worker that writes a line, or that cuts the file at its start. Live requests wait
meanwhile, so not for whoever was stopped while it held the lock."""
_HEADING = 100
"""Bytes in which the heading of a file that was cut stands."""


class FeedbackFile:
    """What was learned by all who write to `path`. Raises OSError if it can be neither read nor made."""

    def __init__(self, path: Path, feedback: Feedback, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._feedback = feedback
        self._clock = clock
        self._next = 0.0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = _open(path)
        self._position = max(0, os.fstat(self._file).st_size - KEEP_BYTES)
        self._read_all()
        with self._alone(_START_PATIENCE):
            if os.fstat(self._file).st_size > 2 * KEEP_BYTES:
                _shorten(path)

    def add(self, outcome: Outcome, event: str = "") -> bool:
        """Written and learned, with what others wrote before it. False for an outcome of an event that was
        taken before, here or by another worker. Raises OSError if it cannot be written."""
        with self._alone(_PATIENCE):
            self._read_all()
            if self._feedback.knows(event):
                return False
            fields = {"version": 1, **asdict(outcome), "event": event}
            line = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
            _append(self._file, line)
            self._read()
        return True

    def follow(self) -> None:
        """Read what was appended, at most once a second and a megabyte at a time."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + FOLLOW_SECONDS
        try:
            if not self._is_at_path():
                self._go_on_with_the_new_file()
            self._read()
        except OSError as error:
            logger.warning("the feedback file cannot be followed: %s", error.strerror)

    def close(self) -> None:
        os.close(self._file)

    @contextmanager
    def _alone(self, patience: float) -> Iterator[None]:
        """No other worker writes meanwhile to the file that stands at the path, or puts another one there.
        Raises OSError if another one holds it for longer than `patience` seconds."""
        try:
            lock_alone(self._file, patience)
            while not self._is_at_path():
                self._go_on_with_the_new_file()
                lock_alone(self._file, patience)
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _is_at_path(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file), self._path.stat())
        except FileNotFoundError:
            return False

    def _go_on_with_the_new_file(self) -> None:
        """From where the one before ends in it, after what was written last to that."""
        self._read_all()
        new = _open(self._path)
        before, self._file, self._position = self._file, new, _known_before(new)
        os.close(before)

    def _read_all(self) -> None:
        while self._read():
            pass

    def _read(self) -> bool:
        """Whole lines only: the rest of one may still come, or be taken back. False at the end."""
        if os.fstat(self._file).st_size < self._position:
            self._position = 0  # somebody emptied it
        data = os.pread(self._file, _CHUNK, self._position)
        more = len(data) == _CHUNK
        end = data.rfind(b"\n") + 1
        if more and not end:
            end = _CHUNK  # no line of ours is so long
        self._position += end
        for line in data[:end].split(b"\n"):
            outcome, event = _parse(line)
            if outcome is not None:
                self._feedback.learn(outcome, event)
        return more


def _parse(line: bytes) -> tuple[Outcome | None, str]:
    """An outcome and its event. None for what is no outcome: half a line at the cut, or a line somebody else
    wrote."""
    try:
        fields = json.loads(line)
        if fields.pop("version") != 1:
            return None, ""
        event = fields.pop("event", "")  # lines of earlier versions have none
        outcome = Outcome(**fields)
        texts = (outcome.model, outcome.loser, outcome.decision, outcome.category, event)
        if not all(isinstance(text, str) for text in texts) or not 0 <= outcome.quality <= 1:
            return None, ""
    except (ValueError, TypeError, KeyError, AttributeError):
        return None, ""
    return outcome, event


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)


def _append(file: int, line: bytes) -> None:
    """The whole line or, if possible, nothing of it. Held alone."""
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        size += os.write(file, b"\n")  # whoever wrote last could not end its line
    try:
        while line:
            line = line[os.write(file, line) :]
    except OSError:
        with suppress(OSError):
            os.ftruncate(file, size)
        raise


def _shorten(path: Path) -> None:
    """Puts the newest lines in the place of the file, under a heading that tells those who have read them
    already how long they are. Held alone."""
    with path.open("rb") as file:
        file.seek(-KEEP_BYTES, os.SEEK_END)
        kept = file.read().split(b"\n", 1)[-1]
    heading = json.dumps({"version": 1, "known_before": len(kept)}).encode() + b"\n"
    number, name = tempfile.mkstemp(prefix=path.name + ".", dir=path.parent)
    try:
        with os.fdopen(number, "wb") as short:
            short.write(heading + kept)
        os.replace(name, path)
    except OSError:
        os.unlink(name)
        raise
    logger.info("the feedback file was cut to its newest %d bytes", len(kept))


def _known_before(file: int) -> int:
    """Up to where a file holds what stood in the one before; 0 unless it was cut."""
    heading = os.pread(file, _HEADING, 0).split(b"\n", 1)[0]
    try:
        return len(heading) + 1 + int(json.loads(heading)["known_before"])
    except (ValueError, OverflowError, TypeError, KeyError):
        return 0
