"""A small world around the real Envoy: one back end whose behaviour a test sets, and exchanges that
do just enough to show that every phase passes through the door unharmed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from vsr.config.policy import Backend, Policy
from vsr.errors import BadBackend, InvalidRequest, ModelNotFound, NotFound, Refused, RequestError
from vsr.exchange import Answer, Attempt, Exchange, Forward, Headers, RequestHead, ResponseHead

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def echo(request: web.Request) -> web.StreamResponse:
    """A plain completion that repeats the model it was asked for."""
    body = await request.json()
    return web.json_response(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "4"}, "finish_reason": "stop"}
            ],
        }
    )


@dataclass
class BackEnd:
    """An HTTP server on a free port. `seen` are the requests that reached it, with their bodies."""

    handler: Handler = echo
    port: int = 0
    seen: list[tuple[web.Request, bytes]] = field(default_factory=list)

    async def start(self) -> web.AppRunner:
        application = web.Application(client_max_size=2**30)
        application.router.add_route("*", "/{path:.*}", self._serve)
        runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = int(runner.addresses[0][1])
        return runner

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.seen.append((request, await request.read()))
        return await self.handler(request)


@dataclass
class Recorded:
    """What one exchange was told."""

    head: RequestHead
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    client_gone: bool = False
    interrupted: bool = False
    failure: RequestError | None = None
    chunks: list[bytes] = field(default_factory=list)


class SmallExchange(Exchange):
    """Sends `auto` to math-7b and any configured model to itself, refuses the word "jailbreak"."""

    def __init__(self, head: RequestHead, world: World) -> None:
        self.record = Recorded(head)
        self.world = world
        self.responding = False
        self.events = False

    def on_request_headers(self) -> Answer | None:
        if self.record.head.path != "/v1/chat/completions":
            return self.on_error(NotFound("Unknown path."))
        return None

    async def on_request_body(self, body: bytes) -> Answer | Forward:
        self.world.judging.set()
        if self.world.gate is not None:
            await self.world.gate.wait()
        if self.world.bug is not None:
            raise self.world.bug
        try:
            request = json.loads(body)
            model = "math-7b" if request["model"] == "auto" else request["model"]
        except (ValueError, KeyError):
            return self.on_error(InvalidRequest("malformed JSON body"))
        if model not in self.world.policy.models:
            return self.on_error(ModelNotFound("No such model.", param="model"))
        if "jailbreak" in body.decode():
            return self.on_error(Refused("Refused."))
        backend = self.world.policy.models[model].backends[0]
        return Forward(
            (self._towards(backend, model),), json.dumps(request | {"model": model}).encode(), True
        )

    def _towards(self, backend: Backend, model: str) -> Attempt:
        routed = {"x-selected-model": model, "x-gateway-destination-endpoint": backend.destination}
        return Attempt(backend, f"{backend.base_path}/chat/completions", routed, frozenset({"authorization"}))

    def on_response_headers(self, status: int, headers: Headers) -> ResponseHead | Answer:
        content_type = dict(headers).get("content-type", "")
        self.events = content_type.startswith("text/event-stream")
        if not self.events and not content_type.startswith("application/json"):
            return self.on_error(BadBackend("Neither JSON nor events."))
        self.responding = self.events
        changed = {"x-vsr-selected-model": "math-7b", "x-vsr-selected-category": "数学"}
        return ResponseHead(status, changed, frozenset({"x-back-end-secret"}), buffered=not self.events)

    def on_response_chunk(self, chunk: bytes) -> bytes:
        self.record.chunks.append(chunk)
        return chunk.replace(b"swallow", b"")

    def on_response_end(self) -> bytes:
        return b"data: [DONE]\n\n" if self.events else b""

    def on_response_body(self, body: bytes) -> bytes | Answer:
        try:
            json.loads(body)
        except ValueError:
            return self.on_error(BadBackend("Not JSON."))
        return body.replace(b'"created": 1', b'"created": 1234567')

    def on_backend_failure(self, error: RequestError) -> Answer | bytes:
        self.record.failure = error
        return f"data: {error.error_code}\n\n".encode() if self.responding else self.on_error(error)

    def on_interruption(self) -> None:
        self.record.interrupted = True

    def on_error(self, error: RequestError) -> Answer:
        return Answer(error.http_status, tuple(error.headers().items()), error.body(), error.error_code)

    def close(self, *, client_gone: bool = False) -> None:
        self.record.client_gone = client_gone
        self.record.closed.set()


@dataclass
class World:
    """Stands in for a live generation: the door asks it for the policy and for exchanges."""

    policy: Policy
    back_end: BackEnd
    url: str = ""
    exchanges: list[SmallExchange] = field(default_factory=list)
    judging: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event | None = None
    bug: Exception | None = None

    @property
    def current(self) -> World:
        return self

    def exchange(self, head: RequestHead, door: str) -> Exchange:
        exchange = SmallExchange(head, self)
        self.exchanges.append(exchange)
        return exchange

    @property
    def last(self) -> Recorded:
        return self.exchanges[-1].record

    def forget(self) -> None:
        """A clean slate between tests; the servers keep running."""
        self.back_end.handler = echo
        self.back_end.seen.clear()
        self.exchanges.clear()
        self.judging.clear()
        self.gate = self.bug = None
