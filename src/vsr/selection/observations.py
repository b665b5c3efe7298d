"""What was observed while running: latencies, load, ratings. `Recorder` writes, `Observations` is read.

A snapshot is immutable, so that `decide` stays a pure function; the recorder belongs to one event loop.
Bounded: the last `KEPT` answers of a model, none older than `HORIZON`, and only configured models.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field

from vsr.selection.feedback import Experience, Feedback

KEPT = 256
HORIZON = 900.0
"""Seconds. A quarter of an hour: longer, and a model that was slow this morning is avoided all day."""
TRIED = 30.0
"""Seconds for which a model whose request told nothing is not tried again only to measure it."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One model. ttft, tpot: sorted seconds to the first token and per token. tried: a request to it is
    running, or has just ended, well or not."""

    ttft: tuple[float, ...] = ()
    tpot: tuple[float, ...] = ()
    in_flight: int = 0
    tried: bool = False


@dataclass(frozen=True, slots=True)
class Observations:
    models: Mapping[str, Observed] = field(default_factory=dict)
    experience: Experience = field(default_factory=Experience)

    def of(self, model: str) -> Observed:
        return self.models.get(model, _NOTHING)


_NOTHING = Observed()


def percentile(values: tuple[float, ...], percent: int) -> float | None:
    """Nearest rank; `values` are sorted. None without values."""
    if not values:
        return None
    return values[max(0, math.ceil(percent / 100 * len(values)) - 1)]


def per_token(first: float | None, whole: float, tokens: int) -> float | None:
    """Seconds per token of an answer, from those to its first byte and to its end: of a stream each further
    token's. Of a plain answer, whose first token nobody sees (None), the share of each in the whole. None if
    it cannot be told."""
    if first is None:
        return whole / tokens if tokens > 0 else None
    return (whole - first) / (tokens - 1) if tokens > 1 else None


class _Samples:
    """Of one model, the newest last. What is asked for with each request, sorted values, is kept sorted."""

    def __init__(self) -> None:
        self._rows: deque[tuple[float, float | None, float | None]] = deque()
        self._ttft: list[float] = []
        self._tpot: list[float] = []
        self.in_flight = 0
        self.last_end = -math.inf

    def add(self, now: float, ttft: float | None, tpot: float | None) -> None:
        if len(self._rows) == KEPT:
            self._drop_oldest()
        self._rows.append((now, ttft, tpot))
        if ttft is not None:
            insort(self._ttft, ttft)
        if tpot is not None:
            insort(self._tpot, tpot)

    def observed(self, now: float) -> Observed:
        while self._rows and self._rows[0][0] < now - HORIZON:
            self._drop_oldest()
        tried = self.in_flight > 0 or now < self.last_end + TRIED
        return Observed(tuple(self._ttft), tuple(self._tpot), self.in_flight, tried)

    def _drop_oldest(self) -> None:
        _, ttft, tpot = self._rows.popleft()
        if ttft is not None:
            del self._ttft[bisect_left(self._ttft, ttft)]
        if tpot is not None:
            del self._tpot[bisect_left(self._tpot, tpot)]


class Recorder:
    """clock: seconds of any monotonic clock. Outlives configurations: a new one goes on with it."""

    def __init__(self, feedback: Feedback | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.feedback = feedback or Feedback()
        self._clock = clock
        self._models: dict[str, _Samples] = {}

    def started(self, model: str) -> None:
        """A request goes to this model; `ended` must follow."""
        self._models.setdefault(model, _Samples()).in_flight += 1

    def ended(self, model: str) -> None:
        samples = self._models[model]
        samples.in_flight -= 1
        samples.last_end = self._clock()

    def answered(self, model: str, first: float | None, whole: float, tokens: int) -> None:
        """Seconds to the first byte (None for a plain answer) and to the end of an answer of so many tokens
        (0: unknown). What tells nothing takes no other's place."""
        tpot = per_token(first, whole, tokens)
        if first is not None or tpot is not None:
            self._models.setdefault(model, _Samples()).add(self._clock(), first, tpot)

    def forget(self, models: Set[str]) -> None:
        """Models that are no longer configured, unless requests to them still run."""
        for name in models & self._models.keys():
            if not self._models[name].in_flight:
                del self._models[name]

    def snapshot(self) -> Observations:
        now = self._clock()
        return Observations(
            {name: samples.observed(now) for name, samples in self._models.items()},
            self.feedback.experience,
        )
