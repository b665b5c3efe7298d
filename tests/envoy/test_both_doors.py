"""The same requests through Envoy and through the gateway, over one generation: one behaviour.

The exchange is the real one, the encoder is scripted, the back end is the simulator.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import openai
import pytest
import pytest_asyncio
from yarl import URL

from tests.doors.running import generation_of
from tests.envoy.conftest import fronted
from tests.scripted import ScriptedEncoder, make_policy
from vsr.config.policy import ApiKey, Limits, Listener
from vsr.content import Secret
from vsr.doors.gateway import Gateway
from vsr.doors.server import HttpServer
from vsr.encoder.failures import EncoderFailed
from vsr.generation import Live
from vsr.providers.client import Upstream
from vsr.simulator import SimulatorServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHAT = "/v1/chat/completions"
KEY = "key-of-a-client"
DEEP = b'{"model":"auto","messages":' + b"[" * 200 + b"]" * 200 + b"}"


@dataclass
class Doors:
    envoy: str
    gateway: str
    encoder: ScriptedEncoder
    client: aiohttp.ClientSession


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def doors() -> AsyncIterator[Doors]:
    encoder = ScriptedEncoder()
    async with SimulatorServer() as simulator, aiohttp.ClientSession() as client:

        def settle(fields: dict[str, Any]) -> None:
            fields["listeners"] = (Listener("main", port=0, timeout=30, api_keys=(ApiKey(Secret(KEY)),)),)
            fields["limits"] = Limits(max_body_bytes=1024 * 1024)

        policy = make_policy(int(simulator.address.rpartition(":")[2]), settle)
        live = Live(generation_of(policy, encoder))
        upstream = Upstream()
        await upstream.start()
        gateway = HttpServer(Gateway(live, upstream, listener="main"), "127.0.0.1", 0)
        port = await gateway.start()
        async with fronted(live, policy) as (url, _, _):
            yield Doors(url, f"http://127.0.0.1:{port}", encoder, client)
        await gateway.stop()
        await upstream.aclose()


@dataclass(frozen=True)
class Seen:
    """What a client can see, without what differs from one answer to the next."""

    status: int
    headers: dict[str, str]
    body: object


async def ask(doors: Doors, door: str, method: str, path: str, **request: Any) -> Seen:
    headers = {"authorization": f"Bearer {KEY}", "x-request-id": "same", **request.get("headers", {})}
    url = URL(getattr(doors, door) + path, encoded=True)
    async with doors.client.request(method, url, **(request | {"headers": headers})) as answer:
        raw = await answer.read()
    kept = {
        name.lower(): value
        for name, value in answer.headers.items()
        if name.lower().startswith("x-") or name.lower() in ("content-type", "retry-after")
    }
    return Seen(answer.status, kept, stable(raw, kept.get("content-type", "")))


def stable(raw: bytes, content_type: str) -> object:
    if content_type.startswith("text/event-stream"):
        events = [line.removeprefix("data: ") for line in raw.decode().split("\n\n") if line]
        return [event if event == "[DONE]" else stable(event.encode(), "") for event in events]
    try:
        body = json.loads(raw)
    except ValueError:
        return raw
    return {key: value for key, value in body.items() if key not in ("id", "created")}


async def both(doors: Doors, method: str, path: str, body: bytes | None = None, **request: Any) -> Seen:
    """The answer, if it is the same at both doors."""

    def data() -> dict[str, Any]:
        return request if body is None else {"data": io.BytesIO(body), **request}

    through_envoy = await ask(doors, "envoy", method, path, **data())
    through_gateway = await ask(doors, "gateway", method, path, **data())
    assert through_envoy == through_gateway
    return through_envoy


def chat(text: str, **fields: object) -> dict[str, Any]:
    return {"json": {"model": "auto", "messages": [{"role": "user", "content": text}], **fields}}


async def test_a_question_is_routed_and_answered_alike(doors: Doors) -> None:
    seen = await both(doors, "POST", CHAT, **chat("math! 帮我解这道微积分题"))
    assert seen.status == 200
    assert seen.headers["x-vsr-selected-model"] == "math-7b"
    assert seen.headers["x-vsr-selected-category"] == "math"
    assert float(seen.headers["x-vsr-selected-confidence"]) > 0.5


async def test_the_encoder_is_asked_once_for_each_request(doors: Doors) -> None:
    before = doors.encoder.calls
    await both(doors, "POST", CHAT, **chat("law! one"))
    assert doors.encoder.calls - before == 2


async def test_a_stream_is_the_same_stream(doors: Doors) -> None:
    seen = await both(doors, "POST", CHAT, **chat("math! count", stream=True))
    assert seen.status == 200
    assert isinstance(seen.body, list)
    assert seen.body[-1] == "[DONE]"
    assert not any("usage" in event and event["usage"] for event in seen.body[:-1])


async def test_usage_that_the_client_asked_for_is_passed_on(doors: Doors) -> None:
    usage = {"stream": True, "stream_options": {"include_usage": True}}
    seen = await both(doors, "POST", CHAT, **chat("math! count", **usage))
    assert isinstance(seen.body, list)
    assert seen.body[-2]["usage"]["total_tokens"] > 0


@pytest.mark.parametrize("model", ["auto", "general-8b"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_jailbreak_is_refused_for_every_model(doors: Doors, model: str, stream: bool) -> None:
    seen = await both(doors, "POST", CHAT, **chat("attack! now", model=model, stream=stream))
    assert seen.status == 403
    assert seen.headers["x-vsr-response-path"] == "blocked"
    assert seen.headers["x-should-retry"] == "false"


async def test_a_compressed_body_is_decoded(doors: Doors) -> None:
    body = gzip.compress(json.dumps(chat("math! 1")["json"]).encode())
    seen = await both(doors, "POST", CHAT, body, headers={"content-encoding": "gzip"})
    assert seen.status == 200


async def test_an_attack_in_a_compressed_body_is_seen(doors: Doors) -> None:
    body = gzip.compress(json.dumps(chat("attack!")["json"]).encode())
    assert (await both(doors, "POST", CHAT, body, headers={"content-encoding": "gzip"})).status == 403


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b"{"),
        (400, b""),
        (400, b"[]"),
        (400, b"\xff\xfe\x00"),
        (400, b'{"model":"auto","model":"x","messages":[{"role":"user","content":"x"}]}'),
        (400, b'{"model":"auto","messages":[]}'),
        (400, b'{"model":"auto"}'),
        (400, b'{"messages":[{"role":"user","content":"x"}]}'),
        (404, b'{"model":"unknown","messages":[{"role":"user","content":"x"}]}'),
        (400, DEEP),
        (413, b" " * (1024 * 1024 + 1)),
    ],
)
async def test_bad_bodies_get_the_same_answer(doors: Doors, status: int, body: bytes) -> None:
    assert (await both(doors, "POST", CHAT, body)).status == status


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "unknown"])
async def test_other_encodings_get_the_same_answer(doors: Doors, encoding: str) -> None:
    seen = await both(doors, "POST", CHAT, b"x", headers={"content-encoding": encoding})
    assert seen.status in (400, 415)


@pytest.mark.parametrize(
    "path",
    [
        "/", "/v1", "/v1/unlisted", "/v1/chat/completions/", "//v1/chat/completions",
        "/v1/../v1/chat/completions", "/v1/./chat/completions", "/v1%2Fchat/completions",
        "/v1/chat/%63ompletions", "/V1/chat/completions", "/v1/chat/completions;x",
    ],
)  # fmt: skip
async def test_unlisted_and_odd_paths_are_404(doors: Doors, path: str) -> None:
    assert (await both(doors, "POST", path, **chat("x"))).status == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_405(doors: Doors, method: str) -> None:
    assert (await both(doors, method, CHAT)).status == 405


async def test_the_models_are_listed(doors: Doors) -> None:
    seen = await both(doors, "GET", "/v1/models")
    assert isinstance(seen.body, dict)
    assert "auto" in [model["id"] for model in seen.body["data"]]
    assert (await both(doors, "GET", "/v1/models/auto")).status == 200
    assert (await both(doors, "GET", "/v1/models/none")).status == 404


@pytest.mark.parametrize("path", ["/health", "/livez", "/readyz", "/ready"])
async def test_health_is_answered_by_the_router_itself(doors: Doors, path: str) -> None:
    assert (await both(doors, "GET", path)).status == 200


async def test_a_wrong_key_is_401(doors: Doors) -> None:
    assert (
        await both(doors, "POST", CHAT, headers={"authorization": "Bearer no"}, **chat("x"))
    ).status == 401


async def test_an_encoder_that_fails_is_503(doors: Doors) -> None:
    doors.encoder.error = EncoderFailed("broken")
    try:
        seen = await both(doors, "POST", CHAT, **chat("math! 1"))
    finally:
        doors.encoder.error = None
    assert seen.status == 503
    assert "retry-after" in seen.headers


@pytest.mark.parametrize("door", ["envoy", "gateway"])
async def test_the_openai_client_works_at_both_doors(doors: Doors, door: str) -> None:
    async with openai.AsyncOpenAI(
        base_url=getattr(doors, door) + "/v1", api_key=KEY, max_retries=0
    ) as client:
        plain = await client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": "math! 2+2"}]
        )
        stream = await client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": "math! 2+2"}], stream=True
        )
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        with pytest.raises(openai.PermissionDeniedError):
            await client.chat.completions.create(
                model="auto", messages=[{"role": "user", "content": "attack!"}]
            )
    assert plain.choices[0].message.content
    assert text
