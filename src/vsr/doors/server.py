"""HTTP listeners inside the running event loop: bind, serve an ASGI application, drain.

Signals, several listeners side by side and what to serve belong to whoever starts them.
"""

from __future__ import annotations

import asyncio
import os
import socket

import uvicorn
from starlette.types import ASGIApp

from vsr.doors.http_protocol import BoundedHttp
from vsr.errors import StartError

_KEEP_ALIVE = 75  # seconds an idle client connection is kept
_POLL = 0.02  # seconds between two looks at what is still running while draining


class HttpServer:
    """One listening socket and its application. `stop` lets running requests finish."""

    def __init__(
        self, app: ASGIApp, host: str, port: int, *, reuse_port: bool = False, backlog: int = 2048
    ) -> None:
        self._host = host
        self._port = port
        self._reuse_port = reuse_port
        self._backlog = backlog
        self._socket: socket.socket | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._config = uvicorn.Config(
            app,
            http=BoundedHttp,
            ws="none",
            lifespan="off",
            interface="asgi3",
            loop="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # who is asking comes from authentication, not from x-forwarded-for
            server_header=False,
            backlog=backlog,
            timeout_keep_alive=_KEEP_ALIVE,
        )
        self._server = uvicorn.Server(self._config)

    async def start(self) -> int:
        """Listen; returns the port (the one the system chose for port 0). Raises StartError if the
        address cannot be had."""
        self._socket = self._bind()
        self._config.load()
        self._server.lifespan = self._config.lifespan_class(self._config)
        await self._server.startup(sockets=[self._socket])
        self._ticking = asyncio.create_task(self._server.main_loop())
        port: int = self._socket.getsockname()[1]
        return port

    async def stop(self, grace: float = 0.0) -> None:
        """Accept nothing more, wait up to `grace` seconds for running requests, then cancel them."""
        if self._socket is None or self._ticking is None:
            return
        self._ticking.cancel()
        for server in self._server.servers:
            server.close()
        self._socket.close()
        self._socket = self._ticking = None
        try:
            async with asyncio.timeout(grace):
                await self._drained()
        except TimeoutError:
            await self._cut()

    async def _drained(self) -> None:
        state = self._server.server_state
        while state.connections or state.tasks:
            for connection in list(state.connections):
                connection.shutdown()  # closes an idle one at once, a busy one after its answer
            await asyncio.sleep(_POLL)

    async def _cut(self) -> None:
        state = self._server.server_state
        running = list(state.tasks)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for connection in list(state.connections):
            connection.transport.abort()

    def _bind(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            return socket.create_server(
                (self._host, self._port), family=family, backlog=self._backlog, reuse_port=self._reuse_port
            )
        except OSError as error:
            where = f"[{self._host}]" if family == socket.AF_INET6 else self._host
            # negative numbers are the resolver's: the name means nothing to this machine
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else "no such host"
            advice = "Stop what uses this port, or choose another address or port."
            raise StartError(f"Cannot listen on {where}:{self._port}: {why}. {advice}") from None
