"""Bodies of every size and kind through the real Envoy."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from tests.envoy.conftest import BODY_LIMIT
from tests.envoy.world import World
from vsr.config.envoy_clusters import SLACK

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/chat/completions"


def sized(size: int) -> bytes:
    return json.dumps({"model": "auto", "messages": [{"role": "user", "content": "a" * size}]}).encode()


async def test_a_body_of_ten_megabytes_passes_whole(world: World, client: aiohttp.ClientSession) -> None:
    async with client.post(world.url + PATH, data=io.BytesIO(sized(10 * 1024 * 1024))) as answer:
        assert answer.status == 200
    assert len(json.loads(world.back_end.seen[0][1])["messages"][0]["content"]) == 10 * 1024 * 1024


async def test_a_body_over_envoy_s_buffer_is_413_in_openai_s_shape(
    world: World, client: aiohttp.ClientSession
) -> None:
    async with client.post(world.url + PATH, data=io.BytesIO(sized(BODY_LIMIT + 2 * SLACK))) as answer:
        error = (await answer.json())["error"]

    assert (answer.status, error["code"]) == (413, "request_too_large")
    assert answer.headers["content-type"] == "application/json"
    assert world.back_end.seen == []
    await world.last.closed.wait()


async def test_a_body_sent_in_chunks_arrives_whole(world: World, client: aiohttp.ClientSession) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        body = sized(1000)
        for start in range(0, len(body), 100):
            yield body[start : start + 100]

    async with client.post(world.url + PATH, data=chunks()) as answer:
        assert answer.status == 200
    request, sent = world.back_end.seen[0]
    assert int(request.headers["content-length"]) == len(sent)


async def test_a_compressed_body_reaches_the_exchange_as_it_was_sent(
    world: World, client: aiohttp.ClientSession
) -> None:
    headers = {"content-encoding": "gzip"}
    async with client.post(world.url + PATH, data=gzip.compress(sized(10)), headers=headers) as answer:
        # this small exchange reads plain JSON only; what matters is that Envoy decoded nothing
        assert answer.status == 400
    assert dict(world.last.head.headers)["content-encoding"] == "gzip"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"\x00", b"[]"])
async def test_a_malformed_body_is_an_error_of_the_exchange(
    world: World, client: aiohttp.ClientSession, body: bytes
) -> None:
    async with client.post(world.url + PATH, data=body) as answer:
        assert answer.status in (400, 500)
        assert "error" in await answer.json()
    assert world.back_end.seen == []


async def test_a_request_without_a_body_is_judged_as_an_empty_one(
    world: World, client: aiohttp.ClientSession
) -> None:
    async with client.get(world.url + PATH) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["message"] == "malformed JSON body"


async def test_a_large_plain_answer_comes_back_whole(world: World, client: aiohttp.ClientSession) -> None:
    async def long_answer(request: web.Request) -> web.StreamResponse:
        return web.json_response({"text": "b" * (8 * 1024 * 1024)})

    world.back_end.handler = long_answer
    async with client.post(world.url + PATH, data=sized(1)) as answer:
        assert len((await answer.json())["text"]) == 8 * 1024 * 1024
