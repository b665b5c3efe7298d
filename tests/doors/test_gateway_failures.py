"""What a client gets when something breaks, and that nothing is left running behind it."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import pytest

from tests.doors.backend import (
    DONE,
    STREAM_HEAD,
    Connection,
    Received,
    ScriptedBackend,
    answer,
    chunk,
    completion,
    event,
    response,
)
from tests.doors.running import CHAT, GatedEncoder, gateway, question
from tests.doors.wire import Wire, ask, request
from tests.scripted import ScriptedEncoder
from vsr.config.policy import Limits, Timeouts
from vsr.doors.caller import Caller
from vsr.errors import InternalError

GONE = (499, "client_closed_request")
HURRIED = Timeouts(first_token=0.05, idle=0.05)


def sends(data: bytes) -> Any:
    """A script: these bytes, then the connection is closed."""

    async def script(received: Received, connection: Connection) -> None:
        await connection.send(data)
        connection.writer.close()

    return script


def stalls_after(data: bytes) -> Any:
    async def script(received: Received, connection: Connection) -> None:
        await connection.send(data)
        await connection.gone()

    return script


def events(body: bytes) -> list[Any]:
    return [
        json.loads(part.removeprefix(b"data: "))
        for part in body.split(b"\n\n")
        if part.startswith(b"data: {")
    ]


# ---------------------------------------------------------------- the client leaves


async def test_a_client_that_leaves_while_it_is_judged_frees_its_place() -> None:
    encoder = GatedEncoder()
    async with ScriptedBackend(answer) as backend, gateway(backend.port, encoder=encoder) as router:
        async with Wire(router.port) as wire:
            await wire.send(request("POST", CHAT, question()))
            await encoder.entered.wait()
        await router.generation.drained()
        assert router.ended(*GONE) == 1
        assert backend.requests == []


async def test_a_client_that_leaves_before_its_body_is_complete_frees_its_place() -> None:
    async with gateway(1) as router:
        async with Wire(router.port) as wire:
            whole = request("POST", CHAT, question(), {"expect": "100-continue"})
            await wire.send(whole[:-5])
            assert (await wire.head())[0] == 100  # so it is being read
        await router.generation.drained()
        assert router.ended(*GONE) == 1


@pytest.mark.parametrize("sent", [b"", STREAM_HEAD, STREAM_HEAD + chunk(event("one"))])
async def test_when_the_client_leaves_the_back_end_is_told_at_once(sent: bytes) -> None:
    asked, told = asyncio.Event(), asyncio.Event()

    async def endless(received: Received, connection: Connection) -> None:
        await connection.send(sent)
        asked.set()
        await connection.gone()
        told.set()

    async with ScriptedBackend(endless) as backend, gateway(backend.port) as router:
        async with Wire(router.port) as wire:
            await wire.send(request("POST", CHAT, question(stream=True)))
            await asked.wait()
            if sent.endswith(b"\r\n\r\n\r\n"):
                await wire.head()
        await told.wait()
        await router.generation.drained()
        assert router.ended(*GONE) == 1


async def test_a_client_that_stops_reading_is_given_up() -> None:
    asked = asyncio.Event()

    async def pour(received: Received, connection: Connection) -> None:
        asked.set()
        await connection.send(STREAM_HEAD)
        while True:
            await connection.send(chunk(event("x" * 60_000)))

    timeouts = Timeouts(idle=0.2)
    async with ScriptedBackend(pour) as backend, gateway(backend.port, timeouts=timeouts) as router:
        async with Wire(router.port) as wire:
            await wire.send(request("POST", CHAT, question(stream=True)))
            await asked.wait()
            await router.generation.drained()
        assert router.ended(*GONE) == 1


async def test_a_finished_answer_is_not_mistaken_for_a_client_that_left() -> None:
    async with ScriptedBackend(answer) as backend, gateway(backend.port) as router:
        for stream in (False, True):
            await router.chat(question(stream=stream))
        await router.generation.drained()
        assert router.ended(200, "ok") == 2


# ---------------------------------------------------------------- the back end fails


async def test_a_back_end_that_refuses_is_a_502_and_says_which() -> None:
    async with gateway(1) as router:
        reply = await router.chat(question())
        assert (reply.status, reply.error["code"]) == (502, "bad_backend")
        assert reply.error["message"] == "The back end math-7b/0 refused the connection."
        assert reply.headers["x-vsr-response-path"] == "error"


async def test_a_key_of_the_router_that_is_refused_is_a_502_that_shows_none_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = response(b'{"error": {"message": "Incorrect API key provided: sk-abcd"}}', "401 Unauthorized")
    async with ScriptedBackend(sends(told)) as backend, gateway(backend.port) as router:
        for stream in (False, True):
            reply = await router.chat(question(stream=stream))
            assert (reply.status, reply.error["code"]) == (502, "bad_backend")
            assert reply.error["message"] == "The back end math-7b/0 did not accept the router's credential."
    assert caplog.text.count("back end math-7b/0 answers 401") == 1
    assert "sk-abcd" not in caplog.text


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"what?\r\n\r\n",
        response(b"<html>", content_type="text/html"),
        response(b"not json"),
        response(b"[]"),
        response(b'{"choices": 1}'),
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{",
    ],
)
async def test_garbage_from_the_back_end_is_a_502_in_openai_shape(garbage: bytes) -> None:
    async with ScriptedBackend(sends(garbage)) as backend, gateway(backend.port) as router:
        reply = await router.chat(question())
        assert (reply.status, reply.error["code"]) == (502, "bad_backend")
        assert len(backend.requests) == 1


@pytest.mark.parametrize("sent", [b"", STREAM_HEAD])
async def test_a_back_end_that_says_nothing_is_a_504(sent: bytes) -> None:
    async with (
        ScriptedBackend(stalls_after(sent)) as backend,
        gateway(backend.port, timeouts=HURRIED) as router,
    ):
        reply = await router.chat(question(stream=True))
        assert (reply.status, reply.error["code"]) == (504, "backend_timeout")


async def test_a_plain_answer_that_stops_half_way_is_a_504() -> None:
    half = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"
    async with (
        ScriptedBackend(stalls_after(half)) as backend,
        gateway(backend.port, timeouts=HURRIED) as router,
    ):
        assert (await router.chat(question())).status == 504


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (sends(STREAM_HEAD + chunk(event("one"))), "bad_backend"),
        (sends(STREAM_HEAD + chunk(event("one")) + b"0\r\n\r\n"), "bad_backend"),
        (sends(STREAM_HEAD + chunk(event("one")) + chunk(b"data: {oops\n\n") + b"0\r\n\r\n"), "bad_backend"),
        (stalls_after(STREAM_HEAD + chunk(event("one"))), "backend_timeout"),
    ],
    ids=["cut", "ended early", "malformed event", "stalled"],
)
async def test_a_stream_that_breaks_ends_with_one_error_event(script: Any, code: str) -> None:
    async with ScriptedBackend(script) as backend, gateway(backend.port, timeouts=HURRIED) as router:
        reply = await router.chat(question(stream=True))  # a complete HTTP message
        assert reply.status == 200
        first, last = events(reply.body)
        assert first["choices"][0]["delta"]["content"] == "one"
        assert last["error"]["code"] == code
        assert DONE not in reply.body
        await router.generation.drained()
        assert router.ended(200, code) == 1


async def test_an_error_body_that_is_cut_short_cannot_pass_for_a_whole_one() -> None:
    cut = b"HTTP/1.1 500 Oh\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"
    async with (
        ScriptedBackend(sends(cut)) as backend,
        gateway(backend.port) as router,
        Wire(router.port) as wire,
    ):
        await wire.send(request("POST", CHAT, question()))
        status, headers = await wire.head()
        assert (status, headers["content-length"]) == (500, "100")
        assert await wire.closed() == b"{"


async def test_an_answer_over_the_limit_is_a_502() -> None:
    def small(fields: dict[str, Any]) -> None:
        fields["limits"] = Limits(max_body_bytes=1000)

    large = sends(response(completion("x" * 2000)))
    async with ScriptedBackend(large) as backend, gateway(backend.port, change=small) as router:
        assert (await router.chat(question())).status == 502


# ---------------------------------------------------------------- the router fails


async def test_an_encoder_that_fails_is_a_503_and_nothing_is_sent() -> None:
    encoder = ScriptedEncoder(error=InternalError("broken"))
    async with ScriptedBackend(answer) as backend, gateway(backend.port, encoder=encoder) as router:
        reply = await router.chat(question())
        assert (reply.status, reply.error["code"]) == (503, "guard_unavailable")
        assert "retry-after" in reply.headers
        assert backend.requests == []


async def test_a_bug_in_the_door_is_a_500_and_its_log_shows_no_text(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    canary = str(uuid.uuid4())

    async def fail(self: Caller, limit: int, too_large: object) -> bytes:
        raise KeyError(canary)

    monkeypatch.setattr(Caller, "body", fail)
    async with gateway(1) as router:
        reply = await ask(router.port, "POST", CHAT)
        assert (reply.status, reply.error["code"]) == (500, "internal_error")
        await router.generation.drained()
        assert router.ended(500, "internal_error") == 1
    assert "KeyError" in caplog.text
    assert canary not in caplog.text


async def test_one_request_too_many_is_a_503_at_once_and_the_others_finish() -> None:
    def two(fields: dict[str, Any]) -> None:
        fields["limits"] = Limits(max_concurrent_requests=2)

    encoder = GatedEncoder()
    async with (
        ScriptedBackend(answer) as backend,
        gateway(backend.port, encoder=encoder, change=two) as router,
        Wire(router.port) as first,
        Wire(router.port) as second,
        Wire(router.port) as third,
    ):
        for wire in (first, second):
            encoder.entered.clear()
            await wire.send(request("POST", CHAT, question()))
            await encoder.entered.wait()
        await third.send(f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n".encode())
        refused = await third.reply()
        assert (refused.status, refused.error["code"]) == (503, "overloaded")
        assert refused.headers["retry-after"] == "1"
        encoder.open()
        assert [(await wire.reply()).status for wire in (first, second)] == [200, 200]


async def test_stopping_lets_a_running_stream_end() -> None:
    started, finish = asyncio.Event(), asyncio.Event()

    async def slowly(received: Received, connection: Connection) -> None:
        await connection.send(STREAM_HEAD + chunk(event("one")))
        started.set()
        await finish.wait()
        await connection.send(chunk(event("two", "stop")) + chunk(DONE) + b"0\r\n\r\n")

    async with ScriptedBackend(slowly) as backend, gateway(backend.port) as router, Wire(router.port) as wire:
        await wire.send(request("POST", CHAT, question(stream=True)))
        await started.wait()
        stopping = asyncio.create_task(router.server.stop(grace=30))
        assert (await wire.head())[0] == 200
        finish.set()
        assert b"".join([piece async for piece in wire.pieces()]).endswith(DONE)
        await stopping


async def test_a_stream_that_outlasts_the_grace_is_cut_and_accounted_for() -> None:
    started = asyncio.Event()

    async def endless(received: Received, connection: Connection) -> None:
        await connection.send(STREAM_HEAD + chunk(event("one")))
        started.set()
        await connection.gone()

    async with (
        ScriptedBackend(endless) as backend,
        gateway(backend.port) as router,
        Wire(router.port) as wire,
    ):
        await wire.send(request("POST", CHAT, question(stream=True)))
        await started.wait()
        await router.server.stop(grace=0)
        await router.generation.drained()
        assert not (await wire.closed()).endswith(b"0\r\n\r\n")
