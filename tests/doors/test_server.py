from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.types import Receive, Scope, Send

from tests.doors.wire import Wire, request
from vsr.doors.http_protocol import BoundedHttp
from vsr.doors.server import HttpServer
from vsr.errors import StartError


class Application:
    """Answers "ok" when `gate` is open; `entered` is set as soon as it is asked."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = asyncio.Event()
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        self.entered.set()
        await self.gate.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture
async def server(application: Application) -> AsyncIterator[tuple[HttpServer, int]]:
    server = HttpServer(application, "127.0.0.1", 0)
    port = await server.start()
    yield server, port
    await server.stop()


async def test_a_port_in_use_is_one_clear_sentence(server: tuple[HttpServer, int]) -> None:
    _, port = server
    with pytest.raises(StartError, match=f"Cannot listen on 127.0.0.1:{port}: Address already in use. Stop"):
        await HttpServer(Application(), "127.0.0.1", port).start()


async def test_two_servers_share_a_port_if_both_want_to() -> None:
    first = HttpServer(Application(), "127.0.0.1", 0, reuse_port=True)
    port = await first.start()
    second = HttpServer(Application(), "127.0.0.1", port, reuse_port=True)
    assert await second.start() == port
    await first.stop()
    await second.stop()


async def test_it_listens_on_ipv6() -> None:
    server = HttpServer(Application(), "::1", 0)
    port = await server.start()
    reader, writer = await asyncio.open_connection("::1", port)
    writer.write(request("GET", "/"))
    assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
    writer.close()
    await server.stop()


async def test_it_does_not_name_itself_and_dates_its_answers(server: tuple[HttpServer, int]) -> None:
    async with Wire(server[1]) as wire:
        headers = (await wire.ask("GET", "/")).headers
    assert "server" not in headers
    assert "date" in headers


async def test_a_forwarded_for_header_does_not_change_who_is_asking(
    server: tuple[HttpServer, int], application: Application
) -> None:
    async with Wire(server[1]) as wire:
        await wire.ask("GET", "/", headers={"x-forwarded-for": "8.8.8.8"})
    assert application.scopes[0]["client"][0] == "127.0.0.1"


async def test_stopping_lets_a_running_request_finish_and_accepts_no_other(
    server: tuple[HttpServer, int], application: Application
) -> None:
    running, port = server
    application.gate.clear()
    async with Wire(port) as wire:
        await wire.send(request("GET", "/"))
        await application.entered.wait()
        stopping = asyncio.create_task(running.stop(grace=30))
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:  # refused, or reset if it was in the backlog
                break
            writer.close()
        application.gate.set()
        reply = await wire.reply()
        assert (reply.body, reply.headers["connection"]) == (b"ok", "close")
        await stopping


async def test_a_request_that_outlasts_the_grace_is_cancelled(
    server: tuple[HttpServer, int], application: Application
) -> None:
    running, port = server
    application.gate.clear()
    async with Wire(port) as wire:
        await wire.send(request("GET", "/"))
        await application.entered.wait()
        await running.stop(grace=0)
        assert b"200 OK" not in await wire.closed()


async def test_an_idle_kept_connection_does_not_hold_up_stopping(server: tuple[HttpServer, int]) -> None:
    running, port = server
    async with Wire(port) as wire:
        await wire.ask("GET", "/")
        await running.stop(grace=30)
        assert await wire.closed() == b""


@pytest.mark.parametrize(
    "garbage",
    [b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"NONSENSE\r\n\r\n", b"GET /\xff\xfe HTTP/1.1\r\n\r\n"],
)
async def test_what_is_not_http_is_answered_in_openai_shape(
    server: tuple[HttpServer, int], garbage: bytes
) -> None:
    async with Wire(server[1]) as wire:
        await wire.send(garbage)
        reply = await wire.reply()
        assert (reply.status, reply.error["type"]) == (400, "invalid_request_error")
        assert await wire.closed() == b""


async def test_length_and_chunking_at_once_is_refused(
    server: tuple[HttpServer, int], application: Application
) -> None:
    async with Wire(server[1]) as wire:
        await wire.send(request("POST", "/", b"0\r\n\r\n", {"transfer-encoding": "chunked"}))
        assert (await wire.reply()).status == 400
    assert application.scopes == []


async def test_a_head_over_the_limit_is_a_431(
    server: tuple[HttpServer, int], application: Application
) -> None:
    async with Wire(server[1]) as wire:
        reply = await wire.ask("GET", "/", headers={"x-large": "x" * BoundedHttp.max_head})
        assert (reply.status, reply.error["code"]) == (431, "headers_too_large")
    assert application.scopes == []


async def test_a_head_without_end_is_a_431(server: tuple[HttpServer, int]) -> None:
    async with Wire(server[1]) as wire:
        await wire.send(b"GET / HTTP/1.1\r\nx-large: ")
        await wire.send(b"x" * BoundedHttp.max_head * 4)
        assert (await wire.reply()).status == 431


async def test_a_large_body_is_not_mistaken_for_a_large_head(server: tuple[HttpServer, int]) -> None:
    async with Wire(server[1]) as wire:
        for size in (2, 8):
            reply = await wire.ask("POST", "/", b"x" * BoundedHttp.max_head * size)
            assert reply.status == 200


async def test_half_a_head_is_a_408_when_its_time_is_up(
    server: tuple[HttpServer, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedHttp, "head_timeout", 0.02)
    async with Wire(server[1]) as wire:
        await wire.send(b"GET / HTTP/1.1\r\nhost:")
        reply = await wire.reply()
        assert (reply.status, reply.error["code"]) == (408, "request_timeout")


async def test_pipelined_requests_are_answered_in_order(server: tuple[HttpServer, int]) -> None:
    async with Wire(server[1]) as wire:
        await wire.send(request("GET", "/") * 3)
        assert [(await wire.reply()).body for _ in range(3)] == [b"ok"] * 3


async def test_a_body_does_not_count_towards_the_head_that_follows_it(
    server: tuple[HttpServer, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedHttp, "max_head", 200)
    async with Wire(server[1]) as wire:
        second = request("GET", "/")
        await wire.send(request("POST", "/", b"x" * 1000) + second[:10])
        assert (await wire.reply()).status == 200
        await wire.send(second[10:])
        assert (await wire.reply()).status == 200


CHUNKED = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n"


async def test_trailers_are_no_headers(server: tuple[HttpServer, int], application: Application) -> None:
    application.gate.clear()
    async with Wire(server[1]) as wire:
        await wire.send(CHUNKED + b"x-authz-user-groups: admin\r\n\r\n")
        await application.entered.wait()
        application.gate.set()
        assert (await wire.reply()).status == 200
    assert [name for name, _ in application.scopes[0]["headers"]] == [b"host", b"transfer-encoding"]


@pytest.mark.parametrize("endless", [b"x-a: b\r\n" * 1000, b"x" * 8000])
async def test_trailers_without_end_close_the_connection(
    server: tuple[HttpServer, int], monkeypatch: pytest.MonkeyPatch, endless: bytes
) -> None:
    monkeypatch.setattr(BoundedHttp, "max_head", 4000)
    async with Wire(server[1]) as wire:
        await wire.send(CHUNKED)
        assert (await wire.reply()).status == 200
        await wire.send(endless)
        assert (await wire.reply()).status == 431
        assert await wire.closed() == b""


async def test_a_body_that_goes_on_after_the_answer_has_a_deadline(
    server: tuple[HttpServer, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedHttp, "head_timeout", 0.02)
    async with Wire(server[1]) as wire:
        await wire.send(CHUNKED)
        assert (await wire.reply()).status == 200
        async with asyncio.timeout(20):  # an idle connection is kept for longer
            assert await wire.closed() == b""


async def test_requests_ahead_of_their_answers_are_bounded(
    server: tuple[HttpServer, int], application: Application
) -> None:
    application.gate.clear()
    async with Wire(server[1]) as wire:
        await wire.send(request("GET", "/") * (BoundedHttp.max_ahead + 2))
        assert await wire.closed() == b""
