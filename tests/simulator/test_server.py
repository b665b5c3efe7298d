from __future__ import annotations

import asyncio
import json
from argparse import ArgumentTypeError
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.simulator.client import PATH, ask, question, send
from vsr.errors import InvalidRequest
from vsr.simulator import Fault, Settings, SimulatorServer, parse_fault
from vsr.simulator.__main__ import port


@pytest.fixture
async def server() -> AsyncIterator[SimulatorServer]:
    async with SimulatorServer(Settings(models=("math-7b",))) as server:
        yield server


async def start_request(
    server: SimulatorServer, fault: str, *, stream: bool = False
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send a request by hand, so that a test can look at the raw bytes and leave when it likes."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    body = json.dumps(question(stream=stream)).encode()
    head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\nx-sim-fault: {fault}\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    return reader, writer


async def get(server: SimulatorServer, path: str, **headers: str) -> tuple[int, bytes]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{server.address}{path}", headers=headers) as response,
    ):
        return response.status, await response.read()


async def test_health_version_and_models_answer(server: SimulatorServer) -> None:
    assert (await get(server, "/health"))[0] == 200
    assert b"version" in (await get(server, "/version"))[1]
    models = json.loads((await get(server, "/v1/models"))[1])
    assert [model["id"] for model in models["data"]] == ["math-7b"]


async def test_what_is_not_there_is_404_and_a_wrong_method_405(server: SimulatorServer) -> None:
    assert (await get(server, "/v2"))[0] == 404
    assert (await get(server, PATH))[0] == 405


async def test_received_requests_are_kept_for_tests(server: SimulatorServer) -> None:
    await send(server, question("hello"), {"X-Custom": "1"})
    received = server.requests[-1]
    assert received.json()["messages"][0]["content"] == "hello"
    assert received.headers["x-custom"] == "1"
    await asyncio.wait_for(received.ended.wait(), 5)
    assert received.outcome == "answered"


async def test_only_the_newest_requests_are_kept() -> None:
    async with SimulatorServer(Settings(keep_requests=2)) as server:
        for text in "abc":
            await send(server, question(text))
        assert [received.json()["messages"][0]["content"] for received in server.requests] == ["b", "c"]


async def test_with_a_key_set_requests_without_it_are_401() -> None:
    async with SimulatorServer(Settings(api_key="k")) as server:
        assert (await send(server, question()))[0] == 401
        assert (await send(server, question(), {"authorization": "Bearer k"}))[0] == 200
        assert (await get(server, "/health"))[0] == 200


async def test_pipelined_requests_are_answered_in_order(server: SimulatorServer) -> None:
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(
        b"GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n"
        b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    )
    raw = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert raw.index(b"HTTP/1.1 404") < raw.index(b"HTTP/1.1 200")


async def test_what_is_not_http_is_400(server: SimulatorServer) -> None:
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(b"\x16\x03\x01 hello\r\n\r\n")
    assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 400")
    writer.close()


async def test_a_status_can_be_asked_for(server: SimulatorServer) -> None:
    status, body = await ask(server, question(), {"x-sim-fault": "status=429"})
    assert status == 429
    assert body["error"]["code"] == 429


async def test_a_setting_makes_every_request_fail_and_a_header_overrides_it() -> None:
    async with SimulatorServer(Settings(fault=Fault("status", 500))) as server:
        assert (await send(server, question()))[0] == 500
        assert (await send(server, question(), {"x-sim-fault": "none"}))[0] == 200


async def test_html_comes_as_a_success(server: SimulatorServer) -> None:
    status, raw = await send(server, question(), {"x-sim-fault": "html"})
    assert (status, raw[:9]) == (200, b"<!doctype")


async def test_garbage_is_not_json(server: SimulatorServer) -> None:
    _, raw = await send(server, question(), {"x-sim-fault": "garbage"})
    assert raw.startswith(b"{this is not JSON")
    _, raw = await send(server, question(stream=True), {"x-sim-fault": "garbage"})
    assert b"data: {this is not JSON\n\n" in raw


@pytest.mark.parametrize("stream", [True, False])
async def test_a_cut_answer_ends_early(server: SimulatorServer, stream: bool) -> None:
    with pytest.raises(aiohttp.ClientPayloadError):
        await send(server, question(stream=stream), {"x-sim-fault": "cut"})
    assert server.requests[-1].outcome == "faulted"


async def test_a_reset_is_a_reset(server: SimulatorServer) -> None:
    with pytest.raises((ConnectionResetError, aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
        await send(server, question(), {"x-sim-fault": "reset"})


@pytest.mark.parametrize(
    ("fault", "first_bytes"),
    [("slow-headers", b"HTTP/1.1 200 OK\r\nx-simulated: "), ("stall-midway", b"HTTP/1.1 200 OK\r\n")],
)
async def test_a_stall_after_the_first_bytes_notices_when_the_client_leaves(
    server: SimulatorServer, fault: str, first_bytes: bytes
) -> None:
    reader, writer = await start_request(server, fault, stream=True)
    assert await asyncio.wait_for(reader.readexactly(len(first_bytes)), 5) == first_bytes
    writer.close()
    await asyncio.wait_for(server.requests[-1].ended.wait(), 5)
    assert server.requests[-1].outcome == "aborted"


async def test_a_stalled_request_does_not_hold_up_stop() -> None:
    server = SimulatorServer()
    await server.start()
    reader, writer = await start_request(server, "slow-headers")
    await asyncio.wait_for(reader.readexactly(5), 5)
    await asyncio.wait_for(server.stop(), 5)
    writer.close()


async def test_tokens_come_at_the_speed_asked_for(
    server: SimulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    real_sleep = asyncio.sleep

    async def remember(delay: float) -> None:
        slept.append(delay)
        await real_sleep(0)

    monkeypatch.setattr("vsr.simulator.connection.asyncio.sleep", remember)
    headers = {"x-sim-first-token": "3", "x-sim-tokens-per-second": "2"}
    await send(server, question(max_tokens=4), headers)
    assert slept == [3, 2]


@pytest.mark.parametrize("value", ["nonsense", "status=9", "status", "status=abc"])
def test_an_unknown_fault_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_fault(value)


async def test_a_wrong_pace_is_a_bad_request(server: SimulatorServer) -> None:
    assert (await send(server, question(), {"x-sim-first-token": "-1"}))[0] == 400
    assert (await send(server, question(), {"x-sim-tokens-per-second": "nan"}))[0] == 400


async def test_a_bug_is_a_500_and_the_end_of_the_connection(
    server: SimulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("vsr.simulator.connection.reply_to", fail)
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
    raw = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert raw.startswith(b"HTTP/1.1 500 ")
    assert server.requests[-1].outcome == "faulted"


@pytest.mark.parametrize("value", ["70000", "-1", "x"])
def test_a_port_out_of_range_is_refused(value: str) -> None:
    with pytest.raises((ValueError, ArgumentTypeError)):
        port(value)
