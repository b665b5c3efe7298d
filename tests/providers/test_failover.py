from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.doors.backend import Connection, Received, Script, ScriptedBackend, answer, completion, response
from vsr.config.policy import Backend, Reliability, Timeouts
from vsr.config.policy_reliability import RetryCondition
from vsr.errors import BadBackend
from vsr.providers.client import Call, ConnectFailed, Upstream
from vsr.providers.credentials import CredentialRefused
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


@pytest.mark.parametrize(("condition", "again"), [("retriable-status-codes", 1), ("connect-failure", 0)])
async def test_where_one_refuses_the_routers_credential_the_next_is_asked_as_when_it_did_not_serve(
    upstream: Upstream, condition: RetryCondition, again: int
) -> None:
    unauthorized = status("401 Unauthorized")
    async with ScriptedBackend(unauthorized) as first, ScriptedBackend(unauthorized) as second:
        calls = [to(first.port), to(second.port)]
        with pytest.raises(CredentialRefused):
            await call_first(upstream, calls, TIMEOUTS, rules(condition, count=5))
        assert (len(first.requests), len(second.requests)) == (1, again)


async def test_a_refusal_of_the_clients_own_credential_is_an_answer(upstream: Upstream) -> None:
    async with ScriptedBackend(status("401 Unauthorized")) as refusing:
        call = to(refusing.port)
        forwarding = replace(call, backend=replace(call.backend, forward_authorization=True))
        answered = await call_first(upstream, [forwarding], TIMEOUTS)
        assert answered.status == 401
        answered.close()


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


def rules(*retry_on: RetryCondition, count: int | None = None) -> Reliability:
    return Reliability(retry_on=retry_on, retry_count=count)


@pytest.mark.parametrize(
    ("line", "condition", "again"),
    [
        ("500 Internal Server Error", "5xx", True),
        ("500 Internal Server Error", "gateway-error", False),
        ("504 Gateway Timeout", "gateway-error", True),
        ("504 Gateway Timeout", "retriable-status-codes", False),
        ("502 Bad Gateway", "retriable-status-codes", True),
        ("503 Service Unavailable", "connect-failure", False),
        ("429 Too Many Requests", "5xx", False),
    ],
)
async def test_a_status_is_tried_again_as_the_condition_says(
    upstream: Upstream, line: str, condition: RetryCondition, again: bool
) -> None:
    async with ScriptedBackend(status(line)) as sick, ScriptedBackend(answer) as healthy:
        calls = [to(sick.port), to(healthy.port)]
        answered = await call_first(upstream, calls, TIMEOUTS, rules(condition))
        answered.close()
    assert (answered.status == 200) is again


@pytest.mark.parametrize(("condition", "again"), [("reset", True), ("5xx", True), ("connect-failure", False)])
async def test_a_dropped_request_is_repeated_only_if_the_configuration_accepts_that(
    upstream: Upstream, condition: RetryCondition, again: bool
) -> None:
    async def drop(request: Received, connection: Connection) -> None:
        connection.drop()

    async with ScriptedBackend(drop) as first, ScriptedBackend(answer) as second:
        calls = [to(first.port), to(second.port)]
        if again:
            (await call_first(upstream, calls, TIMEOUTS, rules(condition))).close()
        else:
            with pytest.raises(BadBackend):
                await call_first(upstream, calls, TIMEOUTS, rules(condition))
        assert len(second.requests) == again


async def test_one_back_end_is_asked_as_often_as_the_configuration_says(upstream: Upstream) -> None:
    async with ScriptedBackend(status("503 Service Unavailable")) as sick:
        again = rules("5xx", count=3)
        (await call_first(upstream, [to(sick.port)], TIMEOUTS, again)).close()
        assert len(sick.requests) == 4


async def test_no_retries_means_none(upstream: Upstream, closed_port: int) -> None:
    async with ScriptedBackend(answer) as healthy:
        calls = [to(closed_port), to(healthy.port)]
        with pytest.raises(ConnectFailed):
            await call_first(upstream, calls, TIMEOUTS, rules("5xx", count=0))
        assert healthy.requests == []


async def test_a_load_is_given_back_when_the_answer_is_closed_or_did_not_come(
    upstream: Upstream, closed_port: int
) -> None:
    least = Reliability(lb_policy="least_request", consecutive_5xx=0)
    async with ScriptedBackend(answer) as healthy:
        answered = await call_first(upstream, [to(closed_port), to(healthy.port)], TIMEOUTS, least)
        assert upstream.fleet._load(to(healthy.port).backend) == 1
        answered.close()
        answered.close()
    assert upstream.fleet._states == {}


async def test_a_back_end_that_rests_is_passed_over(upstream: Upstream, closed_port: int) -> None:
    once = Reliability(consecutive_5xx=1)
    async with ScriptedBackend(answer) as healthy:
        for _ in range(3):
            (await call_first(upstream, [to(closed_port), to(healthy.port)], TIMEOUTS, once)).close()
        assert upstream.fleet.rests(to(closed_port).backend)
