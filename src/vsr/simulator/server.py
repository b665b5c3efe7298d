"""The simulated server as a whole: a listening socket and what it has received.

async with SimulatorServer(Settings(models=("math-7b",))) as server:
    ...  # http://127.0.0.1:{server.port}/v1/chat/completions
"""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType

from vsr.simulator.connection import Connection
from vsr.simulator.replies import Received
from vsr.simulator.settings import Settings


class SimulatorServer:
    """Runs in the current event loop. Port 0 takes a free one; `requests` holds the newest ones."""

    def __init__(self, settings: Settings | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.settings = settings or Settings()
        self.host = host
        self.port = port
        self.requests: deque[Received] = deque(maxlen=self.settings.keep_requests)
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen; the port. Raises OSError if it is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self.settings, self.requests.append, self._connections),
            self.host,
            self.port,
            backlog=1024,
        )
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self.port

    async def stop(self) -> None:
        """Close the socket and all connections, also those that stall on purpose."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._connections):
            connection.close()
        await self._server.wait_closed()
        self._server = None

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    async def __aenter__(self) -> SimulatorServer:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
