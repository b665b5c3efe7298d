"""uvicorn's HTTP/1.1 protocol with what it leaves open: limits on the head of a request.

The parser takes heads of any size and waits for their end for ever. Here a head is bounded in bytes and
in time, and what cannot be parsed is answered in OpenAI's shape. Bodies are the application's business.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from vsr.errors import InvalidRequest, RequestError


class BoundedHttp(HttpToolsProtocol):
    """One connection. max_head: bytes of request line and fields. head_timeout: seconds for them."""

    max_head: ClassVar[int] = 64 * 1024
    head_timeout: ClassVar[float] = 30.0

    _deadline: asyncio.TimerHandle | None = None
    _in_head = False
    _messages = 0
    _head_bytes = 0
    _error: RequestError | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        messages = self._messages
        super().data_received(data)
        if self._in_head and self._messages == messages:  # all of `data` belongs to one unfinished head
            self._head_bytes += len(data)
            if self._head_bytes > self.max_head:
                self._refuse(_head_too_large(self.max_head))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._messages += 1
        self._head_bytes = 0
        self._await_head()

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        self._in_head = False
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self.max_head:
            self._error = _head_too_large(self.max_head)
            raise ValueError("head too large")  # the parser stops and reports back to send_400_response
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._error or InvalidRequest("This is not a valid HTTP/1.1 request."))

    def _await_head(self) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(self.head_timeout, self._head_is_late)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _head_is_late(self) -> None:
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
