"""The gateway over real sockets: what a client gets, and what reaches the back end."""

from __future__ import annotations

import asyncio
import gzip
import json
from dataclasses import replace

import openai
import pytest

from tests.doors.backend import (
    DONE,
    STREAM_END,
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
from tests.doors.running import CHAT, gateway, question
from tests.doors.wire import Wire, ask, request
from vsr.config.policy import ApiKey, Backend, Limits, Listener, Model
from vsr.content import Secret


async def test_a_request_for_auto_reaches_the_model_of_its_domain_and_the_answer_says_which() -> None:
    async with ScriptedBackend(answer) as backend, gateway(backend.port) as router:
        reply = await router.chat(question())
        assert (reply.status, reply.body) == (200, completion())
        assert reply.headers["content-length"] == str(len(completion()))
        assert reply.headers["x-vsr-selected-model"] == "math-7b"
        assert reply.headers["x-vsr-selected-category"] == "math"
        assert reply.headers["x-vsr-response-path"] == "upstream"
        sent = backend.requests[0]
        assert sent.line == f"POST {CHAT} HTTP/1.1"
        assert sent.json["model"] == "math-7b"
        assert sent.header("content-length") == str(len(sent.body))
        assert sent.header("x-selected-model") == "math-7b"


async def test_the_openai_client_is_served_plain_and_streamed() -> None:
    async with ScriptedBackend(answer) as backend, gateway(backend.port) as router:
        url = f"http://127.0.0.1:{router.port}/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key="any", max_retries=0) as client:
            plain = await client.chat.completions.create(
                model="auto", messages=[{"role": "user", "content": "math! 帮我解这道微积分题"}]
            )
            assert plain.choices[0].message.content == "42"
            stream = await client.chat.completions.create(
                model="auto", messages=[{"role": "user", "content": "math!"}], stream=True
            )
            text = [piece.choices[0].delta.content or "" async for piece in stream if piece.choices]
            assert "".join(text) == "forty-two"
            with pytest.raises(openai.PermissionDeniedError):
                await client.chat.completions.create(
                    model="auto", messages=[{"role": "user", "content": "attack!"}]
                )
            names = [model.id async for model in client.models.list()]
            assert "auto" in names


async def test_a_refused_request_never_reaches_a_back_end() -> None:
    async with ScriptedBackend(answer) as backend, gateway(backend.port) as router:
        reply = await router.chat(question("attack!"))
        assert (reply.status, reply.error["type"]) == (403, "permission_error")
        assert reply.headers["x-vsr-response-path"] == "blocked"
        assert reply.headers["x-should-retry"] == "false"
        assert backend.requests == []


async def test_forged_routing_and_credential_headers_do_not_reach_the_back_end() -> None:
    async with ScriptedBackend(answer) as backend, gateway(backend.port) as router:
        await router.chat(
            question(),
            x_selected_model="other",
            x_gateway_destination_endpoint="10.0.0.1:80",
            x_authz_user_id="root",
            x_vsr_skip_processing="true",
            authorization="Bearer client",
            x_kept="1",
        )
        sent = backend.requests[0]
        assert sent.header("x-selected-model") == "math-7b"
        assert sent.header("x-gateway-destination-endpoint") == f"127.0.0.1:{backend.port}"
        assert sent.header("x-kept") == "1"
        for name in ("x-authz-user-id", "x-vsr-skip-processing", "authorization"):
            assert sent.header(name) is None


async def test_header_values_that_are_not_ascii_reach_the_back_end_as_they_came() -> None:
    async with ScriptedBackend(answer) as backend, gateway(backend.port) as router:
        value = "张三".encode().decode("latin-1")
        await router.chat(question(), x_kept=value)
        assert backend.requests[0].header("x-kept") == value


async def test_keys_in_the_query_string_do_not_reach_the_back_end() -> None:
    async with ScriptedBackend(answer) as backend, gateway(backend.port) as router:
        query = "key=k&api-version=1&Api%2Dkey=k&b&access_token=k&x-api-key=k&a=1;api_key=k"
        await ask(router.port, "POST", f"{CHAT}?{query}", question())
        await ask(router.port, "POST", f"{CHAT}?key=k", question())
        assert [request.line for request in backend.requests] == [
            f"POST {CHAT}?api-version=1&b HTTP/1.1",
            f"POST {CHAT} HTTP/1.1",
        ]


async def test_the_query_string_and_unknown_fields_pass_through() -> None:
    async with ScriptedBackend(answer) as backend, gateway(backend.port) as router:
        await ask(router.port, "POST", f"{CHAT}?api-version=1%2F2", question(frobnicate={"深": [1.5, None]}))
        sent = backend.requests[0]
        assert sent.line == f"POST {CHAT}?api-version=1%2F2 HTTP/1.1"
        assert sent.json["frobnicate"] == {"深": [1.5, None]}


async def test_chunks_reach_the_client_while_the_back_end_is_still_writing() -> None:
    seen = asyncio.Event()

    async def slowly(received: Received, connection: Connection) -> None:
        await connection.send(STREAM_HEAD + chunk(event("one")))
        await seen.wait()
        await connection.send(chunk(event("two", "stop")) + chunk(DONE) + STREAM_END)

    async with ScriptedBackend(slowly) as backend, gateway(backend.port) as router, Wire(router.port) as wire:
        await wire.send(request("POST", CHAT, question(stream=True)))
        status, headers = await wire.head()
        assert (status, headers["content-type"]) == (200, "text/event-stream")
        assert "content-length" not in headers
        assert await wire.chunk() == event("one")
        seen.set()
        assert b"".join([piece async for piece in wire.pieces()]) == event("two", "stop") + DONE


async def test_a_stream_split_at_every_byte_arrives_as_it_was() -> None:
    whole = event("帮我", None) + b": keep-alive\r\n\r\n" + event("二", "stop") + DONE

    async def dribble(received: Received, connection: Connection) -> None:
        await connection.send(STREAM_HEAD)
        for byte in whole:
            await connection.send(chunk(bytes([byte])))
        await connection.send(STREAM_END)

    async with ScriptedBackend(dribble) as backend, gateway(backend.port) as router:
        reply = await router.chat(question(stream=True))
        assert reply.body == whole


async def test_a_request_body_in_many_pieces_is_put_together() -> None:
    async with ScriptedBackend(answer) as backend, gateway(backend.port) as router, Wire(router.port) as wire:
        body = question()
        head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        for byte in head.encode() + b"".join(chunk(bytes([byte])) for byte in body) + b"0\r\n\r\n":
            await wire.send(bytes([byte]))
        assert (await wire.reply()).status == 200
        assert backend.requests[0].header("transfer-encoding") is None


async def test_expect_continue_is_answered_before_the_body() -> None:
    async with ScriptedBackend(answer) as backend, gateway(backend.port) as router, Wire(router.port) as wire:
        whole = request("POST", CHAT, question(), {"expect": "100-continue"})
        head, _, body = whole.partition(b"\r\n\r\n")
        await wire.send(head + b"\r\n\r\n")
        assert (await wire.head())[0] == 100
        await wire.send(body)
        assert (await wire.reply()).status == 200
        assert backend.requests[0].header("expect") is None


async def test_a_ten_megabyte_body_passes() -> None:
    picture = "data:image/png;base64," + "A" * (10 << 20)
    parts = [{"type": "text", "text": "math!"}, {"type": "image_url", "image_url": {"url": picture}}]
    body = question(messages=[{"role": "user", "content": parts}])
    async with ScriptedBackend(answer) as backend, gateway(backend.port) as router:
        assert (await router.chat(body)).status == 200
        assert backend.requests[0].json["messages"][0]["content"] == parts


def small(fields: dict[str, object]) -> None:
    fields["limits"] = Limits(max_body_bytes=1000)


async def test_a_body_over_the_limit_is_a_413_before_it_is_read() -> None:
    async with gateway(1, change=small) as router, Wire(router.port) as wire:
        await wire.send(f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 1001\r\n\r\n".encode())
        reply = await wire.reply()
        assert (reply.status, reply.error["code"]) == (413, "request_too_large")


async def test_a_chunked_body_over_the_limit_is_a_413_while_it_is_read() -> None:
    async with gateway(1, change=small) as router, Wire(router.port) as wire:
        head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        await wire.send(head.encode() + chunk(b"x" * 2000))
        assert (await wire.reply()).status == 413


async def test_a_body_that_never_ends_is_a_408() -> None:
    def hurried(fields: dict[str, object]) -> None:
        fields["listeners"] = (Listener("default", timeout=0.05),)

    async with gateway(1, change=hurried) as router, Wire(router.port) as wire:
        await wire.send(request("POST", CHAT, question())[:-1])
        reply = await wire.reply()
        assert (reply.status, reply.error["code"]) == (408, "request_timeout")


async def test_a_gzip_body_is_judged_and_sent_on_unpacked() -> None:
    async with ScriptedBackend(answer) as backend, gateway(backend.port) as router:
        reply = await router.chat(gzip.compress(question()), content_encoding="gzip")
        assert reply.headers["x-vsr-selected-category"] == "math"
        assert backend.requests[0].header("content-encoding") is None
        assert backend.requests[0].json["model"] == "math-7b"
        refused = await router.chat(gzip.compress(question("attack!")), content_encoding="gzip")
        assert refused.status == 403


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b'{"model": "auto"', 400),
        (b'{"model": "auto", "messages": []}', 400),
        (b'{"model": "auto"}', 400),
        (b'{"model":"auto","model":"x","messages":[{"role":"user","content":"a"}]}', 400),
        (b'{"model":"auto","messages":[{"role":"user","content":"\xff"}]}', 400),
        (b"[" * 100_000, 400),
    ],
)
async def test_a_bad_body_is_answered_in_openai_shape_and_the_connection_goes_on(
    body: bytes, status: int
) -> None:
    async with ScriptedBackend(answer) as backend, gateway(backend.port) as router, Wire(router.port) as wire:
        reply = await wire.ask("POST", CHAT, body)
        assert (reply.status, reply.error["type"]) == (status, "invalid_request_error")
        assert backend.requests == []
        assert (await wire.ask("POST", CHAT, question())).status == 200


async def test_an_unknown_content_encoding_is_a_415() -> None:
    async with gateway(1) as router:
        assert (await router.chat(question(), content_encoding="br")).status == 415


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1/embeddings",
        "//v1/chat/completions",
        "/v1//chat/completions",
        "/v1/chat/completions/",
        "/v1/chat/%63ompletions",
        "/v1/x/../chat/completions",
        "/V1/chat/completions",
        "/v1/chat/completions;a",
    ],
)
async def test_any_other_path_is_a_404_and_reaches_nobody(path: str) -> None:
    async with ScriptedBackend(answer) as backend, gateway(backend.port) as router:
        reply = await ask(router.port, "POST", path, question())
        assert (reply.status, reply.error["code"]) == (404, "not_found")
        assert backend.requests == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"])
async def test_any_other_method_is_a_405(method: str) -> None:
    async with gateway(1) as router, Wire(router.port) as wire:
        assert (await wire.ask(method, CHAT)).status == 405
        assert (await wire.ask("GET", "/health")).status == 200


async def test_health_and_models_are_answered_here() -> None:
    async with gateway(1) as router:
        for path in ("/health", "/livez", "/readyz", "/v1/models", "/v1/models/auto"):
            assert (await ask(router.port, "GET", path)).status == 200


async def test_a_listener_with_keys_refuses_those_without_before_reading_the_body() -> None:
    def keyed(fields: dict[str, object]) -> None:
        fields["listeners"] = (Listener("default", api_keys=(ApiKey(Secret("right")),)),)

    async with ScriptedBackend(answer) as backend, gateway(backend.port, change=keyed) as router:
        async with Wire(router.port) as wire:
            await wire.send(f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n".encode())
            assert (await wire.reply()).status == 401
        assert (await router.chat(question(), authorization="Bearer wrong")).status == 401
        assert (await router.chat(question(), authorization="Bearer right")).status == 200


async def test_a_request_id_is_kept_or_made() -> None:
    async with ScriptedBackend(answer) as backend, gateway(backend.port) as router:
        assert (await router.chat(question(), x_request_id="abc-1")).headers["x-request-id"] == "abc-1"
        assert (await router.chat(question())).headers["x-request-id"]
        assert backend.requests[0].header("x-request-id") == "abc-1"


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with ScriptedBackend(answer) as backend, gateway(backend.port) as router, Wire(router.port) as wire:
        await wire.send(request("POST", CHAT, question()) + request("POST", CHAT, question("attack!")))
        assert [(await wire.reply()).status for _ in range(2)] == [200, 403]


async def test_the_next_back_end_serves_when_the_first_refuses() -> None:
    async with ScriptedBackend(answer) as backend:

        def two(fields: dict[str, object]) -> None:
            first = Backend("down", "math-7b", "http", "127.0.0.1", 1, weight=1000)
            second = Backend("up", "math-7b", "http", "127.0.0.1", backend.port, weight=1)
            models = fields["models"]
            assert isinstance(models, dict)
            model = models["math-7b"]
            assert isinstance(model, Model)
            models["math-7b"] = replace(model, backends=(first, second))

        async with gateway(1, change=two) as router:
            for _ in range(3):
                assert (await router.chat(question())).status == 200
            assert len(backend.requests) == 3


async def test_headers_of_one_connection_do_not_reach_the_client() -> None:
    async def private(received: Received, connection: Connection) -> None:
        await connection.send(
            response(completion(), connection="x-private", x_private="1", server="secret/1.0", x_kept="1")
        )

    async with ScriptedBackend(private) as backend, gateway(backend.port) as router:
        headers = (await router.chat(question())).headers
        assert headers["x-kept"] == "1"
        assert not {"x-private", "connection", "server"} & headers.keys()


async def test_an_error_of_the_back_end_is_passed_on_with_its_status() -> None:
    body = json.dumps({"error": {"message": "too long", "type": "x", "param": None, "code": None}}).encode()

    async def complain(received: Received, connection: Connection) -> None:
        await connection.send(response(body, "422 Unprocessable Entity"))

    async with ScriptedBackend(complain) as backend, gateway(backend.port) as router:
        reply = await router.chat(question())
        assert (reply.status, reply.body) == (422, body)
