"""Calling one model back end over HTTP: connections, deadlines, and one kind of error for each failure.

`Upstream.call` sends a request that is ready to go and returns once the first bytes of the answer are
there; the rest arrives as an iterator. It knows nothing of models beyond the back end's name, edits no
body, follows no redirect, keeps no cookie and reads no proxy from the environment. Which back end to
try, and which next, is `failover`'s.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import aiohttp
from yarl import URL

from vsr.config.headers import text
from vsr.config.policy import Backend, Timeouts
from vsr.errors import BackendTimeout, BadBackend
from vsr.providers.fleet import Fleet
from vsr.providers.headers import Fields

_BIG = 1 << 20  # from here on a body is written in pieces, so that other requests get their turn
_MAX_FIELD = 32 * 1024
_KEEP_ALIVE = 15.0  # seconds an idle connection is kept: below what common servers allow, to lose fewer races


class ConnectFailed(BadBackend):
    """No connection: the back end has seen nothing of the request."""


class ConnectTimedOut(BackendTimeout):
    """No connection in time: the back end has seen nothing of the request."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request to one back end. path is raw and includes the query string; headers are final."""

    backend: Backend
    method: str
    path: str
    headers: Fields
    body: bytes = field(repr=False)


class UpstreamResponse:
    """An answer whose first bytes have arrived. Always `close` it; closing early ends the connection."""

    def __init__(self, response: aiohttp.ClientResponse, first: bytes, backend: Backend, idle: float) -> None:
        self.status = response.status
        self.headers: Fields = [
            (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.raw_headers
        ]
        self._response = response
        self._first = first
        self._backend = backend
        self._idle = idle
        self._on_close: Callable[[], None] | None = None

    def on_close(self, call: Callable[[], None]) -> None:
        """Have `call` run when the answer is done with."""
        self._on_close = call

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises BadBackend if it is cut short, BackendTimeout if it stalls."""
        chunk = self._first
        while chunk:
            yield chunk
            chunk = await self._next()

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises as `chunks` does, and BadBackend beyond `limit` bytes."""
        body = bytearray()
        async for chunk in self.chunks():
            body += chunk
            if len(body) > limit:
                raise BadBackend(f"{_name(self._backend)} sent an answer of more than {limit} bytes.")
        return bytes(body)

    def close(self) -> None:
        self._response.close()
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            on_close()

    async def _next(self) -> bytes:
        try:
            async with asyncio.timeout(self._idle):
                return await self._response.content.readany()
        except TimeoutError:
            raise BackendTimeout(
                f"{_name(self._backend)} sent nothing for {self._idle:g} s in the middle of its answer."
            ) from None
        except (aiohttp.ClientError, OSError):
            raise BadBackend(f"{_name(self._backend)} broke off in the middle of its answer.") from None


class Upstream:
    """The connections of one process to all its back ends, and what it knows about these. `start` before
    use, `aclose` at the end."""

    def __init__(self) -> None:
        self.fleet = Fleet()
        self._pooled: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        self._pooled = _session(aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE))
        self._fresh = _session(aiohttp.TCPConnector(limit=0, force_close=True))

    async def aclose(self) -> None:
        for session in (self._pooled, self._fresh):
            if session is not None:
                await session.close()
        self._pooled = self._fresh = None

    async def call(self, call: Call, timeouts: Timeouts) -> UpstreamResponse:
        """Send, and wait for the head and the first bytes of the answer.

        A kept connection may be closed by the server in the very moment it is used; then, and only
        then, the request goes out once more, over a new connection. Raises ConnectFailed or
        ConnectTimedOut if there was no connection, BadBackend and BackendTimeout after that.
        """
        if self._pooled is None or self._fresh is None:
            raise RuntimeError("Upstream.call before start")
        history = SimpleNamespace(reused=False)
        try:
            async with asyncio.timeout(timeouts.first_token):
                try:
                    return await _send(self._pooled, call, timeouts, history)
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                    if not history.reused:
                        raise
                return await _send(self._fresh, call, timeouts, history)
        except aiohttp.ConnectionTimeoutError:
            raise ConnectTimedOut(
                f"{_name(call.backend)} did not accept a connection within {timeouts.connect:g} s."
            ) from None
        except TimeoutError:
            raise BackendTimeout(
                f"{_name(call.backend)} did not begin to answer within {timeouts.first_token:g} s."
            ) from None
        except aiohttp.ClientConnectorError as error:
            raise ConnectFailed(f"{_name(call.backend)} {_why(error)}.") from None
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError):
            raise BadBackend(f"{_name(call.backend)} closed the connection before it answered.") from None
        except aiohttp.ClientError:
            raise BadBackend(f"{_name(call.backend)} answered with something that is not HTTP.") from None


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    tracing = aiohttp.TraceConfig()
    tracing.on_connection_reuseconn.append(_note_reuse)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("accept", "accept-encoding", "content-type", "user-agent"),
        trace_configs=[tracing],
        max_line_size=_MAX_FIELD,
        max_field_size=_MAX_FIELD,
    )


async def _note_reuse(
    session: aiohttp.ClientSession,
    context: SimpleNamespace,
    parameters: aiohttp.TraceConnectionReuseconnParams,
) -> None:
    context.trace_request_ctx.reused = True


async def _send(
    session: aiohttp.ClientSession, call: Call, timeouts: Timeouts, history: SimpleNamespace
) -> UpstreamResponse:
    body: Any = io.BytesIO(call.body) if len(call.body) > _BIG else call.body
    response = await session.request(
        call.method,
        URL(f"{call.backend.scheme}://{call.backend.destination}{call.path}", encoded=True),
        data=body or None,
        headers=[(name, text(value)) for name, value in call.headers],  # written as UTF-8
        allow_redirects=False,
        timeout=aiohttp.ClientTimeout(connect=timeouts.connect),
        trace_request_ctx=history,
    )
    try:
        first = await response.content.readany()
    except BaseException:
        response.close()
        raise
    return UpstreamResponse(response, first, call.backend, timeouts.idle)


def _why(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "has a host name that cannot be resolved"
    if isinstance(error, aiohttp.ClientSSLError):
        return "could not be reached over TLS"
    if isinstance(error.os_error, ConnectionRefusedError):
        return "refused the connection"
    return "cannot be reached"


def _name(backend: Backend) -> str:
    return f"The back end {backend.name}"
