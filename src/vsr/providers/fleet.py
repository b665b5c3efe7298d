"""What a process knows about its back ends: who failed, who rests, who is busy.

A back end that failed several times in a row rests for a while; then one request, and no more, is let
through to see how it is. Health checks can take it out as well. Nobody is refused for that: back ends
that rest are merely asked last. Kept in memory, per process.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from vsr.config.policy import Backend, Reliability
from vsr.config.policy_reliability import MAX_EJECTION
from vsr.telemetry import Metrics

logger = logging.getLogger(__name__)

_Key = tuple[str, str]


@dataclass(slots=True)
class _State:
    """failures and rests: in a row. until: end of the rest, 0 if there is none. probing: the request that
    tells how a rested back end is has gone out. sick: says the health check. running: being answered."""

    failures: int = 0
    rests: int = 0
    until: float = 0.0
    probing: bool = False
    sick: bool = False
    running: int = 0

    @property
    def idle(self) -> bool:
        """Nothing is to be remembered."""
        return not (self.failures or self.until or self.sick or self.running)


class Fleet:
    """Back ends are told apart by name and address: one that moved starts afresh. metrics: where to count."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.metrics: Metrics | None = None
        self._clock = clock
        self._states: dict[_Key, _State] = {}  # only of those about which there is something to remember

    def order(self, backends: Sequence[Backend], reliability: Reliability) -> Sequence[int]:
        """Positions in the order of trial: as given, those that rest last. least_request: of the first two
        that do not rest the one with less to do comes first."""
        positions = range(len(backends))
        if len(backends) == 1 or not self._states:
            return positions
        resting = [self.rests(backend) for backend in backends]
        order = sorted(positions, key=lambda position: resting[position])
        first, second = order[0], order[1]
        if (
            reliability.lb_policy == "least_request"
            and not resting[second]
            and self._load(backends[second]) < self._load(backends[first])
        ):
            order[:2] = second, first
        return order

    def rests(self, backend: Backend) -> bool:
        state = self._states.get(_key(backend))
        return state is not None and (state.sick or state.probing or state.until > self._clock())

    def began(self, backend: Backend, reliability: Reliability) -> None:
        """A request goes out."""
        if reliability.lb_policy == "least_request":
            self._state(backend).running += 1
        state = self._states.get(_key(backend))
        if state is not None and 0 < state.until <= self._clock():
            state.probing = True

    def ended(self, backend: Backend) -> None:
        """The request of a `began` is done with, answered whole or not."""
        state = self._states.get(_key(backend))
        if state is not None:
            state.running = max(0, state.running - 1)
            self._tidy(backend, state)

    def abandoned(self, backend: Backend) -> None:
        """The client left before there was an answer: nothing is learned from that."""
        state = self._states.get(_key(backend))
        if state is not None:
            state.probing = False

    def served(self, backend: Backend) -> None:
        """An answer began that is no 5xx."""
        state = self._states.get(_key(backend))
        if state is None or not (state.failures or state.until):
            return
        rested = bool(state.until)
        state.failures = state.rests = 0
        state.until, state.probing = 0.0, False
        if rested:
            logger.info("back end %s answers again", backend.name)
            self._show(backend)
        self._tidy(backend, state)

    def failed(
        self, backend: Backend, reason: str, among: Sequence[Backend], reliability: Reliability
    ) -> None:
        """A 5xx, no connection or no answer. among: all back ends that stand in for each other."""
        if self.metrics is not None:
            self.metrics.backend_failures.labels(backend=backend.name, reason=reason).inc()
        if len(among) == 1 or not reliability.consecutive_5xx:
            return  # there is nobody to leave the work to
        state = self._state(backend)
        state.failures += 1
        state.probing = False
        now = self._clock()
        if state.failures < reliability.consecutive_5xx or state.until > now:
            return
        allowed = max(1, len(among) * reliability.max_ejection_percent // 100)
        if sum(self.rests(one) for one in among if one is not backend) < allowed:
            self._rest(backend, state, now, reliability.base_ejection_time)

    def checked(self, backend: Backend, *, healthy: bool) -> None:
        """What health checks say, each time that they change their mind."""
        state = self._state(backend)
        state.sick = not healthy
        logger.log(
            logging.INFO if healthy else logging.WARNING,
            "back end %s %s its health check",
            backend.name,
            "passes" if healthy else "fails",
        )
        self._show(backend)
        self._tidy(backend, state)

    def keep(self, backends: Iterable[Backend]) -> None:
        """Forget all others, since a new configuration does not have them; its health checks start anew."""
        known = {_key(backend): backend for backend in backends}
        for key in self._states.keys() - known.keys():
            del self._states[key]
        for key, state in list(self._states.items()):
            if state.sick:
                state.sick = False
                self._show(known[key])
                self._tidy(known[key], state)

    def _rest(self, backend: Backend, state: _State, now: float, base: float) -> None:
        state.rests += 1
        seconds = min(base * state.rests, max(MAX_EJECTION, base))
        state.until = now + seconds
        logger.warning(
            "back end %s failed %d times in a row and rests for %g s", backend.name, state.failures, seconds
        )
        if self.metrics is not None:
            self.metrics.backend_rests.labels(backend=backend.name).inc()
        self._show(backend)

    def _show(self, backend: Backend) -> None:
        if self.metrics is not None:
            state = self._states.get(_key(backend))
            out = state is not None and (state.sick or state.until > 0)
            self.metrics.backend_available.labels(backend=backend.name).set(0 if out else 1)

    def _load(self, backend: Backend) -> float:
        state = self._states.get(_key(backend))
        return (state.running if state is not None else 0) / max(1, backend.weight)

    def _state(self, backend: Backend) -> _State:
        return self._states.setdefault(_key(backend), _State())

    def _tidy(self, backend: Backend, state: _State) -> None:
        if state.idle:
            self._states.pop(_key(backend), None)


def _key(backend: Backend) -> _Key:
    return backend.name, backend.destination
