"""Simulated servers in the foreground, until SIGINT or SIGTERM."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack

from vsr.simulator.server import SimulatorServer
from vsr.simulator.settings import Settings


async def run(settings: Settings, host: str, ports: Sequence[int]) -> None:
    """Serve on every port and say so on stdout. Raises OSError if one is taken."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        for port in ports:
            server = await stack.enter_async_context(SimulatorServer(settings, host=host, port=port))
            names = ", ".join(settings.models) or "any model"
            print(f"simulating {names} on http://{server.address}/v1", flush=True)
        await stop.wait()
