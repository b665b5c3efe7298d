"""A request goes all the way through the real Envoy, and comes back."""

from __future__ import annotations

import asyncio

import aiohttp
import openai
import pytest
from aiohttp import web
from yarl import URL

from tests.envoy.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "帮我解这道微积分题"}]
AUTO = {"model": "auto", "messages": MESSAGES}


async def test_auto_is_routed_to_the_chosen_model_and_its_answer_comes_back(
    world: World, client: aiohttp.ClientSession
) -> None:
    async with client.post(world.url + PATH, json=AUTO) as answer:
        body = await answer.json()

    assert answer.status == 200
    assert body["model"] == "math-7b"
    assert answer.headers["x-vsr-selected-model"] == "math-7b"
    request, sent = world.back_end.seen[0]
    assert request.headers["x-selected-model"] == "math-7b"
    assert request.headers["x-gateway-destination-endpoint"] == f"127.0.0.1:{world.back_end.port}"
    assert request.headers["host"] == f"127.0.0.1:{world.back_end.port}"
    assert int(request.headers["content-length"]) == len(sent)
    assert world.last.head.listener == "main"
    await world.last.closed.wait()
    assert not world.last.client_gone


async def test_a_changed_plain_answer_has_the_right_length(
    world: World, client: aiohttp.ClientSession
) -> None:
    async with client.post(world.url + PATH, json=AUTO) as answer:
        body = await answer.read()

    assert b'"created": 1234567' in body
    assert int(answer.headers["content-length"]) == len(body)


async def test_a_concrete_model_goes_to_its_own_back_end(world: World, client: aiohttp.ClientSession) -> None:
    async with client.post(world.url + PATH, json={"model": "other-model", "messages": MESSAGES}) as answer:
        assert (await answer.json())["model"] == "other-model"


async def test_an_unknown_model_is_404_and_reaches_nobody(
    world: World, client: aiohttp.ClientSession
) -> None:
    async with client.post(world.url + PATH, json={"model": "gpt-9", "messages": MESSAGES}) as answer:
        error = (await answer.json())["error"]

    assert (answer.status, error["code"]) == (404, "model_not_found")
    assert world.back_end.seen == []


async def test_a_refusal_is_403_with_its_headers(world: World, client: aiohttp.ClientSession) -> None:
    body = {"model": "auto", "messages": [{"role": "user", "content": "jailbreak"}]}
    async with client.post(world.url + PATH, json=body) as answer:
        error = (await answer.json())["error"]

    assert answer.status == 403
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-vsr-response-path"] == "blocked"
    assert answer.headers["x-should-retry"] == "false"
    assert error.keys() == {"message", "type", "param", "code"}
    assert world.back_end.seen == []


async def test_routing_and_identity_headers_of_a_client_are_removed(
    world: World, client: aiohttp.ClientSession
) -> None:
    forged = {
        "X-Selected-Model": "refusing",
        "x-gateway-destination-endpoint": "10.0.0.1:80",
        "x-gateway-other": "1",
        "x-authz-user-id": "root",
        "x-authz-anything": "1",
        "x-vsr-looper-request": "true",
        "x-vsr-internal-auth": "secret",
        "x-envoy-upstream-rq-timeout-ms": "1",
        "x-envoy-original-path": "/",
        "x-forwarded-for": "10.1.1.1",
    }
    async with client.post(world.url + PATH, json=AUTO, headers=forged) as answer:
        assert answer.status == 200

    told = dict(world.last.head.headers)
    assert not told.keys() & {name.lower() for name in forged} - {"x-forwarded-for"}
    forwarded = world.back_end.seen[0][0].headers
    assert forwarded.getall("x-selected-model") == ["math-7b"]
    assert forwarded.getall("x-gateway-destination-endpoint") == [f"127.0.0.1:{world.back_end.port}"]
    assert not {name.lower() for name in forwarded} & {
        "x-authz-user-id", "x-vsr-internal-auth", "x-forwarded-for", "x-envoy-external-address",
    }  # fmt: skip


async def test_headers_that_the_exchange_removes_do_not_pass(
    world: World, client: aiohttp.ClientSession
) -> None:
    async def secretive(request: web.Request) -> web.StreamResponse:
        return web.json_response({"created": 1}, headers={"x-back-end-secret": "1", "x-kept": "1"})

    world.back_end.handler = secretive
    async with client.post(world.url + PATH, json=AUTO, headers={"authorization": "Bearer x"}) as answer:
        assert "x-back-end-secret" not in answer.headers
        assert answer.headers["x-kept"] == "1"
    assert "authorization" not in world.back_end.seen[0][0].headers


async def test_a_request_id_is_kept_or_made(world: World, client: aiohttp.ClientSession) -> None:
    async with client.post(world.url + PATH, json=AUTO, headers={"x-request-id": "mine-1"}) as answer:
        assert answer.headers["x-request-id"] == "mine-1"
    assert world.back_end.seen[-1][0].headers["x-request-id"] == "mine-1"
    async with client.post(world.url + PATH, json=AUTO) as answer:
        assert answer.headers["x-request-id"] == dict(world.last.head.headers)["x-request-id"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/../v1/chat/completions",
        "/v1%2Fchat/completions",
        "//v1/chat/completions",
        "/v1/chat/completions/",
        "/v1/chat/%63ompletions",
        "/v1/./chat/completions",
        "/v1/chat\\completions",
        "/v1/unlisted",
    ],
)
async def test_odd_paths_arrive_as_they_were_sent_and_are_404(
    world: World, client: aiohttp.ClientSession, path: str
) -> None:
    async with client.post(URL(world.url + path, encoded=True), json=AUTO) as answer:
        assert answer.status == 404
        assert (await answer.json())["error"]["code"] == "not_found"
    assert world.last.head.path == path
    assert world.back_end.seen == []


async def test_the_query_string_is_split_from_the_path(world: World, client: aiohttp.ClientSession) -> None:
    async with client.post(world.url + PATH + "?a=1&b=%20", json=AUTO) as answer:
        assert answer.status == 200
    assert (world.last.head.path, world.last.head.query) == (PATH, "a=1&b=%20")


async def test_the_path_of_the_back_end_replaces_the_client_s(
    world: World, client: aiohttp.ClientSession
) -> None:
    async with client.post(world.url + PATH, json={"model": "prefixed", "messages": MESSAGES}) as answer:
        assert answer.status == 200
    assert world.back_end.seen[0][0].path == "/api/openai/chat/completions"


async def test_the_openai_client_works_without_and_with_a_stream(world: World) -> None:
    async with openai.AsyncOpenAI(base_url=world.url + "/v1", api_key="x", max_retries=0) as client:
        plain = await client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": "2+2"}]
        )
        assert plain.choices[0].message.content == "4"
        world.back_end.handler = counting
        stream = await client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": "count"}], stream=True
        )
        words = [chunk.choices[0].delta.content async for chunk in stream]
    assert words == ["one", "two", "three"]


async def test_the_openai_client_raises_its_own_errors(world: World) -> None:
    async with openai.AsyncOpenAI(base_url=world.url + "/v1", api_key="x", max_retries=0) as client:
        with pytest.raises(openai.NotFoundError) as missing:
            await client.chat.completions.create(model="gpt-9", messages=[{"role": "user", "content": "x"}])
        with pytest.raises(openai.PermissionDeniedError):
            await client.chat.completions.create(
                model="auto", messages=[{"role": "user", "content": "jailbreak"}]
            )
    assert missing.value.code == "model_not_found"


async def test_the_synchronous_openai_client_works(world: World) -> None:
    def ask() -> str | None:
        with openai.OpenAI(base_url=world.url + "/v1", api_key="x", max_retries=0) as client:
            answer = client.chat.completions.create(
                model="auto", messages=[{"role": "user", "content": "2+2"}]
            )
        return answer.choices[0].message.content

    assert await asyncio.to_thread(ask) == "4"


async def counting(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    for word in ("one", "two", "three"):
        chunk = (
            '{"id":"c","object":"chat.completion.chunk","created":1,"model":"m",'
            f'"choices":[{{"index":0,"delta":{{"content":"{word}"}},"finish_reason":null}}]}}'
        )
        await response.write(f"data: {chunk}\n\n".encode())
    return response
