"""What was observed while running: latencies, load, ratings. `Recorder` writes, `Observations` is read.

A snapshot is immutable, so that `decide` stays a pure function; the recorder belongs to one event loop.
Bounded: the last `KEPT` answers of a model, none older than `HORIZON`, and only configured models.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field

from vsr.selection.feedback import Experience, Feedback

KEPT = 256
HORIZON = 900.0
"""Seconds. A quarter of an hour: longer, and a model that was slow this morning is avoided all day."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One model. ttft, tpot: sorted seconds to the first token and per further token."""

    ttft: tuple[float, ...] = ()
    tpot: tuple[float, ...] = ()
    in_flight: int = 0


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


class _Samples:
    """Of one model, the newest last."""

    def __init__(self) -> None:
        self.rows: deque[tuple[float, float, float | None]] = deque(maxlen=KEPT)
        self.in_flight = 0
        self.sorted: tuple[tuple[float, ...], tuple[float, ...]] | None = None

    def expire(self, now: float) -> None:
        while self.rows and self.rows[0][0] < now - HORIZON:
            self.rows.popleft()
            self.sorted = None

    def observed(self, now: float) -> Observed:
        self.expire(now)
        if self.sorted is None:
            tpot = sorted(row[2] for row in self.rows if row[2] is not None)
            self.sorted = tuple(sorted(row[1] for row in self.rows)), tuple(tpot)
        return Observed(*self.sorted, self.in_flight)


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
        self._models[model].in_flight -= 1

    def answered(self, model: str, first: float, whole: float, tokens: int) -> None:
        """Seconds to the first byte and to the end of an answer of so many tokens (0: unknown)."""
        samples = self._models.setdefault(model, _Samples())
        tpot = (whole - first) / (tokens - 1) if tokens > 1 else None
        samples.rows.append((self._clock(), first, tpot))
        samples.sorted = None

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
