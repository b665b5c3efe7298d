from __future__ import annotations

import socket
from collections.abc import AsyncIterator

import pytest

from tests.doors.backend import Connection, Received, Script, ScriptedBackend, answer, completion, response
from vsr.config.policy import Backend, Timeouts
from vsr.errors import BadBackend
from vsr.providers.client import Call, ConnectFailed, Upstream
from vsr.providers.failover import call_first

TIMEOUTS = Timeouts(connect=5, first_token=5, idle=5)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    upstream = Upstream()
    await upstream.start()
    yield upstream
    await upstream.aclose()


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def to(port: int) -> Call:
    return Call(Backend(f"m/{port}", "m", "http", "127.0.0.1", port), "POST", "/", [], b"{}")


def status(line: str) -> Script:
    async def script(request: Received, connection: Connection) -> None:
        await connection.send(response(b'{"error":{}}', line))

    return script


async def test_the_next_back_end_is_tried_when_one_refuses(upstream: Upstream, closed_port: int) -> None:
    async with ScriptedBackend(answer) as healthy:
        answered = await call_first(upstream, [to(closed_port), to(healthy.port)], TIMEOUTS)
        assert await answered.read(10_000) == completion()


@pytest.mark.parametrize("line", ["502 Bad Gateway", "503 Service Unavailable"])
async def test_the_next_back_end_is_tried_when_one_says_it_did_not_serve(
    upstream: Upstream, line: str
) -> None:
    async with ScriptedBackend(status(line)) as sick, ScriptedBackend(answer) as healthy:
        answered = await call_first(upstream, [to(sick.port), to(healthy.port)], TIMEOUTS)
        assert answered.status == 200
        answered.close()


@pytest.mark.parametrize("line", ["500 Internal Server Error", "429 Too Many Requests", "400 Bad Request"])
async def test_any_other_answer_is_final(upstream: Upstream, line: str) -> None:
    async with ScriptedBackend(status(line)) as first, ScriptedBackend(answer) as second:
        answered = await call_first(upstream, [to(first.port), to(second.port)], TIMEOUTS)
        assert answered.status == int(line[:3])
        answered.close()
        assert second.requests == []


async def test_a_request_that_a_back_end_accepted_and_dropped_is_not_sent_to_another(
    upstream: Upstream,
) -> None:
    async def drop(request: Received, connection: Connection) -> None:
        connection.drop()

    async with ScriptedBackend(drop) as first, ScriptedBackend(answer) as second:
        with pytest.raises(BadBackend):
            await call_first(upstream, [to(first.port), to(second.port)], TIMEOUTS)
        assert second.requests == []


async def test_the_last_back_ends_answer_or_error_is_final(upstream: Upstream, closed_port: int) -> None:
    async with ScriptedBackend(status("503 Service Unavailable")) as sick:
        assert (await call_first(upstream, [to(closed_port), to(sick.port)], TIMEOUTS)).status == 503
        with pytest.raises(ConnectFailed):
            await call_first(upstream, [to(sick.port), to(closed_port)], TIMEOUTS)
