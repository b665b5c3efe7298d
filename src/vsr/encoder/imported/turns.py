"""Windows of all requests through one graph, a few at a time, in a thread of its own.

Requests take turns: each batch is led by the next one, and filled up with windows of about the same
length of the others, so a long text delays a short one by a batch and not by its length. What waits is
bounded; a caller that gives up leaves the queue. Lives in one event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from vsr.encoder.backend import Floats
from vsr.encoder.failures import EncoderFailed
from vsr.encoder.schedule import Room, padded
from vsr.encoder.tokens import Ints
from vsr.errors import Overloaded

logger = logging.getLogger(__name__)

QUEUE_TOKENS = 65_536
BATCH_TOKENS = 1_024
"""A request with more is long."""


@dataclass(slots=True, eq=False)
class _Job:
    windows: Sequence[Ints]
    future: asyncio.Future[list[Floats]]
    waiting: list[int]
    answers: list[Floats | None]
    left: int

    def take(self, width: int, room: int) -> list[int]:
        """Up to `room` of its windows of this padded width."""
        taken = [index for index in self.waiting if padded(len(self.windows[index])) == width][:room]
        gone = set(taken)
        self.waiting = [index for index in self.waiting if index not in gone]
        return taken


class Turns:
    """`run` is called with one batch at a time, always in the same thread."""

    def __init__(
        self, name: str, run: Callable[[Sequence[Ints]], list[Floats]], queue_tokens: int = QUEUE_TOKENS
    ) -> None:
        self._name = name
        self._run = run
        self._room = Room(queue_tokens, BATCH_TOKENS)
        self._jobs: list[_Job] = []
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=f"vsr-model-{name}")
        self._pump: asyncio.Task[None] | None = None
        self._closed = False

    async def read(self, windows: Sequence[Ints]) -> list[Floats]:
        """An answer per window, in order. Raises Overloaded at once, or EncoderFailed."""
        if self._closed:
            raise EncoderFailed(f"model {self._name} is closed")
        if not windows:
            return []
        tokens = sum(padded(len(window)) for window in windows)
        if not self._room.admit(tokens):
            raise Overloaded(f"The model {self._name} is overloaded; please retry shortly.", retry_after=1)
        loop = asyncio.get_running_loop()
        job = _Job(
            windows, loop.create_future(), list(range(len(windows))), [None] * len(windows), len(windows)
        )
        self._jobs.append(job)
        if self._pump is None or self._pump.done():
            self._pump = loop.create_task(self._serve())
        try:
            return await job.future
        finally:
            self._room.release(tokens)
            if job in self._jobs:
                self._jobs.remove(job)

    async def aclose(self) -> None:
        """Whoever waits gets EncoderFailed; returns when the current batch is done."""
        self._closed = True
        for job in self._jobs:
            _fail(job, EncoderFailed(f"model {self._name} is closed"))
        self._jobs.clear()
        if self._pump is not None:
            await asyncio.wait([self._pump])
        self._pool.shutdown()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while self._jobs:
            leader = self._jobs.pop(0)
            batch = self._filled(leader)
            windows = [job.windows[index] for job, index in batch]
            try:
                answers = await loop.run_in_executor(self._pool, self._run, windows)
            except Exception as error:  # noqa: BLE001 - whatever it raises, the requests must hear of it
                # the message of an engine could quote its input, so only its type is told
                logger.error("model %s failed: %s", self._name, type(error).__name__)
                for job in {job for job, _ in batch}:
                    _fail(job, EncoderFailed(f"model {self._name} failed: {type(error).__name__}"))
            else:
                for (job, index), answer in zip(batch, answers, strict=True):
                    _keep(job, index, answer)
            if self._closed:
                _fail(leader, EncoderFailed(f"model {self._name} is closed"))
            # behind those that came in the meantime
            self._jobs = [job for job in (*self._jobs, leader) if job.waiting and not job.future.done()]

    def _filled(self, leader: _Job) -> list[tuple[_Job, int]]:
        width = max(padded(len(leader.windows[index])) for index in leader.waiting)
        room = max(1, BATCH_TOKENS // width)
        batch: list[tuple[_Job, int]] = []
        for job in (leader, *self._jobs):
            batch += [(job, index) for index in job.take(width, room - len(batch))]
        self._jobs = [job for job in self._jobs if job.waiting]
        return batch


def _keep(job: _Job, index: int, answer: Floats) -> None:
    job.answers[index] = answer
    job.left -= 1
    if not job.left and not job.future.done():
        job.future.set_result([kept for kept in job.answers if kept is not None])


def _fail(job: _Job, failure: EncoderFailed) -> None:
    if not job.future.done():
        job.future.set_exception(failure)
