"""One request's life, driven by events: the same object behind Envoy and behind the gateway.

A door feeds it the request's head and body, gets back what to do (`Answer` at once or `Forward`),
then feeds it the back end's answer chunk by chunk. It holds the lease on its generation, the route
and the state of the stream; it decides nothing itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vsr.config.policy import Backend
from vsr.errors import RequestError

Headers = Sequence[tuple[str, str]]
"""Header fields in order, names in lower case."""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """path is raw (still percent-encoded, without the query string); listener names where it came in."""

    method: str
    path: str
    headers: Headers
    query: str = ""
    listener: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer made here (also a whole event stream, if the client asked for one)."""

    status: int
    headers: Headers
    body: bytes
    detail: str = ""  # short machine word for Envoy's RESPONSE_CODE_DETAILS and the access log


@dataclass(frozen=True, slots=True)
class Attempt:
    """How to call one back end: raw path with query, headers to set and to remove first."""

    backend: Backend
    path: str
    set_headers: Mapping[str, str]
    remove_headers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Forward:
    """Send `body` to the first attempt's back end; the others are for retries before the first byte.
    Behind Envoy only the first is used. stream: the client asked for an event stream."""

    attempts: tuple[Attempt, ...]
    body: bytes
    stream: bool
    clear_route_cache: bool = True


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """The head to send to the client. buffered: the body must arrive whole in one `on_response_body`
    (so that garbage can still become a 502); otherwise feed chunks as they come."""

    status: int
    set_headers: Mapping[str, str]
    remove_headers: frozenset[str]
    buffered: bool


class Exchange:
    """Not thread-safe; one per request, used from one event loop.

    Order of calls: on_request_headers, on_request_body (if that returned None), then on_response_headers
    and either on_response_body (buffered) or on_response_chunk* and on_response_end; at any time
    on_backend_failure; always close at the end, whatever happened. Every method turns errors into
    answers; none raises except asyncio.CancelledError (client gone).
    """

    @property
    def body_limit(self) -> int:
        """Bytes of request body to accept (413 beyond: answer with `on_error(TooLarge(...))`)."""
        raise NotImplementedError

    def on_request_headers(self) -> Answer | None:
        """Authentication, paths, methods, local endpoints. None: the body is needed."""
        raise NotImplementedError

    async def on_request_body(self, body: bytes) -> Answer | Forward:
        """Parse, judge, guard, decide, edit."""
        raise NotImplementedError

    def on_response_headers(self, status: int, headers: Headers) -> ResponseHead | Answer:
        """An Answer replaces the back end's response altogether (e.g. HTML where JSON was due)."""
        raise NotImplementedError

    def on_response_chunk(self, chunk: bytes) -> bytes:
        """Bytes to pass on now (may be empty). After an error event everything else is swallowed."""
        raise NotImplementedError

    def on_response_end(self) -> bytes:
        """The stream ended; what is still to be sent (an error event if it was cut short)."""
        raise NotImplementedError

    def on_response_body(self, body: bytes) -> bytes | Answer:
        """A whole plain response."""
        raise NotImplementedError

    def on_backend_failure(self, error: RequestError) -> Answer | bytes:
        """Before the response head: an Answer. After it: the bytes of an error event to end with."""
        raise NotImplementedError

    def on_error(self, error: RequestError) -> Answer:
        """Any other failure at the door (body too large, overload), in the client's protocol."""
        raise NotImplementedError

    def close(self, *, client_gone: bool = False) -> None:
        """Account and release the generation. Idempotent."""
        raise NotImplementedError
