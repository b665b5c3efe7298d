"""Which windows are read next. Jobs are the windows of one request; a batch holds windows of similar
length from one or more jobs.

The leader of a batch is in turn the job with the least left and the job that has waited longest. Between
short and long ones the turns are strict: a short request waits for one batch of a long one, however many
of these there are, and a long one gets every second batch however many short ones come. While short ones
come, the batches of long ones are single windows; or they are left to the other lanes, where there are
some, so that the first one is free for the short. A part of the queue is for short ones alone: long ones
hold their place for long, and turns help nobody who is not let in. Plain data, no threads and no clock;
`batcher` does the locking.
"""

from __future__ import annotations

from asyncio import Future
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vsr.encoder.heads import WindowReading
from vsr.encoder.memo import WindowKey
from vsr.encoder.tokens import Ints
from vsr.errors import Overloaded

WIDTHS = (36, 68, 136)
"""Windows of one batch are no wider than one of these, special tokens included: a sentence, a short
paragraph, a full window. Just over round numbers, since every padded position costs what a read one does."""
STEP = 32
"""Longer windows, and those of imported models, are padded to a multiple of this many tokens."""
SPECIALS = 2
"""[CLS] and [SEP]."""
SMALL_BATCHES = 16
"""So many batches of a long request are small after a short one came in: others will soon follow."""
SHARES = 4
"""A long request counts for at most this part of the queue: it delays others by turns, not by length.
All long ones together leave this part of it to short ones."""


class Job:
    """The windows of one request that are still to be read, by padded width; what was read so far."""

    def __init__(
        self, windows: Mapping[WindowKey, Ints], future: Future[dict[WindowKey, WindowReading]]
    ) -> None:
        self.future = future
        self.readings: dict[WindowKey, WindowReading] = {}
        self.expected = len(windows)
        self.tokens = 0
        self.admitted = 0
        self._pending: dict[int, list[tuple[WindowKey, Ints]]] = {}
        for key, ids in windows.items():
            width = bucket(len(ids))
            self.tokens += width
            self._pending.setdefault(width, []).append((key, ids))

    @property
    def width(self) -> int:
        """The padded width of its longest window that waits; 0 if none does."""
        return max(self._pending, default=0)

    def waiting(self, width: int) -> int:
        return len(self._pending.get(width, ()))

    def left(self) -> Counter[int]:
        """How many windows wait, by padded width."""
        return Counter({width: len(rows) for width, rows in self._pending.items()})

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

    @property
    def width(self) -> int:
        """Of its longest window, special tokens included."""
        return max(len(row.ids) for row in self.rows) + SPECIALS

    def jobs(self) -> set[Job]:
        return {row.job for row in self.rows}


class Room:
    """What admitted jobs take of a queue until they are done, in tokens."""

    def __init__(self, limit_tokens: int, long_tokens: int) -> None:
        """long_tokens: a job of more is long."""
        self._limit = limit_tokens
        self._share = limit_tokens // SHARES
        self._long_tokens = long_tokens
        self._long = 0
        self.held = 0
        """A long job counted with its share."""

    def admit(self, tokens: int) -> bool:
        """Whether there is room for a job of so many tokens; if there is, it is taken."""
        charge = min(tokens, self._share)
        if self.held + charge > self._limit:
            return False
        if tokens > self._long_tokens and self._long + charge > self._limit - self._share:
            return False
        self._add(tokens, charge)
        return True

    def release(self, tokens: int) -> None:
        """What `admit` took for as many."""
        self._add(tokens, -min(tokens, self._share))

    def _add(self, tokens: int, charge: int) -> None:
        self.held += charge
        if tokens > self._long_tokens:
            self._long += charge


class Schedule:
    """Jobs that wait, bounded by their tokens."""

    def __init__(
        self,
        limit_tokens: int,
        long_tokens: int,
        sizes: Callable[[int], Sequence[int]],
        lanes: int = 1,
    ) -> None:
        """sizes: how many windows of a width make a batch, ascending from 1. lanes: how many take batches."""
        self._room = Room(limit_tokens, long_tokens)
        self._long_tokens = long_tokens
        self._sizes = sizes
        self._lanes = lanes
        self._waiting: dict[Job, None] = {}
        self._windows: Counter[int] = Counter()
        self._oldest_next = False
        self._long_before = False
        self._small = 0

    @property
    def held_tokens(self) -> int:
        """Tokens of admitted jobs that are not finished, a long job counted with its share."""
        return self._room.held

    def add(self, job: Job) -> None:
        """Raises Overloaded when the queue is full, or its part for long jobs if this is one."""
        if not self._room.admit(job.tokens):
            raise Overloaded("The router is overloaded; please retry shortly.", retry_after=1)
        if not self._is_long(job) and any(map(self._is_long, self._waiting)):
            self._small = SMALL_BATCHES
        job.admitted = job.tokens
        self._waiting[job] = None
        self._windows.update(job.left())

    def leave(self, job: Job) -> None:
        """The job is finished, failed or given up. Its windows that wait are not read any more."""
        if job in self._waiting:
            del self._waiting[job]
            self._windows.subtract(job.left())
        self._room.release(job.admitted)
        job.admitted = 0

    def jobs(self) -> tuple[Job, ...]:
        return tuple(self._waiting)

    def take(self) -> Batch | None:
        """The next batch for the first lane, None if nothing waits for it."""
        waiting = self._of_first_lane()
        if not waiting:
            return None
        leader = self._leader(waiting)
        width = leader.width
        sizes = self._sizes(width)
        shares = self._shares(leader, width, sizes[-1])
        found = sum(count for _, count in shares)
        wanted = max(size for size in sizes if size <= found)
        if self._small and self._is_long(leader):
            self._small -= 1
            wanted = 1
        return self._batch(shares, width, wanted)

    def take_full(self) -> Batch | None:
        """A batch of the largest size for a further lane, None if no windows of one width make one. The
        longest request leads: the short ones have the first lane."""
        if not self.has_full():
            return None
        for leader in sorted(self._waiting, key=lambda job: -job.tokens):
            width = leader.width
            shares = self._shares(leader, width, self._sizes(width)[-1])
            count = sum(count for _, count in shares)
            if 1 < count == self._sizes(width)[-1]:
                self._small -= bool(self._small) and self._is_long(leader)
                return self._batch(shares, width, count)
        return None

    def has_full(self) -> bool:
        """Whether a batch of the largest size may wait."""
        return any(1 < self._sizes(width)[-1] <= count for width, count in self._windows.items())

    def _of_first_lane(self) -> Sequence[Job]:
        """All jobs; while short ones come, without the windows of long ones that other lanes can take."""
        if self._lanes == 1 or not self._small:
            return tuple(self._waiting)
        return [job for job in self._waiting if not (self._is_long(job) and self._fills(job))]

    def _fills(self, job: Job) -> bool:
        full = self._sizes(job.width)[-1]
        return 1 < full <= job.waiting(job.width)

    def _batch(self, shares: Sequence[tuple[Job, int]], width: int, wanted: int) -> Batch:
        rows: list[Row] = []
        for job, _ in shares:
            rows += (Row(job, key, ids) for key, ids in job.take(width, wanted - len(rows)))
            if not job.width:
                self._waiting.pop(job)
        self._windows[width] -= len(rows)
        return Batch(tuple(rows))

    def _leader(self, waiting: Sequence[Job]) -> Job:
        oldest = waiting[0]
        shortest = min(waiting, key=lambda job: job.tokens)
        if self._is_long(oldest) and not self._is_long(shortest):
            self._oldest_next = not self._long_before
        elif oldest is not shortest:
            self._oldest_next = not self._oldest_next
        leader = oldest if self._oldest_next else shortest
        self._long_before = self._is_long(leader)
        return leader

    def _is_long(self, job: Job) -> bool:
        return job.tokens > self._long_tokens

    def _shares(self, leader: Job, width: int, room: int) -> list[tuple[Job, int]]:
        """Whose windows of this width fit in the batch: the leader's, then of those with least left."""
        if leader.waiting(width) >= room:
            return [(leader, room)]
        # a short request is not held up by windows of a long one that would fit in beside it
        welcome = (job for job in self._waiting if not (self._small and self._is_long(job)))
        others = sorted((job for job in welcome if job is not leader), key=lambda job: job.tokens)
        shares = []
        for job in (leader, *others):
            count = min(room, job.waiting(width))
            if count:
                shares.append((job, count))
                room -= count
            if not room:
                break
        return shares


def bucket(tokens: int) -> int:
    """The width at which a window of so many content tokens is read, special tokens and padding included."""
    return next((width for width in WIDTHS if tokens + SPECIALS <= width), padded(tokens))


def padded(tokens: int) -> int:
    """So many content tokens and the special ones, rounded up to a multiple of STEP."""
    return -(-(tokens + SPECIALS) // STEP) * STEP
