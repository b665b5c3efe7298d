"""Everything that one process serves: a generation, and the doors that lead to it.

This is the composition root: the only place that knows all doors. It handles no signals and prints
nothing; `serving` and `worker` do.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine

from vsr.cli.fixed import Fixed
from vsr.cli.serve_options import HOP_TOKEN_ENV, ServeOptions
from vsr.cli.source import Given
from vsr.doors.extproc import ExtProcServer
from vsr.doors.gateway import Gateway
from vsr.doors.hop import Hop, Loopback
from vsr.doors.management import management_app
from vsr.doors.server import HttpServer
from vsr.encoder.bundle import default_bundle_path
from vsr.generation import Generation, Live
from vsr.guards.calibration import threshold_doubts
from vsr.providers.client import Upstream
from vsr.providers.health import HealthChecks
from vsr.reload import Reloader

logger = logging.getLogger(__name__)

Stop = Callable[[float], Awaitable[None]]


class Stack:
    """`start` returns when requests are served. Doors close first and what they use last."""

    def __init__(self, given: Given, options: ServeOptions) -> None:
        self._given = given
        self._options = options
        self._reuse_port = options.workers > 1
        self._live: Live | None = None
        self._reloader: Reloader | None = None
        self._tasks: set[asyncio.Task[object]] = set()
        self._upstream = Upstream()
        self._doors: list[Stop] = []

    async def start(self) -> None:
        """BundleError if the encoder cannot be used, StartError if an address cannot be had."""
        generation = await Generation.start(
            self._given.policy,
            bundle=self._options.bundle or default_bundle_path(),
            threads=self._options.threads,
        )
        self._live = Live(generation)
        given, fixed = self._given, Fixed(self._options)
        self._reloader = Reloader(
            self._live, given.source, given.text, given.loaded, fixed=fixed, activated=self._activated
        )
        try:
            await self._open_doors(self._live, self._reloader)
        except BaseException:
            await self.stop(0)
            raise
        gc.collect()
        gc.freeze()  # what lives as long as the process is not looked through again and again
        self._activated(given.text)
        self._run(self._reloader.watch())

    def reload(self) -> None:
        """Read the configuration file again, and use it even if only files that it names have changed."""
        if self._reloader is not None:
            self._run(self._reloader.reload(force=True))

    async def stop(self, grace: float) -> None:
        """Accept nothing more, let running requests end within `grace` seconds. Idempotent."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        doors, self._doors = self._doors, []
        await asyncio.gather(*(stop(grace) for stop in doors))
        live, self._live = self._live, None
        if live is not None:
            await self._upstream.aclose()
            await live.aclose()

    def _run(self, work: Coroutine[object, object, object]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _activated(self, text: str) -> None:
        """Say what the bundle makes of it, and keep it for workers that take the place of others."""
        if self._live is not None and self._reloader is not None:
            manifest = self._live.current.encoder.bundle.manifest
            for doubt in threshold_doubts(self._reloader.active.loaded.policy, manifest):
                logger.warning("%s", doubt)
        path = self._options.last_good
        if path is not None:
            own = path.with_name(f"{path.name}.{os.getpid()}")
            try:
                own.write_text(text, encoding="utf-8")
                own.replace(path)
            except OSError as error:
                logger.warning("workers that start later read the file anew: %s", error.strerror)

    def exposition(self) -> tuple[bytes, str]:
        """Metrics in the text format, and its content type."""
        assert self._live is not None, "start was called"
        return self._live.current.metrics.exposition()

    async def _open_doors(self, live: Live, reloader: Reloader) -> None:
        await self._upstream.start()
        self._upstream.fleet.metrics = live.current.metrics
        if not self._options.envoy or self._given.policy.loops:
            self._run(HealthChecks(self._upstream, lambda: live.current.policy).run())
        if not self._options.envoy:
            for listener in self._given.policy.listeners:
                gateway = Gateway(live, self._upstream, listener=listener.name)
                await self._open(
                    HttpServer(gateway, listener.address, listener.port, reuse_port=self._reuse_port)
                )
        management = self._given.policy.management
        app = management_app(live, reloader)
        await self._open(HttpServer(app, management.address, management.port, reuse_port=self._reuse_port))
        if self._options.extproc:
            address, port, hop = self._options.extproc_host, self._options.extproc_port, None
            if self._given.policy.loops:
                hop = Hop(os.environ.get(HOP_TOKEN_ENV, ""), port=self._options.loopback_port)
                loopback = Loopback(live, self._upstream, hop)
                await self._open(HttpServer(loopback, "127.0.0.1", hop.port, reuse_port=self._reuse_port))
            await self._open(
                ExtProcServer(live, address=address, port=port, reuse_port=self._reuse_port, hop=hop)
            )

    async def _open(self, door: HttpServer | ExtProcServer) -> None:
        await door.start()
        self._doors.append(door.stop)
