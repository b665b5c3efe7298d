"""Which windows are read next. Jobs are the windows of one request; a batch holds windows of similar
length from one or more jobs.

The leader of a batch is in turn the job with the least left and the job that has waited longest: a
short request waits for about one batch of a long one, and a long one gets every second batch however
many short ones come. Plain data, no threads and no clock; `batcher` does the locking.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Mapping
from dataclasses import dataclass

from vsr.encoder.heads import WindowReading
from vsr.encoder.memo import WindowKey
from vsr.encoder.tokens import Ints
from vsr.errors import Overloaded

STEP = 32
"""Rows of one batch are padded to a multiple of this many tokens."""
SPECIALS = 2
"""[CLS] and [SEP]."""
SHARES = 4
"""A long request counts for at most this part of the queue: it delays others by turns, not by length."""


class Job:
    """The windows of one request that are still to be read, by padded width; what was read so far."""

    def __init__(
        self, windows: Mapping[WindowKey, Ints], future: Future[dict[WindowKey, WindowReading]]
    ) -> None:
        self.future = future
        self.readings: dict[WindowKey, WindowReading] = {}
        self.expected = len(windows)
        self.tokens = 0
        self.charge = 0
        self._pending: dict[int, list[tuple[WindowKey, Ints]]] = {}
        for key, ids in windows.items():
            self.tokens += padded(len(ids))
            self._pending.setdefault(padded(len(ids)), []).append((key, ids))

    @property
    def width(self) -> int:
        """The padded width of its longest window that waits; 0 if none does."""
        return max(self._pending, default=0)

    def waiting(self, width: int) -> int:
        return len(self._pending.get(width, ()))

    def take(self, width: int, count: int) -> list[tuple[WindowKey, Ints]]:
        rows = self._pending.get(width, [])
        taken = rows[:count]
        if len(taken) == len(rows):
            self._pending.pop(width, None)
        else:
            self._pending[width] = rows[count:]
        self.tokens -= len(taken) * width
        return taken


@dataclass(frozen=True, slots=True)
class Row:
    job: Job
    key: WindowKey
    ids: Ints


@dataclass(frozen=True, slots=True)
class Batch:
    rows: tuple[Row, ...]
    width: int


class Schedule:
    """Jobs that wait, bounded by their tokens."""

    def __init__(self, limit_tokens: int, batch_tokens: int) -> None:
        self._limit = limit_tokens
        self._batch_tokens = batch_tokens
        self._waiting: dict[Job, None] = {}
        self._oldest_next = False
        self.held_tokens = 0
        """Tokens of admitted jobs that are not finished, a long job counted with its share."""

    def add(self, job: Job) -> None:
        """Raises Overloaded when the queue is full."""
        charge = min(job.tokens, self._limit // SHARES)
        if self.held_tokens + charge > self._limit:
            raise Overloaded("The router is overloaded; please retry shortly.", retry_after=1)
        job.charge = charge
        self.held_tokens += charge
        self._waiting[job] = None

    def leave(self, job: Job) -> None:
        """The job is finished, failed or given up. Its windows that wait are not read any more."""
        self._waiting.pop(job, None)
        self.held_tokens -= job.charge
        job.charge = 0

    def jobs(self) -> tuple[Job, ...]:
        return tuple(self._waiting)

    def take(self) -> Batch | None:
        """The next batch, None if nothing waits. The number of rows is a power of two: an engine
        prepares itself for each new shape, so there should be few."""
        if not self._waiting:
            return None
        leader = self._leader()
        width = leader.width
        shares = self._shares(leader, width)
        wanted = _power_of_two(sum(count for _, count in shares))
        rows: list[Row] = []
        for job, _ in shares:
            rows += (Row(job, key, ids) for key, ids in job.take(width, wanted - len(rows)))
            if not job.width:
                self._waiting.pop(job)
        return Batch(tuple(rows), width)

    def _leader(self) -> Job:
        oldest = next(iter(self._waiting))
        shortest = min(self._waiting, key=lambda job: job.tokens)
        if oldest is shortest:
            return oldest
        self._oldest_next = not self._oldest_next
        return shortest if self._oldest_next else oldest

    def _shares(self, leader: Job, width: int) -> list[tuple[Job, int]]:
        """Whose windows of this width fit in the batch: the leader's, then of those with least left."""
        room = max(1, self._batch_tokens // width)
        others = sorted((job for job in self._waiting if job is not leader), key=lambda job: job.tokens)
        shares = []
        for job in (leader, *others):
            count = min(room, job.waiting(width))
            if count:
                shares.append((job, count))
                room -= count
            if not room:
                break
        return shares


def padded(tokens: int) -> int:
    """The width of a window of so many content tokens, special tokens and padding included."""
    return -(-(tokens + SPECIALS) // STEP) * STEP


def _power_of_two(count: int) -> int:
    return 1 << (count.bit_length() - 1)
