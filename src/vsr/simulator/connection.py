"""One client connection: HTTP/1.1 in and out, and the faults that live on the wire.

Written on the bare transport because an HTTP framework would not let us break the protocol.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import cast

import httptools

from vsr.errors import log_crash
from vsr.simulator.replies import FAILED, Received, Reply, reply_to
from vsr.simulator.settings import Settings

logger = logging.getLogger(__name__)

Seen = Callable[[Received], None]

_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class Connection(asyncio.Protocol):
    """Requests are answered one after the other, in the order they came (pipelining included)."""

    def __init__(self, settings: Settings, seen: Seen, open_connections: set[Connection]) -> None:
        self._settings = settings
        self._seen = seen
        self._open = open_connections
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[Received, bool]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._current: Received | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.Transport
        self._address = ""
        self._target = b""
        self._headers: dict[str, str] = {}
        self._body = bytearray()

    # ------------------------------------------------------------ transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        host, port, *_ = transport.get_extra_info("sockname")
        self._address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self)
        self._writable.set()
        if self._worker:
            self._worker.cancel()
        for received in (self._current, *(received for received, _ in self._waiting)):
            if received:
                received.end("aborted")

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.write(
                b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )
            self._transport.close()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def close(self) -> None:
        self._transport.abort()

    # ------------------------------------------------------------ parser

    def on_message_begin(self) -> None:
        self._target, self._headers, self._body = b"", {}, bytearray()

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > self._settings.max_body_bytes:
            self.close()

    def on_message_complete(self) -> None:
        received = Received(
            method=self._parser.get_method().decode("latin-1"),
            path=self._target.decode("latin-1"),
            headers=self._headers,
            body=bytes(self._body),
        )
        self._seen(received)
        self._waiting.append((received, self._parser.should_keep_alive()))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.ensure_future(self._answer_all())

    # ------------------------------------------------------------ answers

    async def _answer_all(self) -> None:
        while self._waiting:
            self._current, keep_alive = self._waiting.popleft()
            try:
                whole = await self._answer(self._current)
            except Exception as error:  # noqa: BLE001 # a client must not wait for ever because of a bug
                log_crash(logger, "a request could not be answered", error)
                head = _head(FAILED, f"content-length: {len(FAILED.body)}\r\nconnection: close")
                self._transport.write(head + FAILED.body)
                whole = False
            self._current.end("answered" if whole else "faulted")
            if not (whole and keep_alive):
                self._transport.close()
                return

    async def _answer(self, request: Received) -> bool:
        """Send the answer; False if a fault has spoilt the connection."""
        reply = reply_to(request, self._settings, self._address)
        settings = reply.settings
        match settings.fault.kind if settings.fault else "":
            case "stall":
                await _forever()
            case "slow-headers":
                self._transport.write(b"HTTP/1.1 200 OK\r\nx-simulated: ")
                await _forever()
            case "reset":
                self._reset()
                return False
        if settings.first_token:
            await asyncio.sleep(settings.first_token)
        if reply.parts is not None:
            return await self._send_stream(reply, list(reply.parts))
        return await self._send_whole(reply)

    async def _send_whole(self, reply: Reply) -> bool:
        if reply.settings.tokens_per_second:
            await asyncio.sleep(reply.tokens / reply.settings.tokens_per_second)
        head = _head(reply, f"content-length: {len(reply.body)}")
        if await self._break_midway(reply, head + reply.body[: len(reply.body) // 2]):
            return False
        self._transport.write(head + reply.body)
        return True

    async def _send_stream(self, reply: Reply, parts: list[bytes]) -> bool:
        head = _head(reply, "transfer-encoding: chunked\r\ncache-control: no-cache")
        first_half = [_chunk(part) for part in parts[: len(parts) // 2]]
        if await self._break_midway(reply, head + b"".join(first_half)):
            return False
        speed = reply.settings.tokens_per_second
        if not speed:
            self._transport.write(head + b"".join(map(_chunk, parts)) + b"0\r\n\r\n")
            await self._writable.wait()
            return True
        self._transport.write(head)
        start = asyncio.get_running_loop().time()
        for number, part in enumerate(parts):
            self._transport.write(_chunk(part))
            await self._writable.wait()
            # Against the start, so that late wake-ups do not add up.
            await asyncio.sleep(max(0.0, start + number / speed - asyncio.get_running_loop().time()))
        self._transport.write(b"0\r\n\r\n")
        return True

    async def _break_midway(self, reply: Reply, first_half: bytes) -> bool:
        kind = reply.settings.fault.kind if reply.settings.fault else ""
        if kind not in ("cut", "stall-midway"):
            return False
        self._transport.write(first_half)
        if kind == "stall-midway":
            await _forever()
        return True

    def _reset(self) -> None:
        # With a linger time of zero the kernel sends RST instead of FIN.
        raw: socket.socket = self._transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()


def _head(reply: Reply, framing: str) -> bytes:
    phrase = _PHRASES.get(reply.status, "")
    return (
        f"HTTP/1.1 {reply.status} {phrase}\r\n"
        f"server: vsr-simulator\r\ncontent-type: {reply.content_type}\r\n{framing}\r\n\r\n"
    ).encode("latin-1")


def _chunk(part: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(part), part)


async def _forever() -> None:
    """Until the other side leaves or the server stops, either of which cancels the task."""
    await asyncio.get_running_loop().create_future()
