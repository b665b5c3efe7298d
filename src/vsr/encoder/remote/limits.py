"""How a service of others is called: never too long, too often at once, or again while it is broken.

What a call sends and how an answer reads is each service's own affair. No text of a request and no
word of an answer gets into an error here.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from vsr.encoder.failures import EncoderFailed, EncoderTimeout
from vsr.errors import Overloaded

logger = logging.getLogger(__name__)

T = TypeVar("T")
Item = TypeVar("Item")

LONG_SILENCE: Final = 2.5
"""Seconds without an answer that tell against a service, even if its own limit is far longer."""


@dataclass(frozen=True, slots=True)
class Limits:
    """timeout: seconds of one call, and of the wait for its turn. concurrency: calls at once; waiting: calls
    that may wait for their turn. answer_bytes: of one answer. After `failures` in a row the service is left
    alone for `pause` seconds; one failure more afterwards, and it is again."""

    timeout: float = 5.0
    concurrency: int = 8
    waiting: int = 64
    answer_bytes: int = 4 * 1024 * 1024
    failures: int = 5
    pause: float = 30.0


class Nonsense(Exception):
    """An answer that cannot be used. The message is ours, never a part of the answer. It is no failure of
    the service: a text may have talked a model into it, and would take the service away from all others."""


class Broken(Nonsense):
    """An answer that tells of the service's own trouble, whatever it was asked."""


class Guarded:
    """Calls of one service under its limits. Belongs to one event loop."""

    def __init__(self, name: str, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self.limits = limits
        self._clock = clock
        self._turns = asyncio.Semaphore(limits.concurrency)
        self._calls = 0
        self._failures = 0
        self._closed_until = 0.0

    async def call(self, work: Callable[[], Awaitable[T]], deadline: float | None) -> T:
        """What `work` gives. Raises Overloaded, EncoderTimeout or EncoderFailed, nothing else."""
        if self._clock() < self._closed_until:
            raise EncoderFailed(f"{self.name} is left alone after {self._failures} failures in a row")
        if self._calls >= self.limits.concurrency + self.limits.waiting:
            raise Overloaded(f"Too many calls of {self.name} wait; please retry shortly.", retry_after=1)
        self._calls += 1
        try:
            return await self._limited(work, deadline)
        finally:
            self._calls -= 1

    async def each(self, items: Sequence[Item], call: Callable[[Item], Awaitable[T]]) -> list[T]:
        """`call` of every item, no more at once than the service takes, so that one long list does not
        overload it."""
        answers: list[T] = []
        for first in range(0, len(items), self.limits.concurrency):
            part = items[first : first + self.limits.concurrency]
            answers += await asyncio.gather(*(call(item) for item in part))
        return answers

    async def _limited(self, work: Callable[[], Awaitable[T]], deadline: float | None) -> T:
        clock, timeout = asyncio.get_running_loop().time, self.limits.timeout
        latest = math.inf if deadline is None else deadline
        if latest <= clock():
            raise EncoderTimeout(f"{self.name} was not asked in time")
        begun = math.inf
        try:
            async with asyncio.timeout_at(min(clock() + timeout, latest)) as limit, self._turns:
                begun = clock()
                limit.reschedule(min(begun + timeout, latest))
                answer = await work()
        except TimeoutError:
            # a request that came late, or waited for the calls of others, says nothing about the service. Its
            # whole limit is not asked for: deadlines of requests are often as long and begin a little earlier
            if clock() - begun >= min(timeout / 2, LONG_SILENCE):
                self._failed("no answer in time")
            raise EncoderTimeout(f"{self.name} did not answer in time") from None
        except Nonsense as error:
            if isinstance(error, Broken):
                self._failed(str(error))
            raise EncoderFailed(f"{self.name}: {error}") from None
        except Exception as error:  # noqa: BLE001 - whatever a client library raises, its message may quote
            self._failed(type(error).__name__)
            raise EncoderFailed(f"{self.name} failed: {type(error).__name__}") from None
        self._failures = 0
        return answer

    def _failed(self, why: str) -> None:
        self._failures += 1
        if self._failures >= self.limits.failures:
            self._closed_until = self._clock() + self.limits.pause
            logger.warning(
                "%s failed %d times in a row (%s); left alone for %g s",
                self.name,
                self._failures,
                why,
                self.limits.pause,
            )
