"""Event streams through the real Envoy: as they come, and what happens when they break."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web

from tests.envoy.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/chat/completions"
ASK = {"model": "auto", "messages": [{"role": "user", "content": "count"}], "stream": True}


async def begin(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    return response


async def test_each_chunk_passes_before_the_next_is_sent(world: World, client: aiohttp.ClientSession) -> None:
    acknowledged = [asyncio.Event() for _ in range(4)]

    async def waiting(request: web.Request) -> web.StreamResponse:
        response = await begin(request)
        for number, event in enumerate(acknowledged):
            await response.write(f"data: {number}\n\n".encode())
            await event.wait()
        return response

    world.back_end.handler = waiting
    received = []
    async with client.post(world.url + PATH, json=ASK) as answer:
        assert "content-length" not in answer.headers
        for event in acknowledged:
            received.append(await answer.content.readuntil(b"\n\n"))
            event.set()
        rest = await answer.content.read()

    assert received == [f"data: {number}\n\n".encode() for number in range(4)]
    assert rest == b"data: [DONE]\n\n"
    await world.last.closed.wait()
    assert not world.last.client_gone


async def test_what_the_exchange_swallows_does_not_reach_the_client(
    world: World, client: aiohttp.ClientSession
) -> None:
    acknowledged = asyncio.Event()

    async def swallowing(request: web.Request) -> web.StreamResponse:
        response = await begin(request)
        await response.write(b"data: 1\n\n")
        await acknowledged.wait()
        await response.write(b"swallow")
        return response

    world.back_end.handler = swallowing
    async with client.post(world.url + PATH, json=ASK) as answer:
        first = await answer.content.readuntil(b"\n\n")
        acknowledged.set()
        rest = await answer.content.read()
    assert (first, rest) == (b"data: 1\n\n", b"data: [DONE]\n\n")
    assert b"".join(world.last.chunks) == b"data: 1\n\nswallow"


async def test_a_client_that_leaves_mid_stream_releases_exchange_and_back_end(
    world: World, client: aiohttp.ClientSession
) -> None:
    left = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = await begin(request)
        await response.write(b"data: 1\n\n")
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        return response

    world.back_end.handler = endless
    async with client.post(world.url + PATH, json=ASK) as answer:
        await answer.content.readuntil(b"\n\n")
        answer.close()
    async with asyncio.timeout(10):
        await world.last.closed.wait()
        await left.wait()
    assert world.last.interrupted
    assert not world.last.client_gone


async def test_a_client_that_leaves_while_its_request_is_judged_frees_the_judge(
    world: World, client: aiohttp.ClientSession
) -> None:
    world.gate = asyncio.Event()
    request = asyncio.create_task(client.post(world.url + PATH, json=ASK))
    await world.judging.wait()
    request.cancel()
    async with asyncio.timeout(10):
        await world.last.closed.wait()
    assert world.last.client_gone
    assert world.back_end.seen == []


async def test_a_back_end_that_dies_mid_stream_breaks_the_stream_for_the_client_too(
    world: World, client: aiohttp.ClientSession
) -> None:
    acknowledged = asyncio.Event()

    async def dying(request: web.Request) -> web.StreamResponse:
        response = await begin(request)
        await response.write(b"data: 1\n\n")
        await acknowledged.wait()
        assert request.transport is not None
        request.transport.abort()
        return response

    world.back_end.handler = dying
    async with client.post(world.url + PATH, json=ASK) as answer:
        await answer.content.readuntil(b"\n\n")
        acknowledged.set()
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.content.read()
    await world.last.closed.wait()
    assert world.last.interrupted
    assert not world.last.client_gone


async def test_a_back_end_that_falls_silent_mid_stream_ends_it_with_an_error_event(
    world: World, client: aiohttp.ClientSession
) -> None:
    left = asyncio.Event()

    async def silent(request: web.Request) -> web.StreamResponse:
        response = await begin(request)
        await response.write(b"data: 1\n\n")
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        return response

    world.back_end.handler = silent
    async with client.post(world.url + PATH, json=ASK) as answer:
        received = await answer.content.read()
    assert received == b"data: 1\n\n" + b"data: backend_timeout\n\n"
    await world.last.closed.wait()
    assert not world.last.client_gone
    async with asyncio.timeout(10):
        await left.wait()
