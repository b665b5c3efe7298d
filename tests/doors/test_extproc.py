"""The door as Envoy sees it, spoken to over gRPC without an Envoy between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from envoy.config.core.v3 import base_pb2
from envoy.extensions.filters.http.ext_proc.v3 import processing_mode_pb2
from envoy.service.ext_proc.v3 import external_processor_pb2 as pb
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.envoy.world import BackEnd, SmallExchange, World
from vsr.config.policy import Backend, Listener, Model, Policy, Timeouts
from vsr.doors.extproc import ExtProcServer
from vsr.doors.extproc.server import SERVICE
from vsr.errors import StartError
from vsr.exchange import Exchange, RequestHead

MODE = processing_mode_pb2.ProcessingMode
CANARY = "text of a client"
BODY = b'{"model": "auto", "messages": []}'


def small_world(idle: float = 60, first_token: float = 120) -> World:
    backend = Backend("math-7b-1", "math-7b", "http", "127.0.0.1", 9)
    policy = Policy(
        listeners=(Listener("other"), Listener("front", timeout=77)),
        models={"math-7b": Model("math-7b", "math-7b", (backend,))},
        timeouts=Timeouts(idle=idle, first_token=first_token),
    )
    return World(policy, BackEnd())


class Call:
    """One stream to the processor."""

    def __init__(self, call: grpc.aio.StreamStreamCall) -> None:
        self._call = call

    async def send(self, message: pb.ProcessingRequest) -> None:
        await self._call.write(message)

    async def receive(self) -> pb.ProcessingResponse | None:
        message = await self._call.read()
        return None if message is grpc.aio.EOF else message

    async def ask(self, message: pb.ProcessingRequest) -> pb.ProcessingResponse:
        await self.send(message)
        return await self.receive()

    async def close(self) -> None:
        await self._call.done_writing()

    async def status(self) -> grpc.StatusCode:
        return await self._call.code()

    def cancel(self) -> None:
        self._call.cancel()


@asynccontextmanager
async def opened(world: World, patience: float = 4.0) -> AsyncIterator[Call]:
    server = ExtProcServer(world, port=0, patience=patience)
    port = await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        process = channel.stream_stream(
            f"/{SERVICE}/Process",
            request_serializer=pb.ProcessingRequest.SerializeToString,
            response_deserializer=pb.ProcessingResponse.FromString,
        )
        yield Call(process(metadata=(("x-vsr-listener", "front"),)))
    await server.stop(0)


def headers(fields: dict[str, str], end_of_stream: bool = False) -> pb.HttpHeaders:
    pairs = {":method": "POST", ":path": "/v1/chat/completions", ":authority": "a", **fields}
    values = [
        base_pb2.HeaderValue(key=key, raw_value=value.encode("latin-1")) for key, value in pairs.items()
    ]
    return pb.HttpHeaders(headers=base_pb2.HeaderMap(headers=values), end_of_stream=end_of_stream)


def request_headers(
    end_of_stream: bool = False, fields: dict[str, str] | None = None
) -> pb.ProcessingRequest:
    return pb.ProcessingRequest(request_headers=headers(fields or {}, end_of_stream))


def request_body(body: bytes = BODY) -> pb.ProcessingRequest:
    return pb.ProcessingRequest(request_body=pb.HttpBody(body=body, end_of_stream=True))


def response_headers(content_type: str, *, details: str = "", status: str = "200") -> pb.ProcessingRequest:
    values = {":status": status, "content-type": content_type}
    fields = [base_pb2.HeaderValue(key=key, raw_value=value.encode()) for key, value in values.items()]
    message = pb.ProcessingRequest(
        response_headers=pb.HttpHeaders(headers=base_pb2.HeaderMap(headers=fields))
    )
    if details:
        message.attributes["envoy.filters.http.ext_proc"]["response.code_details"] = details
    return message


def response_body(body: bytes, end_of_stream: bool = False) -> pb.ProcessingRequest:
    return pb.ProcessingRequest(response_body=pb.HttpBody(body=body, end_of_stream=end_of_stream))


async def forwarded(call: Call) -> pb.ProcessingResponse:
    await call.ask(request_headers())
    return await call.ask(request_body())


# ---------------------------------------------------------------- the request


async def test_the_head_is_read_as_it_was_sent() -> None:
    world = small_world()
    async with opened(world) as call:
        await call.ask(request_headers(fields={":path": "/v1/a%2Fb?x=%20&y", "x-odd": "\xe9"}))
        head = world.last.head
    assert (head.method, head.path, head.query) == ("POST", "/v1/a%2Fb", "x=%20&y")
    assert head.listener == "front"
    assert dict(head.headers) == {"host": "a", "x-odd": "\xe9"}


async def test_a_forwarded_request_sets_raw_values_only_and_clears_the_route_cache() -> None:
    async with opened(small_world()) as call:
        common = (await forwarded(call)).request_body.response
    assert common.clear_route_cache
    fields = {option.header.key: option.header for option in common.header_mutation.set_headers}
    assert all(field.raw_value and not field.value for field in fields.values())
    assert fields["content-length"].raw_value == str(len(common.body_mutation.body)).encode()
    assert fields["x-selected-model"].raw_value == b"math-7b"
    assert list(common.header_mutation.remove_headers) == ["authorization"]
    assert ":path" not in fields


async def test_an_answer_ends_the_stream() -> None:
    world = small_world()
    async with opened(world) as call:
        reply = await call.ask(request_headers(fields={":path": "/nope"}))
        assert await call.receive() is None
        assert await call.status() is grpc.StatusCode.OK
    assert reply.immediate_response.status.code == 404
    assert reply.immediate_response.details == "vsr_not_found"
    assert not world.last.client_gone


async def test_a_request_without_a_body_is_judged_at_once() -> None:
    async with opened(small_world()) as call:
        reply = await call.ask(request_headers(end_of_stream=True))
    assert reply.immediate_response.status.code == 400


async def test_long_work_asks_envoy_once_for_the_time_its_listener_allows() -> None:
    world = small_world()
    world.gate = asyncio.Event()
    async with opened(world, patience=0) as call:
        await call.ask(request_headers())
        wait = await call.ask(request_body())
        world.gate.set()
        reply = await call.receive()
    assert wait.override_message_timeout.seconds == 77
    assert reply is not None
    assert reply.WhichOneof("response") == "request_body"


@pytest.mark.parametrize("how", ["half-close", "cancel"])
async def test_a_client_that_leaves_while_judged_frees_the_judge(how: str) -> None:
    world = small_world()
    world.gate = asyncio.Event()
    async with opened(world) as call:
        await call.ask(request_headers())
        await call.send(request_body())
        await world.judging.wait()
        if how == "cancel":
            call.cancel()
        else:
            await call.close()
        await world.last.closed.wait()
    assert world.last.client_gone


# ---------------------------------------------------------------- the response


async def test_a_plain_response_is_asked_for_whole() -> None:
    async with opened(small_world()) as call:
        await forwarded(call)
        reply = await call.ask(response_headers("application/json"))
        body = await call.ask(response_body(b'{"created": 1}', end_of_stream=True))
    assert reply.mode_override.response_body_mode == MODE.BUFFERED
    assert body.response_body.response.body_mutation.WhichOneof("mutation") == "body"


async def test_an_event_stream_is_passed_part_by_part() -> None:
    world = small_world()
    async with opened(world) as call:
        await forwarded(call)
        reply = await call.ask(response_headers("text/event-stream"))
        first = await call.ask(response_body(b"data: 1\n\n"))
        await call.send(response_body(b"swallow"))
        last = await call.ask(response_body(b"", end_of_stream=True))
        assert await call.receive() is None
    assert reply.mode_override.response_body_mode == MODE.FULL_DUPLEX_STREAMED
    assert "content-length" in reply.response_headers.response.header_mutation.remove_headers
    part = first.response_body.response.body_mutation.streamed_response
    assert (part.body, part.end_of_stream) == (b"data: 1\n\n", False)
    part = last.response_body.response.body_mutation.streamed_response
    assert (part.body, part.end_of_stream) == (b"data: [DONE]\n\n", True)
    assert not world.last.client_gone


async def test_silence_in_a_stream_ends_it_with_an_error_event() -> None:
    world = small_world(idle=0, first_token=0)
    async with opened(world) as call:
        await forwarded(call)
        await call.ask(response_headers("text/event-stream"))
        reply = await call.receive()
    assert reply is not None
    part = reply.response_body.response.body_mutation.streamed_response
    assert (part.body, part.end_of_stream) == (b"data: backend_timeout\n\n", True)


async def test_the_first_chunk_of_a_stream_may_come_as_late_as_a_first_token_and_the_next_may_not() -> None:
    world = small_world(idle=0, first_token=60)
    async with opened(world) as call:
        await forwarded(call)
        await call.ask(response_headers("text/event-stream"))
        first = await call.ask(response_body(b"data: 1\n\n"))
        silence = await call.receive()
    assert silence is not None
    parts = [one.response_body.response.body_mutation.streamed_response for one in (first, silence)]
    assert [part.body for part in parts] == [b"data: 1\n\n", b"data: backend_timeout\n\n"]


async def test_a_failure_of_envoy_s_own_becomes_an_answer_of_the_exchange() -> None:
    world = small_world()
    async with opened(world) as call:
        await forwarded(call)
        reply = await call.ask(
            response_headers("application/json", status="502", details="upstream_per_try_timeout")
        )
    assert reply.immediate_response.status.code == 504
    assert world.last.failure is not None


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
async def test_a_refusal_of_the_router_s_own_credential_is_not_passed_on(kind: str) -> None:
    async with opened(small_world()) as call:
        await forwarded(call)
        reply = await call.ask(response_headers(kind, status="401"))
    assert reply.immediate_response.status.code == 502


async def test_an_answer_of_envoy_before_the_body_came_is_told_in_the_client_s_protocol() -> None:
    async with opened(small_world()) as call:
        await call.ask(request_headers())
        reply = await call.ask(
            response_headers("application/json", status="413", details="request_payload_too_large")
        )
    assert reply.immediate_response.status.code == 413


async def test_an_answer_of_envoy_to_a_request_never_seen_is_left_alone() -> None:
    async with opened(small_world()) as call:
        reply = await call.ask(response_headers("application/json", status="400", details="bad"))
    assert reply.WhichOneof("response") == "response_headers"
    assert not reply.response_headers.HasField("response")


# ---------------------------------------------------------------- what must not happen


@pytest.mark.parametrize(
    "messages",
    [
        [request_body()],
        [request_headers(), request_headers()],
        [request_headers(), request_body(), request_body()],
        [request_headers(), response_headers("application/json")],
        [response_body(b"x")],
        [pb.ProcessingRequest()],
    ],
)
async def test_messages_out_of_turn_break_the_stream(messages: list[pb.ProcessingRequest]) -> None:
    async with opened(small_world()) as call:
        for message in messages[:-1]:
            await call.ask(message)
        await call.send(messages[-1])
        assert await call.status() is grpc.StatusCode.INTERNAL


@pytest.mark.parametrize("mode", [MODE.NONE, MODE.STREAMED, MODE.BUFFERED_PARTIAL, MODE.FULL_DUPLEX_STREAMED])
async def test_a_body_mode_that_could_hide_a_part_is_refused(mode: int) -> None:
    message = request_headers()
    message.protocol_config.request_body_mode = mode
    async with opened(small_world()) as call:
        await call.send(message)
        assert await call.status() is grpc.StatusCode.INTERNAL


class Buggy(SmallExchange):
    def on_response_chunk(self, chunk: bytes) -> bytes:
        raise RuntimeError(CANARY)


class BuggyWorld(World):
    def exchange(self, head: RequestHead, door: str) -> Exchange:
        exchange = Buggy(head, self)
        self.exchanges.append(exchange)
        return exchange


async def test_a_bug_in_a_running_stream_breaks_it_and_keeps_its_message_inside(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = BuggyWorld(small_world().policy, BackEnd())
    async with opened(world) as call:
        await forwarded(call)
        await call.ask(response_headers("text/event-stream"))
        await call.send(response_body(b"data: 1\n\n"))
        assert await call.status() is grpc.StatusCode.INTERNAL
    assert world.last.closed.is_set()
    assert "RuntimeError" in caplog.text
    assert CANARY not in caplog.text


class Unbuildable(World):
    def exchange(self, head: RequestHead, door: str) -> Exchange:
        raise RuntimeError(CANARY)


async def test_a_request_that_cannot_even_begin_is_500(caplog: pytest.LogCaptureFixture) -> None:
    async with opened(Unbuildable(small_world().policy, BackEnd())) as call:
        reply = await call.ask(request_headers())
    assert reply.immediate_response.status.code == 500
    assert b"internal_error" in reply.immediate_response.body
    assert CANARY not in caplog.text


# ---------------------------------------------------------------- the server


async def test_health_is_serving_until_the_server_stops() -> None:
    server = ExtProcServer(small_world(), port=0)
    port = await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for service in ("", SERVICE):
            status = await stub.Check(health_pb2.HealthCheckRequest(service=service))
            assert status.status == health_pb2.HealthCheckResponse.SERVING
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=""))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        stopping = asyncio.create_task(server.stop(5))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watch.cancel()
    await stopping


async def test_stopping_lets_a_running_stream_end() -> None:
    world = small_world()
    world.gate = asyncio.Event()
    server = ExtProcServer(world, port=0)
    port = await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = Call(
            channel.stream_stream(
                f"/{SERVICE}/Process",
                request_serializer=pb.ProcessingRequest.SerializeToString,
                response_deserializer=pb.ProcessingResponse.FromString,
            )()
        )
        await call.ask(request_headers())
        await call.send(request_body(b"{"))
        await world.judging.wait()
        stopping = asyncio.create_task(server.stop(30))
        world.gate.set()
        reply = await call.receive()
        assert reply is not None
        assert reply.immediate_response.status.code == 400
    await stopping


async def test_a_port_in_use_is_an_error() -> None:
    first = ExtProcServer(small_world(), port=0)
    port = await first.start()
    second = ExtProcServer(small_world(), port=port)
    with pytest.raises(StartError, match=str(port)):
        await second.start()
    await first.stop(0)


async def test_several_processes_may_share_a_port() -> None:
    first = ExtProcServer(small_world(), port=0, reuse_port=True)
    port = await first.start()
    second = ExtProcServer(small_world(), port=port, reuse_port=True)
    assert await second.start() == port
    await first.stop(0)
    await second.stop(0)
