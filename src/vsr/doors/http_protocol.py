"""uvicorn's HTTP/1.1 protocol with what it leaves open: limits on all of a request but its body.

The parser takes heads of any size and waits for their end for ever. Here a head is bounded in bytes and
in time, trailers are dropped (they would count as headers, after whoever checks those), requests sent ahead
are bounded in number, and what cannot be parsed is answered in OpenAI's shape. Bodies are the
application's business, until it has answered.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from vsr.errors import InvalidRequest, RequestError


class BoundedHttp(HttpToolsProtocol):
    """One connection. max_head: bytes of request line and fields, and of trailers. head_timeout: seconds for
    them, and for what is left of a body that nobody reads. max_ahead: requests that wait for an answer."""

    max_head: ClassVar[int] = 64 * 1024
    head_timeout: ClassVar[float] = 30.0
    max_ahead: ClassVar[int] = 32

    _deadline: asyncio.TimerHandle | None = None
    _in_head = False
    _in_message = False
    _events = 0
    _bytes_without_event = 0
    _error: RequestError | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_rest()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        events = self._events
        super().data_received(data)
        if self._in_message and self._events == events:  # all of `data` is one head, or framing and trailers
            self._bytes_without_event += len(data)
            if self._bytes_without_event > self.max_head:
                self._refuse(_head_too_large(self.max_head))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = self._in_message = True
        self._progressed()
        self._await_rest()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        self._in_head = False
        self._progressed()
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self.max_head:
            self._error = _head_too_large(self.max_head)
            raise ValueError("head too large")  # the parser stops and reports back to send_400_response
        if len(self.pipeline) >= self.max_ahead:
            raise ValueError("too many requests ahead")
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._progressed()
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_message = False
        self._progressed()
        self._stop_waiting()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_message and not self._in_head and self.cycle.response_complete:
            self._await_rest()

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._error or InvalidRequest("This is not a valid HTTP/1.1 request."))

    def _progressed(self) -> None:
        self._events += 1
        self._bytes_without_event = 0

    def _await_rest(self) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(self.head_timeout, self._is_late)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _is_late(self) -> None:
        if self._in_message and not self._in_head:  # answered long ago
            self.transport.close()
            return
        late = InvalidRequest(
            "The head of the request did not arrive in time.", status=408, code="request_timeout"
        )
        self._refuse(late)

    def _refuse(self, error: RequestError) -> None:
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.close()  # an answer is on its way; nothing may be written into it
            return
        body = error.body()
        headers = error.headers() | {"content-length": str(len(body)), "connection": "close"}
        fields = b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in headers.items())
        self.transport.write(STATUS_LINE[error.http_status] + fields + b"\r\n" + body)
        self.transport.close()


def _head_too_large(limit: int) -> RequestError:
    return InvalidRequest(
        f"The head of the request is over the limit of {limit} bytes.", status=431, code="headers_too_large"
    )
