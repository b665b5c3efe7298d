"""Reads windows of all requests in micro-batches, on a thread for each lane of the backend.

The first takes whatever waits as soon as it is free; it never waits for a batch to fill. The others help
when there are full batches. Requests come from one event loop, whose callers may give up at any time.
What to read next is `schedule`'s choice, what the numbers mean is `heads`'s.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Condition, Lock, Thread

import numpy as np

from vsr.encoder.backend import Backend, Ids
from vsr.encoder.failures import EncoderFailed
from vsr.encoder.heads import HeadReader, WindowReading
from vsr.encoder.memo import Memo, WindowKey
from vsr.encoder.schedule import Batch, Job, Schedule
from vsr.encoder.tokens import Ints, TextTokenizer

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class EncoderStats:
    """Counters since the start. invocations: times that reads needed the graph, twice for
    one with close-ups; windows: asked for by reads;
    memo_hits: of them, known; batch_windows and batch_tokens: what went through the graph, padding
    included; graph_seconds: time spent in it, on all lanes."""

    reads: int = 0
    invocations: int = 0
    windows: int = 0
    memo_hits: int = 0
    batches: int = 0
    batch_windows: int = 0
    batch_tokens: int = 0
    graph_seconds: float = 0.0
    overloads: int = 0
    timeouts: int = 0
    failures: int = 0


class Batcher:
    """Must be made inside the event loop that will call `read`."""

    def __init__(
        self,
        backend: Backend,
        tokenizer: TextTokenizer,
        heads: HeadReader,
        memo: Memo,
        schedule: Schedule,
        stats: EncoderStats,
    ) -> None:
        self._backend = backend
        self._tokenizer = tokenizer
        self._heads = heads
        self._memo = memo
        self._schedule = schedule
        self._stats = stats
        self._loop = asyncio.get_running_loop()
        self._lock = Lock()
        self._first, self._others = Condition(self._lock), Condition(self._lock)
        self._closed = False
        self._threads = [
            Thread(target=self._serve, args=(lane,), name=f"vsr-encoder-{lane}", daemon=True)
            for lane in range(backend.lanes)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def queued_tokens(self) -> int:
        return self._schedule.held_tokens

    async def read(self, windows: Mapping[WindowKey, Ints]) -> dict[WindowKey, WindowReading]:
        """Readings of all windows. Raises Overloaded at once if the queue is full, EncoderFailed if
        inference fails. A cancelled call leaves the queue."""
        job = Job(windows, self._loop.create_future())
        with self._lock:
            if self._closed:
                raise EncoderFailed("the encoder is closed")
            self._schedule.add(job)
            self._first.notify()
            if self._schedule.has_full():
                self._others.notify()
        try:
            return await job.future
        finally:
            with self._lock:
                self._schedule.leave(job)

    async def aclose(self) -> None:
        """Ends the threads after their current batches; whoever waits gets EncoderFailed."""
        with self._lock:
            self._closed = True
            waiting = self._schedule.jobs()
            self._first.notify()
            self._others.notify_all()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        _fail(waiting, EncoderFailed("the encoder is closed"))

    def _serve(self, lane: int) -> None:
        while (batch := self._next(lane)) is not None:
            self._run(batch, lane)

    def _next(self, lane: int) -> Batch | None:
        take, wake = (self._schedule.take_full, self._others) if lane else (self._schedule.take, self._first)
        with self._lock:
            while not self._closed:
                batch = take()
                if batch is not None:
                    if lane:
                        self._first.notify()  # what was left to the others may be its own now
                    if self._schedule.has_full():
                        self._others.notify()
                    return batch
                wake.wait()
            return None

    def _run(self, batch: Batch, lane: int) -> None:
        try:
            readings = self._infer(batch, lane)
        except Exception as error:  # noqa: BLE001 - whatever it raises, the requests must hear of it
            # the message of an engine could quote its input, so only its type is told
            logger.error("inference failed: %s", type(error).__name__)
            failure = EncoderFailed(f"inference failed: {type(error).__name__}")
            self._tell(partial(_fail, batch.jobs(), failure))
            return
        for row, reading in zip(batch.rows, readings, strict=True):
            self._memo.put(row.key, reading)
            row.job.readings[row.key] = reading
        finished = [job for job in batch.jobs() if len(job.readings) == job.expected]
        if finished:
            self._tell(partial(_finish, finished))

    def _infer(self, batch: Batch, lane: int) -> list[WindowReading]:
        ids, mask = pad([row.ids for row in batch.rows], batch.width, self._tokenizer)
        begun = time.perf_counter()
        outputs = self._backend.infer(ids, mask, lane)
        spent = time.perf_counter() - begun
        with self._lock:
            self._stats.graph_seconds += spent
            self._stats.batches += 1
            self._stats.batch_windows += len(batch.rows)
            self._stats.batch_tokens += ids.size
        return self._heads.read(outputs, [len(row.ids) for row in batch.rows])

    def _tell(self, news: Callable[[], None]) -> None:
        """Once a batch: each call wakes the event loop."""
        try:
            self._loop.call_soon_threadsafe(news)
        except RuntimeError:  # the loop is closed, nobody waits
            pass


def pad(windows: Sequence[Ints], width: int, tokenizer: TextTokenizer) -> tuple[Ids, Ids]:
    """`input_ids` and `attention_mask` of a batch, each (windows, width)."""
    ids = np.full((len(windows), width), tokenizer.pad, dtype=np.int64)
    mask = np.zeros((len(windows), width), dtype=np.int64)
    ids[:, 0] = tokenizer.cls
    for row, window in enumerate(windows):
        end = len(window) + 1
        ids[row, 1:end] = window
        ids[row, end] = tokenizer.sep
        mask[row, : end + 1] = 1
    return ids, mask


def _finish(jobs: Iterable[Job]) -> None:
    for job in jobs:
        if not job.future.done():
            job.future.set_result(job.readings)


def _fail(jobs: Iterable[Job], failure: EncoderFailed) -> None:
    for job in jobs:
        if not job.future.done():
            job.future.set_exception(failure)
