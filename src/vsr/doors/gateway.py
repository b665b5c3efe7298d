"""The gateway: an OpenAI-compatible HTTP door that calls the model back ends itself.

It drives one `Exchange` per request and carries out what that says: answer, or forward and relay.
What a request means, who may send it and where it goes is never decided here; how back ends are
called is `providers`' affair, how bytes reach the client `caller`'s.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable

from starlette.types import Receive, Scope, Send

from vsr.config.policy import Policy
from vsr.doors.caller import Caller, request_head
from vsr.errors import (
    BackendTimeout,
    BadBackend,
    ClientGone,
    InternalError,
    InvalidRequest,
    RequestError,
    TooLarge,
    log_crash,
)
from vsr.exchange import Answer, Attempt, Compose, Exchange, Forward, RequestHead, ResponseHead
from vsr.generation import Live
from vsr.loopers.calls import Ask, Response
from vsr.providers.client import Call, Upstream, UpstreamResponse
from vsr.providers.failover import call_first
from vsr.providers.headers import Fields, towards_backend, towards_client

logger = logging.getLogger(__name__)

DOOR = "gateway"


class Gateway:
    """The ASGI application of one listener."""

    def __init__(self, live: Live, upstream: Upstream, *, listener: str) -> None:
        self._live = live
        self._upstream = upstream
        self._listener = listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        generation = self._live.current
        policy = generation.policy
        head = request_head(scope, self._listener)
        caller = Caller(receive, send, upload=self._upload(policy), stall=policy.timeouts.idle)
        exchange = generation.exchange(head, DOOR)
        await _attend(exchange, caller, self._serve(exchange, caller, head, policy))

    async def compose(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        exchange: Exchange,
        compose: Compose,
        policy: Policy,
    ) -> None:
        """Go on with an exchange that another door began with this very request."""
        head = request_head(scope, self._listener)
        caller = Caller(receive, send, upload=self._upload(policy), stall=policy.timeouts.idle)

        async def serve() -> Answer | None:
            try:
                await caller.body(exchange.body_limit, exchange.too_large)  # which was judged already
            except (TooLarge, InvalidRequest) as error:
                return exchange.on_error(error)
            async with caller.watched():
                return await self._compose(exchange, caller, head, compose, policy)

        await _attend(exchange, caller, serve())

    def _upload(self, policy: Policy) -> float:
        return next(
            (one.timeout for one in policy.listeners if one.name == self._listener),
            policy.listeners[0].timeout,
        )

    async def _serve(
        self, exchange: Exchange, caller: Caller, head: RequestHead, policy: Policy
    ) -> Answer | None:
        """The answer to give; None if one was streamed to the caller already."""
        answer = exchange.on_request_headers()
        if answer is not None:
            return answer
        try:
            body = await caller.body(exchange.body_limit, exchange.too_large)
        except (TooLarge, InvalidRequest) as error:
            return exchange.on_error(error)
        async with caller.watched():
            action = await exchange.on_request_body(body)
            if isinstance(action, Answer):
                return action
            if isinstance(action, Compose):
                return await self._compose(exchange, caller, head, action, policy)
            return await self._forward(exchange, caller, head, action, policy)

    async def _forward(
        self, exchange: Exchange, caller: Caller, head: RequestHead, forward: Forward, policy: Policy
    ) -> Answer | None:
        try:
            response = await self._send(head, forward, policy)
        except (BadBackend, BackendTimeout) as error:
            return exchange.on_error(error)
        try:
            return await _relay(exchange, caller, response, policy.limits.max_body_bytes)
        finally:
            response.close()

    async def _compose(
        self, exchange: Exchange, caller: Caller, head: RequestHead, compose: Compose, policy: Policy
    ) -> Answer | None:
        async def call(ask: Ask) -> Response:
            return await self._send(head, await compose.forward(ask), policy)

        try:
            response = await compose.loop.run(call)
        except RequestError as error:
            return exchange.on_error(error)
        try:
            return await _relay(exchange, caller, response, policy.limits.max_body_bytes)
        finally:
            response.close()

    async def _send(self, head: RequestHead, forward: Forward, policy: Policy) -> UpstreamResponse:
        """Raises BadBackend and BackendTimeout."""
        calls = [_call(head, attempt, forward.body) for attempt in forward.attempts]
        reliability = policy.models[calls[0].backend.model].reliability
        return await call_first(self._upstream, calls, policy.timeouts, reliability)


def _call(head: RequestHead, attempt: Attempt, body: bytes) -> Call:
    headers = towards_backend(head.headers, remove=attempt.remove_headers, set_=attempt.set_headers)
    return Call(attempt.backend, head.method, attempt.path, headers, body)


async def _relay(exchange: Exchange, caller: Caller, response: Response, limit: int) -> Answer | None:
    head = exchange.on_response_headers(response.status, response.headers)
    if isinstance(head, Answer):
        return head
    if head.buffered:
        return await _whole(exchange, head, response, limit)
    await caller.start(head.status, _headers(head, response))
    try:
        async for chunk in response.chunks():
            await caller.write(exchange.on_response_chunk(chunk))
    except (BadBackend, BackendTimeout) as error:
        farewell = exchange.on_backend_failure(error)
        if isinstance(farewell, bytes) and farewell:
            await caller.end(farewell)
        return None  # if nothing can be said, the server cuts the connection: the client sees a broken answer
    await caller.end(exchange.on_response_end())
    return None


async def _whole(exchange: Exchange, head: ResponseHead, response: Response, limit: int) -> Answer:
    try:
        body = await response.read(limit)
    except (BadBackend, BackendTimeout) as error:
        return exchange.on_error(error)
    result = exchange.on_response_body(body)
    if isinstance(result, Answer):
        return result
    return Answer(head.status, _headers(head, response), result)


def _headers(head: ResponseHead, response: Response) -> Fields:
    return towards_client(response.headers, remove=head.remove_headers, set_=head.set_headers)


async def _attend(exchange: Exchange, caller: Caller, serving: Awaitable[Answer | None]) -> None:
    """Carry it out, and close the exchange whatever happens."""
    client_gone = False
    try:
        answer = await serving
        if answer is not None:
            await caller.answer(answer)
    except ClientGone:
        client_gone = True
    except Exception as error:  # noqa: BLE001 # a bug must not reach the server's own log with values
        await _crashed(error, exchange, caller)
    finally:
        exchange.close(client_gone=client_gone)


async def _crashed(error: Exception, exchange: Exchange, caller: Caller) -> None:
    log_crash(logger, "the gateway failed", error)
    if not caller.started:
        answer = exchange.on_error(InternalError("Internal routing error. Contact your administrator."))
        try:
            await caller.answer(answer)
        except ClientGone:
            pass
