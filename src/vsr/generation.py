"""A configuration made live: the policy with everything that must run for it.

A generation is built once, leased by exchanges, and drained when its last one ends; `Live` holds the
current one. It owns what the router uses, so that the router itself stays pure.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from dataclasses import dataclass
from pathlib import Path

from vsr import __version__
from vsr.config.policy import Policy
from vsr.encoder.bundle import Bundle, load_bundle
from vsr.encoder.encoder import Encoder
from vsr.exchange import Exchange, RequestHead, Services
from vsr.telemetry import Metrics

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Generation:
    """One policy and its encoder. `running` counts exchanges that hold a lease; `created` is Unix time."""

    policy: Policy
    encoder: Encoder
    metrics: Metrics
    running: int = 0

    def __post_init__(self) -> None:
        self._seeds = itertools.count()
        self.created = int(time.time())
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
    ) -> Generation:
        """Load the bundle (BundleError if it is broken), warm it up, compare its golden outputs."""
        loaded = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
        metrics = metrics or Metrics()
        encoder = await Encoder.start(loaded, threads=threads)
        metrics.build.labels(version=__version__, bundle=loaded.digest[:12]).set(1)
        return cls(policy=policy, encoder=encoder, metrics=metrics)

    @property
    def ready(self) -> bool:
        """Configuration loaded and bundle warm: true from the end of `start` to `aclose`."""
        return not self._closed

    def exchange(self, head: RequestHead, door: str) -> Exchange:
        """A new request on this generation; the exchange gives the lease back in `close`."""
        self.running += 1
        self._idle.clear()
        self.metrics.in_flight.labels(door=door).inc()
        services = Services(
            policy=self.policy,
            encoder=self.encoder,
            metrics=self.metrics,
            running=self.running,
            seed=next(self._seeds),
            ready=self.ready,
            created=self.created,
        )
        return Exchange(head, services, door=door, on_close=lambda: self._ended(door))

    def _ended(self, door: str) -> None:
        self.running -= 1
        self.metrics.in_flight.labels(door=door).dec()
        if self.running == 0:
            self._idle.set()

    async def drained(self) -> None:
        """Wait until no exchange holds this generation."""
        await self._idle.wait()

    async def aclose(self) -> None:
        self._closed = True
        await self.encoder.aclose()


class Live:
    """The generation that new requests start on. Doors ask `current` once per request."""

    def __init__(self, generation: Generation) -> None:
        self.current = generation
