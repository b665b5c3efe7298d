"""Everything that one process serves: a generation, and the doors that lead to it.

This is the composition root: the only place that knows all doors. It handles no signals and prints
nothing; `serving` and `worker` do.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable

from vsr.cli.serve_options import ServeOptions
from vsr.config.policy import Policy
from vsr.doors.extproc import ExtProcServer
from vsr.doors.gateway import Gateway
from vsr.doors.management import management_app
from vsr.doors.server import HttpServer
from vsr.encoder.bundle import default_bundle_path
from vsr.generation import Generation, Live
from vsr.providers.client import Upstream

Stop = Callable[[float], Awaitable[None]]


class Stack:
    """`start` returns when requests are served. Doors close first and what they use last."""

    def __init__(self, policy: Policy, options: ServeOptions) -> None:
        self._policy = policy
        self._options = options
        self._reuse_port = options.workers > 1
        self._generation: Generation | None = None
        self._upstream = Upstream()
        self._doors: list[Stop] = []

    async def start(self) -> None:
        """BundleError if the encoder cannot be used, ConfigError if an address cannot be had."""
        self._generation = await Generation.start(
            self._policy,
            bundle=self._options.bundle or default_bundle_path(),
            threads=self._options.threads,
        )
        try:
            await self._open_doors(Live(self._generation))
        except BaseException:
            await self.stop(0)
            raise
        gc.collect()
        gc.freeze()  # what lives as long as the process is not looked through again and again

    async def stop(self, grace: float) -> None:
        """Accept nothing more, let running requests end within `grace` seconds. Idempotent."""
        doors, self._doors = self._doors, []
        await asyncio.gather(*(stop(grace) for stop in doors))
        generation, self._generation = self._generation, None
        if generation is not None:
            await self._upstream.aclose()
            await generation.aclose()

    def exposition(self) -> tuple[bytes, str]:
        """Metrics in the text format, and its content type."""
        assert self._generation is not None, "start was called"
        return self._generation.metrics.exposition()

    async def _open_doors(self, live: Live) -> None:
        await self._upstream.start()
        if not self._options.envoy:
            for listener in self._policy.listeners:
                gateway = Gateway(live, self._upstream, listener=listener.name)
                await self._open(
                    HttpServer(gateway, listener.address, listener.port, reuse_port=self._reuse_port)
                )
        management = self._policy.management
        app = management_app(live)
        await self._open(HttpServer(app, management.address, management.port, reuse_port=self._reuse_port))
        if self._options.extproc:
            port = self._options.extproc_port
            await self._open(ExtProcServer(live, port=port, reuse_port=self._reuse_port))

    async def _open(self, door: HttpServer | ExtProcServer) -> None:
        await door.start()
        self._doors.append(door.stop)
