"""A model back end that does byte for byte what a test says, over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Received:
    line: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        values = [value for key, value in self.headers if key == name]
        assert len(values) < 2, f"{name} arrived twice"
        return values[0] if values else None


@dataclass
class Connection:
    """What a script may do: write bytes, drop the connection, wait until the other side is gone."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    requests_before: int = 0

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def drop(self) -> None:
        """End without a word: the other side sees a reset or an end of file."""
        self.writer.transport.abort()

    async def gone(self) -> None:
        """Returns when the other side has closed the connection."""
        while await self.reader.read(4096):
            pass


Script = Callable[[Received, Connection], Awaitable[None]]


@dataclass
class ScriptedBackend:
    """`async with ScriptedBackend(script) as backend`: `port` serves, `requests` keeps what came."""

    script: Script
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    async def __aenter__(self) -> Self:
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._serve(Connection(reader, writer)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: Connection) -> None:
        try:
            while not connection.writer.is_closing():
                request = await _read(connection.reader)
                self.requests.append(request)
                await self.script(request, connection)
                connection.requests_before += 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            connection.writer.transport.abort()


async def _read(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *fields = head.strip().split("\r\n")
    headers = [(name.lower(), value.strip()) for name, _, value in (field.partition(":") for field in fields)]
    length = next((int(value) for name, value in headers if name == "content-length"), 0)
    return Received(line, headers, await reader.readexactly(length))


def response(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """A whole plain response. Header names are given with underscores."""
    fields = {"content_type": "application/json", **headers, "content_length": str(len(body))}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def completion(text: str = "42", **fields: object) -> bytes:
    """The JSON of a chat completion."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    return json.dumps(
        {
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [choice], "usage": usage, **fields,
        }
    ).encode()  # fmt: skip


STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
STREAM_END = b"0\r\n\r\n"
DONE = b"data: [DONE]\n\n"


def event(text: str, finish: str | None = None) -> bytes:
    """One SSE event of a chat completion."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def chunk(data: bytes) -> bytes:
    """One piece of a chunked body."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


async def answer(request: Received, connection: Connection) -> None:
    """The script of a server in good health: plain or streamed, as asked."""
    if not request.body or not request.json.get("stream"):
        await connection.send(response(completion()))
        return
    await connection.send(STREAM_HEAD)
    for piece in (event("forty"), event("-two", "stop"), DONE):
        await connection.send(chunk(piece))
    await connection.send(STREAM_END)
