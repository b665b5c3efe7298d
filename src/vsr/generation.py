"""A configuration made live: the policy with everything that must run for it.

A generation is built once, leased by exchanges, and closed when its last one ends; `Live` holds the
current one and lets the ones before it end. It owns what the router uses, so that the router itself
stays pure. When to change to another configuration is `reload`'s affair.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path

from vsr import __version__
from vsr.config.policy import Policy, Signals
from vsr.encoder.bundle import Bundle, load_bundle
from vsr.encoder.encoder import Encoder
from vsr.exchange import Exchange, RequestHead, Services
from vsr.loopers.aids import Aids
from vsr.selection.knowledge import learn_about
from vsr.selection.memory import Memory
from vsr.selection.state import Knowledge, State
from vsr.signals.engine import SignalEngine
from vsr.telemetry import Metrics

logger = logging.getLogger(__name__)


MAX_RETIRING = 8
"""Generations that may wait for their last requests; one more, and the oldest is closed at once."""


@dataclass(slots=True)
class InFlight:
    """Requests being served, over all generations of a process."""

    count: int = 0


@dataclass(eq=False)
class Generation:
    """One policy and its encoder. `running` counts exchanges that hold a lease; `created` is Unix time;
    `number` counts the generations of a process from 1."""

    policy: Policy
    encoder: Encoder
    metrics: Metrics
    running: int = 0
    memory: Memory = field(default_factory=Memory)
    knowledge: Knowledge = field(default_factory=Knowledge)
    number: int = 1
    in_flight: InFlight = field(default_factory=InFlight)
    signals: SignalEngine | None = None

    def __post_init__(self) -> None:
        # else all workers would draw alike
        self._seeds = itertools.count(random.getrandbits(32))
        self.created = int(time.time())
        self.superseded = False
        self.aids = Aids(self.encoder)
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    @classmethod
    async def start(
        cls,
        policy: Policy,
        *,
        bundle: Path | Bundle,
        metrics: Metrics | None = None,
        threads: int | None = None,
        memory: Memory | None = None,
    ) -> Generation:
        """Load the bundle (BundleError if it is broken), warm it up, compare its golden outputs, load what
        decisions choose models by (SelectorError) and signals compare with (ConfigError). memory: of the
        generation before, so that what was measured, learned and pinned goes on; a new one by default."""
        loaded = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
        metrics = metrics or Metrics()
        encoder = await Encoder.start(loaded, threads=threads)
        metrics.build.labels(version=__version__, bundle=loaded.digest[:12]).set(1)
        try:
            memory = memory or Memory.of(policy)
            knowledge = await learn_about(policy, encoder)
            signals = await SignalEngine.start(policy, encoder)
        except BaseException:
            await encoder.aclose()
            raise
        return cls(
            policy=policy,
            encoder=encoder,
            metrics=metrics,
            memory=memory,
            knowledge=knowledge,
            signals=signals,
        )

    async def successor(self, policy: Policy) -> Generation:
        """The next generation, which goes on with this one's encoder, metrics and memory. SelectorError if
        the policy asks for something that cannot be loaded; this generation stays as it is."""
        return Generation(
            policy=policy,
            encoder=self.encoder,
            metrics=self.metrics,
            memory=self.memory,
            knowledge=await learn_about(policy, self.encoder),
            number=self.number + 1,
            in_flight=self.in_flight,
            signals=await SignalEngine.start(policy, self.encoder, before=self.signals),
        )

    @property
    def ready(self) -> bool:
        """Configuration loaded and bundle warm: true from the end of `start` to `aclose`."""
        return not self._closed

    @property
    def state(self) -> State:
        """What selection knows now, for whoever decides without serving."""
        return self.memory.state(self.knowledge)

    def exchange(self, head: RequestHead, door: str) -> Exchange:
        """A new request on this generation; the exchange gives the lease back in `close`."""
        self.running += 1
        self.in_flight.count += 1
        self._idle.clear()
        self.metrics.in_flight.labels(door=door).inc()
        services = Services(
            policy=self.policy,
            encoder=self.encoder,
            metrics=self.metrics,
            running=self.in_flight.count,
            seed=next(self._seeds),
            ready=self.ready,
            created=self.created,
            memory=self.memory,
            knowledge=self.knowledge,
            signals=self.signals,
            aids=self.aids,
        )
        return Exchange(head, services, door=door, on_close=lambda: self._ended(door))

    def _ended(self, door: str) -> None:
        self.running -= 1
        self.in_flight.count -= 1
        self.metrics.in_flight.labels(door=door).dec()
        if self.running == 0:
            self._idle.set()

    async def drained(self) -> None:
        """Wait until no exchange holds this generation."""
        await self._idle.wait()

    async def discard(self) -> None:
        """End a successor that was never used."""
        self.superseded = True
        await self.aclose()

    async def aclose(self) -> None:
        """What another generation uses stays open."""
        self._closed = True
        await self.aids.aclose()
        if self.signals is not None:
            await self.signals.aclose()
        if not self.superseded:
            self.memory.close()
            await self.encoder.aclose()

    def forget_what_is_gone(self, current: Policy) -> None:
        """What was counted and measured under names that the current configuration does not have."""
        before, after = _Names.of(self.policy), _Names.of(current)
        self.metrics.forget(("model", "source_model", "target_model"), before.models - after.models)
        self.metrics.forget(("decision_name", "decision"), before.decisions - after.decisions)
        self.metrics.forget(("signal_name",), before.signals - after.signals)
        self.metrics.forget(("backend",), before.backends - after.backends)
        self.memory.recorder.forget(before.models - after.models)


@dataclass(frozen=True, slots=True)
class _Names:
    models: frozenset[str]
    backends: frozenset[str]
    decisions: frozenset[str]
    signals: frozenset[str]

    @classmethod
    def of(cls, policy: Policy) -> _Names:
        recipes = [policy, *policy.recipes.values()]
        return cls(
            models=frozenset(name for one in policy.models.values() for name in (one.name, *one.loras)),
            backends=frozenset(one.name for model in policy.models.values() for one in model.backends),
            decisions=frozenset(one.name for recipe in recipes for one in recipe.decisions),
            signals=frozenset(name for recipe in recipes for name in _signal_names(recipe.signals)),
        )


def _signal_names(signals: Signals) -> Iterator[str]:
    for family in fields(signals):
        rules = getattr(signals, family.name)
        yield from (rule.name for rule in rules if hasattr(rule, "name")) if isinstance(rules, tuple) else ()


class Live:
    """The generation that new requests start on. Doors ask `current` once per request."""

    def __init__(self, generation: Generation) -> None:
        self.current = generation
        self._retiring: dict[asyncio.Task[None], Generation] = {}
        self._limits: list[asyncio.Timeout] = []

    def switch(self, successor: Generation, *, patience: float) -> None:
        """New requests start on the successor. The generation before is closed when its last request
        ends, after `patience` seconds at the latest."""
        before, self.current = self.current, successor
        before.superseded = True
        task = asyncio.create_task(self._retire(before, patience))
        self._retiring[task] = before
        task.add_done_callback(self._retiring.pop)

    @property
    def retiring(self) -> int:
        """Generations that still have requests running."""
        return len(self._retiring)

    async def aclose(self) -> None:
        """Close all generations, whatever they are doing."""
        retiring = dict(self._retiring)
        for task in retiring:
            task.cancel()
        await asyncio.gather(*retiring, return_exceptions=True)
        for generation in (*retiring.values(), self.current):
            await generation.aclose()

    async def _retire(self, generation: Generation, patience: float) -> None:
        try:
            async with asyncio.timeout(patience) as limit:
                self._limits.append(limit)
                if len(self._limits) > MAX_RETIRING:
                    self._limits.pop(0).reschedule(asyncio.get_running_loop().time())
                try:
                    await generation.drained()
                finally:
                    if limit in self._limits:
                        self._limits.remove(limit)
        except TimeoutError:
            logger.warning(
                "generation %d is closed while %d of its requests are still running",
                generation.number,
                generation.running,
            )
        await generation.aclose()
        generation.forget_what_is_gone(self.current.policy)
