"""Calls over real sockets to back ends that behave as scripted."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace

import pytest

from tests.doors.backend import (
    STREAM_END,
    STREAM_HEAD,
    Connection,
    Received,
    ScriptedBackend,
    answer,
    chunk,
    completion,
    response,
)
from vsr.config.policy import Backend, Timeouts
from vsr.errors import BackendTimeout, BadBackend
from vsr.providers.client import Call, ConnectFailed, ConnectTimedOut, Upstream

TIMEOUTS = Timeouts(connect=5, first_token=5, idle=5)
SOON = 0.05


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    upstream = Upstream()
    await upstream.start()
    yield upstream
    await upstream.aclose()


def to(
    port: int, *, path: str = "/v1/chat/completions", body: bytes = b"{}", host: str = "127.0.0.1"
) -> Call:
    backend = Backend(name="math/0", model="math", scheme="http", host=host, port=port)
    return Call(backend, "POST", path, [("x-kept", "1"), ("accept-encoding", "identity")], body)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_the_request_arrives_as_given_and_nothing_is_added_but_host_and_length(
    upstream: Upstream,
) -> None:
    async with ScriptedBackend(answer) as backend:
        answered = await upstream.call(to(backend.port, path="/a%2Fb/../c?q=%20x", body=b'{"a":1}'), TIMEOUTS)
        assert (answered.status, await answered.read(10_000)) == (200, completion())
        request = backend.requests[0]
    assert request.line == "POST /a%2Fb/../c?q=%20x HTTP/1.1"
    assert request.body == b'{"a":1}'
    assert dict(request.headers) == {
        "host": f"127.0.0.1:{backend.port}",
        "x-kept": "1",
        "accept-encoding": "identity",
        "content-length": "7",
    }


async def test_a_large_body_arrives_whole(upstream: Upstream) -> None:
    body = b"x" * (3 << 20)

    async def plain(request: Received, connection: Connection) -> None:
        await connection.send(response(b"{}"))

    async with ScriptedBackend(plain) as backend:
        (await upstream.call(to(backend.port, body=body), TIMEOUTS)).close()
        assert backend.requests[0].body == body
        assert backend.requests[0].header("content-length") == str(len(body))


async def test_chunks_arrive_while_the_back_end_is_still_writing(upstream: Upstream) -> None:
    received = asyncio.Event()

    async def slowly(request: Received, connection: Connection) -> None:
        await connection.send(STREAM_HEAD + chunk(b"one"))
        await received.wait()
        await connection.send(chunk(b"two") + STREAM_END)

    async with ScriptedBackend(slowly) as backend:
        chunks = (await upstream.call(to(backend.port), TIMEOUTS)).chunks()
        assert await anext(chunks) == b"one"
        received.set()
        assert [piece async for piece in chunks] == [b"two"]


async def test_compressed_answers_and_redirects_are_passed_on_as_they_are(upstream: Upstream) -> None:
    async def odd(request: Received, connection: Connection) -> None:
        await connection.send(
            response(
                b"\x1f\x8bnot really", "307 Temporary Redirect", content_encoding="gzip", location="/else"
            )
        )

    async with ScriptedBackend(odd) as backend:
        answered = await upstream.call(to(backend.port), TIMEOUTS)
        assert (answered.status, dict(answered.headers)["location"]) == (307, "/else")
        assert await answered.read(100) == b"\x1f\x8bnot really"
        assert len(backend.requests) == 1


async def test_cookies_of_a_back_end_are_not_kept(upstream: Upstream) -> None:
    async def bake(request: Received, connection: Connection) -> None:
        await connection.send(response(b"{}", set_cookie="session=1; path=/"))

    async with ScriptedBackend(bake) as backend:
        for _ in range(2):
            await (await upstream.call(to(backend.port), TIMEOUTS)).read(100)
        assert backend.requests[1].header("cookie") is None


async def test_a_connection_is_used_again(upstream: Upstream) -> None:
    async with ScriptedBackend(answer) as backend:
        for _ in range(3):
            await (await upstream.call(to(backend.port), TIMEOUTS)).read(10_000)
        assert (len(backend.requests), backend.connections) == (3, 1)


async def test_a_kept_connection_that_died_costs_nobody_an_error(upstream: Upstream) -> None:
    async def once_per_connection(request: Received, connection: Connection) -> None:
        if connection.requests_before:
            connection.drop()
        else:
            await connection.send(response(completion()))

    async with ScriptedBackend(once_per_connection) as backend:
        for _ in range(2):
            answered = await upstream.call(to(backend.port), TIMEOUTS)
            assert await answered.read(10_000) == completion()
        assert backend.connections == 2


async def test_a_request_that_a_fresh_connection_dropped_is_not_sent_again(upstream: Upstream) -> None:
    async def drop(request: Received, connection: Connection) -> None:
        connection.drop()

    async with ScriptedBackend(drop) as backend:
        with pytest.raises(
            BadBackend, match=r"The back end math/0 closed the connection before it answered\."
        ):
            await upstream.call(to(backend.port), TIMEOUTS)
        assert len(backend.requests) == 1


async def test_a_refused_connection_names_the_back_end_and_no_address(upstream: Upstream) -> None:
    port = free_port()
    with pytest.raises(ConnectFailed) as caught:
        await upstream.call(to(port), TIMEOUTS)
    assert caught.value.message == "The back end math/0 refused the connection."
    assert caught.value.http_status == 502


async def test_a_host_name_that_does_not_resolve_is_a_failed_connection(upstream: Upstream) -> None:
    with pytest.raises(ConnectFailed, match="cannot be resolved"):
        await upstream.call(to(80, host="back-end.invalid"), TIMEOUTS)


async def test_a_plain_server_where_tls_was_due_is_a_failed_connection(upstream: Upstream) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    call = to(server.sockets[0].getsockname()[1])
    with pytest.raises(ConnectFailed, match="TLS"):
        await upstream.call(replace(call, backend=replace(call.backend, scheme="https")), TIMEOUTS)
    server.close()


async def test_a_listener_that_never_accepts_is_a_504_while_connecting(upstream: Upstream) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        with pytest.raises(ConnectTimedOut) as caught:
            await upstream.call(to(port), replace(TIMEOUTS, connect=SOON))
        for filler in fillers:
            filler.close()
    assert caught.value.http_status == 504


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\n", STREAM_HEAD])
async def test_a_stall_before_the_first_byte_of_the_body_is_a_504(upstream: Upstream, sent: bytes) -> None:
    async def stall(request: Received, connection: Connection) -> None:
        await connection.send(sent)
        await connection.gone()

    async with ScriptedBackend(stall) as backend:
        with pytest.raises(BackendTimeout, match="did not begin to answer"):
            await upstream.call(to(backend.port), replace(TIMEOUTS, first_token=SOON))


async def test_a_stall_in_the_middle_is_a_timeout(upstream: Upstream) -> None:
    async def stall(request: Received, connection: Connection) -> None:
        await connection.send(STREAM_HEAD + chunk(b"one"))
        await connection.gone()

    async with ScriptedBackend(stall) as backend:
        answered = await upstream.call(to(backend.port), replace(TIMEOUTS, idle=SOON))
        with pytest.raises(BackendTimeout, match="in the middle of its answer"):
            await answered.read(100)
        answered.close()


@pytest.mark.parametrize(
    "cut",
    [
        STREAM_HEAD + chunk(b"one"),
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\none",
        STREAM_HEAD + b"zz\r\n",
    ],
)
async def test_an_answer_that_is_cut_short_is_a_bad_back_end(upstream: Upstream, cut: bytes) -> None:
    async def die(request: Received, connection: Connection) -> None:
        await connection.send(cut)
        connection.writer.close()

    async with ScriptedBackend(die) as backend:
        with pytest.raises(BadBackend), closing(await upstream.call(to(backend.port), TIMEOUTS)) as answered:
            await answered.read(100)


async def test_something_that_is_not_http_is_a_bad_back_end(upstream: Upstream) -> None:
    async def garbage(request: Received, connection: Connection) -> None:
        await connection.send(b"220 mail.example ESMTP\r\n")
        await connection.gone()

    async with ScriptedBackend(garbage) as backend:
        with pytest.raises(BadBackend):
            await upstream.call(to(backend.port), TIMEOUTS)


async def test_an_answer_over_the_limit_is_not_collected(upstream: Upstream) -> None:
    async def large(request: Received, connection: Connection) -> None:
        await connection.send(response(b"x" * 1000))

    async with ScriptedBackend(large) as backend:
        answered = await upstream.call(to(backend.port), TIMEOUTS)
        with pytest.raises(BadBackend, match="more than 999 bytes"):
            await answered.read(999)
        answered.close()


async def test_closing_early_ends_the_connection_to_the_back_end(upstream: Upstream) -> None:
    noticed = asyncio.Event()

    async def endless(request: Received, connection: Connection) -> None:
        await connection.send(STREAM_HEAD + chunk(b"one"))
        await connection.gone()
        noticed.set()

    async with ScriptedBackend(endless) as backend:
        (await upstream.call(to(backend.port), TIMEOUTS)).close()
        await noticed.wait()
