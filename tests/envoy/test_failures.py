"""Everything that can go wrong behind the real Envoy ends in one clear OpenAI error."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import aiohttp
import pytest
from aiohttp import web

from tests.envoy.conftest import running
from tests.envoy.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/chat/completions"
ASK = {"model": "auto", "messages": [{"role": "user", "content": "2 + 2?"}]}


async def ask(
    world: World, client: aiohttp.ClientSession, model: str = "auto"
) -> tuple[int, str, aiohttp.ClientResponse]:
    async with client.post(world.url + PATH, json=ASK | {"model": model}) as answer:
        body = await answer.json()
    return answer.status, body["error"]["code"] if "error" in body else "", answer


async def test_a_back_end_that_refuses_is_502(world: World, client: aiohttp.ClientSession) -> None:
    status, code, answer = await ask(world, client, "refusing")
    assert (status, code) == (502, "bad_backend")
    assert answer.headers["content-type"] == "application/json"
    assert world.last.failure is not None


async def test_a_back_end_that_stalls_is_504(world: World, client: aiohttp.ClientSession) -> None:
    async def stalling(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    world.back_end.handler = stalling
    assert (await ask(world, client))[:2] == (504, "backend_timeout")


async def test_a_back_end_that_hangs_up_without_an_answer_is_502(
    world: World, client: aiohttp.ClientSession
) -> None:
    async def hanging_up(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    world.back_end.handler = hanging_up
    assert (await ask(world, client))[:2] == (502, "bad_backend")


@pytest.mark.parametrize("content_type", ["text/html", "application/json"])
async def test_garbage_is_502(world: World, client: aiohttp.ClientSession, content_type: str) -> None:
    async def garbage(request: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>", content_type=content_type)

    world.back_end.handler = garbage
    assert (await ask(world, client))[:2] == (502, "bad_backend")


async def test_an_empty_answer_is_502(world: World, client: aiohttp.ClientSession) -> None:
    async def empty(request: web.Request) -> web.StreamResponse:
        return web.Response(content_type="application/json")

    world.back_end.handler = empty
    assert (await ask(world, client))[:2] == (502, "bad_backend")


async def test_an_error_of_the_back_end_keeps_its_status(world: World, client: aiohttp.ClientSession) -> None:
    async def limited(request: web.Request) -> web.StreamResponse:
        error = {"error": {"message": "slow down", "type": "rate_limit_error", "param": None, "code": "x"}}
        return web.json_response(error, status=429, headers={"retry-after": "7"})

    world.back_end.handler = limited
    status, code, answer = await ask(world, client)
    assert (status, code, answer.headers["retry-after"]) == (429, "x", "7")


async def test_a_bug_is_500_and_its_message_stays_inside(
    world: World, client: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    world.bug = RuntimeError("canary")
    assert (await ask(world, client))[:2] == (500, "internal_error")
    assert world.back_end.seen == []
    assert "RuntimeError" in caplog.text
    assert "canary" not in caplog.text


async def test_without_a_processor_everything_is_503_and_nothing_reaches_a_back_end(
    world: World, client: aiohttp.ClientSession
) -> None:
    own = World(world.policy, world.back_end)
    async with running(own) as (_, server):
        assert (await ask(own, client))[0] == 200
        world.back_end.seen.clear()
        await server.stop(0)
        forged = {
            "x-selected-model": "math-7b",
            "x-gateway-destination-endpoint": f"127.0.0.1:{world.back_end.port}",
        }
        async with client.post(own.url + PATH, json=ASK, headers=forged) as answer:
            error = (await answer.json())["error"]
    assert (answer.status, error["code"]) == (503, "router_unavailable")
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["x-vsr-response-path"] == "error"
    assert world.back_end.seen == []


async def test_a_choice_that_envoy_has_no_route_for_is_503(
    world: World, client: aiohttp.ClientSession
) -> None:
    own = World(replace(world.policy, models={}), world.back_end)
    async with running(own):
        own.policy = world.policy  # as after a reload that Envoy has not followed
        status, code, _ = await ask(own, client)
    assert (status, code) == (503, "no_route")


async def test_a_long_judgement_is_waited_for(world: World, client: aiohttp.ClientSession) -> None:
    """Two processors judge for ever behind Envoys that wait 0.3 seconds for a message. The one that
    does not ask for more time is cut, which tells that the other's time would be up as well."""
    patient, witness = World(world.policy, world.back_end), World(world.policy, world.back_end)
    patient.gate, witness.gate = asyncio.Event(), asyncio.Event()
    async with (
        running(patient, message_timeout=0.3, patience=0.05),
        running(witness, message_timeout=0.3, patience=1000),
    ):
        waiting = asyncio.create_task(ask(patient, client))
        await patient.judging.wait()
        assert (await ask(witness, client))[:2] == (503, "router_unavailable")
        patient.gate.set()
        assert (await waiting)[0] == 200


async def test_a_request_that_is_not_http_is_an_openai_error(world: World) -> None:
    host, port = world.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    assert head.startswith(b"HTTP/1.1 403 ")
    assert b"content-type: application/json" in head
