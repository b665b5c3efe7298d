"""The client's side of one HTTP request: its body in, an answer out, and noticing that it is gone.

A thin layer over ASGI's `receive` and `send`, with a deadline on every wait. It knows the shapes of
`exchange` but nothing of what is being answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from starlette.types import Message, Receive, Scope, Send

from vsr.errors import ClientGone, InvalidRequest, RequestError
from vsr.exchange import Answer, RequestHead


def request_head(scope: Scope, listener: str) -> RequestHead:
    """What the client asked for, undecoded: paths are judged as they were sent."""
    return RequestHead(
        method=scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]],
        listener=listener,
    )


async def read_body(
    receive: Receive, limit: int, too_large: Callable[[], RequestError], *, seconds: float
) -> bytes:
    """The whole request body, which has `seconds` to arrive. Raises `too_large()` as soon as it exceeds
    `limit` bytes, and ClientGone."""
    body = bytearray()
    more = True
    try:
        async with asyncio.timeout(seconds):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone("The client left before it had sent its request.")
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > limit:
                    raise too_large()
    except TimeoutError:
        raise InvalidRequest(
            f"The request body did not arrive within {seconds:g} s.", status=408, code="request_timeout"
        ) from None
    return bytes(body)


class Caller:
    """One client waiting for one answer. Raises ClientGone when it is no longer there.

    upload: seconds for the whole body to arrive. stall: seconds it may leave an answer unread.
    """

    def __init__(self, receive: Receive, send: Send, *, upload: float, stall: float) -> None:
        self._receive = receive
        self._send = send
        self._upload = upload
        self._stall = stall
        self._gone = False
        self.started = False
        self.ended = False

    async def body(self, limit: int, too_large: Callable[[], RequestError]) -> bytes:
        return await read_body(self._receive, limit, too_large, seconds=self._upload)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Cancel what runs inside at once when the client leaves. Only after the body was read."""
        task = asyncio.current_task()
        assert task is not None
        watcher = asyncio.create_task(self._watch(task))
        try:
            yield
        except asyncio.CancelledError:
            if self._gone and task.uncancel() == 0:
                raise ClientGone("The client left before its answer was complete.") from None
            raise
        finally:
            watcher.cancel()

    async def _watch(self, task: asyncio.Task[object]) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self.ended:  # a server says "disconnected" after a complete answer, too
            self._gone = True
            task.cancel()

    async def answer(self, answer: Answer) -> None:
        headers = [(name, value) for name, value in answer.headers if name != "content-length"]
        await self.start(answer.status, [*headers, ("content-length", str(len(answer.body)))])
        await self.end(answer.body)

    async def start(self, status: int, headers: Iterable[tuple[str, str]]) -> None:
        encoded = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers]
        self.started = True
        await self._put({"type": "http.response.start", "status": status, "headers": encoded})

    async def write(self, chunk: bytes) -> None:
        if chunk:
            await self._put({"type": "http.response.body", "body": chunk, "more_body": True})

    async def end(self, rest: bytes = b"") -> None:
        self.ended = True
        await self._put({"type": "http.response.body", "body": rest, "more_body": False})

    async def _put(self, message: Message) -> None:
        try:
            async with asyncio.timeout(self._stall):
                await self._send(message)
        except TimeoutError:
            raise ClientGone(f"The client read nothing for {self._stall:g} s.") from None
