"""One gRPC stream drives one exchange through Envoy's phases.

Envoy waits for the reply to each message, in order. Whatever goes wrong here ends in an answer of
ours or in a broken stream, which Envoy turns into a 503: nothing passes unscreened.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from envoy.extensions.filters.http.ext_proc.v3 import processing_mode_pb2
from envoy.service.ext_proc.v3 import external_processor_pb2 as pb

from vsr.config.policy import Backend, Policy
from vsr.doors.extproc import messages
from vsr.errors import BackendTimeout, InternalError, RequestError, Unavailable, log_crash
from vsr.exchange import Action, Answer, Compose, Exchange, Forward, RequestHead
from vsr.providers.credentials import credential_refused

logger = logging.getLogger(__name__)

_BUFFERED = processing_mode_pb2.ProcessingMode.BUFFERED


class Stream(Protocol):
    """The two directions of one gRPC call. `read` returns None when Envoy has closed its side."""

    async def read(self) -> pb.ProcessingRequest | None: ...

    async def write(self, message: pb.ProcessingResponse) -> None: ...


class Handover(Protocol):
    """Where exchanges wait for Envoy to send their requests on to us; `vsr.doors.hop.Hop` is one."""

    def leave(self, exchange: Exchange, compose: Compose, policy: Policy) -> str: ...

    def forget(self, reference: str) -> bool: ...

    def headers(self, reference: str, listener: str) -> dict[str, str]: ...


class BrokenStream(Exception):
    """Envoy cannot be answered in a way that it would accept: the stream must be aborted.

    The message is content-free and goes to the log and to Envoy.
    """


@dataclass(frozen=True, slots=True)
class Patience:
    """After `first` seconds of work on one message Envoy is asked to wait for `longest` more. Envoy
    ignores the wish if that is beyond its `max_message_timeout`."""

    first: float
    longest: float


class Session:
    """Call `run` once. The exchange is closed whatever happens.

    begin makes the exchange for a request; listener is where that came in. A streamed response may be
    silent for the idle time of `policy`, before its first chunk also until the first token is due. hop
    None: what only the gateway can answer is refused.
    """

    def __init__(
        self,
        stream: Stream,
        begin: Callable[[RequestHead], Exchange],
        *,
        listener: str,
        policy: Policy,
        patience: Patience,
        hop: Handover | None = None,
    ) -> None:
        self._stream = stream
        self._begin = begin
        self._listener = listener
        self._policy = policy
        self._hop = hop
        self._reference = ""
        self._patience = patience
        self._ahead: asyncio.Task[pb.ProcessingRequest | None] | None = None
        self._exchange: Exchange | None = None
        self._head: RequestHead | None = None
        self._forwarded: Backend | None = None
        self._first_due = 0.0
        self._buffered = False
        self._responding = False
        self._over = False

    async def run(self) -> None:
        """Until the answer is complete or Envoy is gone. Raises BrokenStream."""
        try:
            while not self._over:
                heard = await self._heard()
                message = await self._next() if heard else None
                if heard and message is None:
                    return
                reply = await self._reply(message)
                if reply is not None:
                    await self._stream.write(reply)
        finally:
            if self._ahead is not None:
                self._ahead.cancel()
            if self._exchange is not None and self._is_ours():
                self._close(self._exchange)

    def _close(self, exchange: Exchange) -> None:
        # Once a response has begun Envoy closes this stream in the same way for a client that left and for
        # a back end that was cut.
        cut = self._responding and not self._over
        if cut:
            exchange.on_interruption()
        exchange.close(client_gone=not self._over and not cut)

    async def _next(self) -> pb.ProcessingRequest | None:
        ahead, self._ahead = self._ahead, None
        return await (ahead or self._stream.read())

    async def _heard(self) -> bool:
        """False if a response that is being streamed has been silent for too long."""
        if not self._responding:
            return True
        self._ahead = self._ahead or asyncio.create_task(self._stream.read())
        # Envoy limits the time to the first byte, which is that of the head. It may have tried several times,
        # so that nothing is left
        until_first = self._first_due - asyncio.get_running_loop().time()
        return bool(await _first_of(self._ahead, timeout=max(self._policy.timeouts.idle, until_first)))

    async def _reply(self, message: pb.ProcessingRequest | None) -> pb.ProcessingResponse | None:
        """What to send for a message, or for silence; None if nothing is due."""
        try:
            return self._silence() if message is None else await self._handle(message)
        except BrokenStream:
            raise
        except Exception as error:  # noqa: BLE001 # a bug must not let anything pass
            log_crash(logger, "processing failed", error)
        if self._responding:
            raise BrokenStream("the response could not be processed")
        return self._fail(InternalError("Internal routing error. Contact your administrator."))

    def _fail(self, error: RequestError) -> pb.ProcessingResponse:
        if self._exchange is not None:
            return self._answer(self._exchange.on_error(error))
        return self._answer(Answer(error.http_status, tuple(error.headers().items()), error.body()))

    async def _handle(self, message: pb.ProcessingRequest) -> pb.ProcessingResponse | None:
        phase = message.WhichOneof("request")
        match phase:
            case "request_headers":
                return await self._on_request_headers(message)
            case "request_body":
                return await self._on_request_body(message.request_body)
            case "response_headers":
                return self._on_response_headers(message)
            case "response_body":
                return self._on_response_body(message.response_body)
            case "request_trailers" | "response_trailers":
                return self._on_trailers(phase)
        raise BrokenStream("a message of an unknown phase")

    # ------------------------------------------------------------ the request

    async def _on_request_headers(self, message: pb.ProcessingRequest) -> pb.ProcessingResponse | None:
        if self._head is not None:
            raise BrokenStream("a second request on one stream")
        if message.HasField("protocol_config") and message.protocol_config.request_body_mode != _BUFFERED:
            # any other mode could let a part of the body pass unread
            raise BrokenStream("request_body_mode must be BUFFERED")
        self._head = head = messages.request_head(message.request_headers, self._listener)
        self._exchange = exchange = self._begin(head)
        answer = exchange.on_request_headers()
        if answer is not None:
            return self._answer(answer)
        if not message.request_headers.end_of_stream:
            return messages.proceed("request_headers")
        result = await self._patiently(exchange.on_request_body(b""))
        if isinstance(result, Forward):
            self._on_forward(result)
            return messages.forward_headers(result, head)
        assert not isinstance(result, Compose), "a request without a body calls no model"
        return None if result is None else self._answer(result)

    async def _on_request_body(self, body: pb.HttpBody) -> pb.ProcessingResponse | None:
        if self._exchange is None or self._head is None or self._forwarded:
            raise BrokenStream("a request body out of turn")
        result = await self._patiently(self._exchange.on_request_body(body.body))
        if isinstance(result, Forward):
            self._on_forward(result)
            return messages.forward_body(result, self._head)
        if isinstance(result, Compose):
            return self._hand_over(self._exchange, result)
        return None if result is None else self._answer(result)

    def _on_forward(self, forward: Forward) -> None:
        self._forwarded = forward.attempts[0].backend
        self._first_due = asyncio.get_running_loop().time() + self._policy.timeouts.first_token

    async def _patiently(self, work: Coroutine[Any, Any, Action]) -> Action | None:
        """The result of `work`; Envoy is asked to wait if it takes long. None if Envoy spoke first:
        it closed the stream (the client is gone) or made an answer of its own, so none of ours is due."""
        task = asyncio.create_task(work)
        self._ahead = ahead = asyncio.create_task(self._stream.read())
        try:
            done = await _first_of(task, ahead, timeout=self._patience.first)
            if not done:
                await self._stream.write(messages.more_time(self._patience.longest))
                done = await _first_of(task, ahead)
            return task.result() if task in done else None
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def _hand_over(self, exchange: Exchange, compose: Compose) -> pb.ProcessingResponse:
        """Have Envoy send the request to the gateway, unchanged, where the exchange goes on."""
        if self._hop is None:
            return self._fail(
                Unavailable(
                    "This request needs several models, for which the router must be started with a "
                    "configuration that calls several.",
                    code="looper_unavailable",
                )
            )
        self._reference = self._hop.leave(exchange, compose, self._policy)
        return messages.send_on(self._hop.headers(self._reference, self._listener))

    def _is_ours(self) -> bool:
        """False once the gateway has taken the exchange."""
        return not self._reference or (self._hop is not None and self._hop.forget(self._reference))

    # ------------------------------------------------------------ the response

    def _on_response_headers(self, message: pb.ProcessingRequest) -> pb.ProcessingResponse:
        failure = messages.own_failure(message)
        if self._exchange is None:
            # Envoy refused the request before showing it to us; its own words stand.
            self._over = True
            return messages.proceed("response_headers")
        if self._reference:
            return self._on_handed_over(self._exchange, message, failure)
        if failure is not None:
            return self._own_failure(self._exchange, failure)
        if not self._forwarded:
            raise BrokenStream("a response to a request that was not forwarded")
        status, headers = messages.response_head(message.response_headers)
        refusal = credential_refused(self._forwarded, status)
        if refusal is not None:
            return self._own_failure(self._exchange, refusal)
        head = self._exchange.on_response_headers(status, headers)
        if isinstance(head, Answer):
            return self._answer(head)
        self._buffered = head.buffered
        if not message.response_headers.end_of_stream:
            self._responding = not head.buffered
            return messages.response_headers(head, status)
        rest = self._exchange.on_response_body(b"") if head.buffered else self._exchange.on_response_end()
        if isinstance(rest, Answer):
            return self._answer(rest)
        self._over = True
        return messages.response_without_body(head, status, rest)

    def _on_handed_over(
        self, exchange: Exchange, message: pb.ProcessingRequest, failure: RequestError | None
    ) -> pb.ProcessingResponse:
        """The gateway has answered: nothing more to do here."""
        ours = self._is_ours()
        self._reference = "" if ours else self._reference
        if failure is not None:
            error = Answer(failure.http_status, tuple(failure.headers().items()), failure.body())
            return self._answer(exchange.on_error(failure) if ours else error)
        if ours:
            exchange.on_answered_elsewhere()
        self._over = True
        return messages.let_pass()

    def _own_failure(self, exchange: Exchange, failure: RequestError) -> pb.ProcessingResponse:
        """The request could not be served; say so in the client's protocol."""
        result = exchange.on_backend_failure(failure) if self._forwarded else exchange.on_error(failure)
        if isinstance(result, Answer):
            return self._answer(result)
        raise BrokenStream("a failure after the response had begun")

    def _on_response_body(self, body: pb.HttpBody) -> pb.ProcessingResponse | None:
        exchange = self._exchange
        if exchange is None or not self._forwarded:
            raise BrokenStream("a response body out of turn")
        if self._buffered:
            result = exchange.on_response_body(body.body)
            if isinstance(result, Answer):
                return self._answer(result)
            self._over = True
            return messages.proceed("response_body") if result == body.body else messages.whole_body(result)
        if body.body:
            self._first_due = 0.0
        chunk = exchange.on_response_chunk(body.body) if body.body else b""
        if not chunk and not body.end_of_stream:
            return None
        if body.end_of_stream:
            chunk += exchange.on_response_end()
            self._over = True
        return messages.response_chunk(chunk, end=body.end_of_stream)

    def _silence(self) -> pb.ProcessingResponse:
        error = BackendTimeout("The model's server stopped sending in the middle of its answer.")
        event = self._exchange.on_backend_failure(error) if self._exchange is not None else b""
        if not event or isinstance(event, Answer):
            raise BrokenStream("a plain response fell silent")  # its end must not look like a whole one
        self._over = True
        return messages.response_chunk(event, end=True)

    def _on_trailers(self, phase: str) -> pb.ProcessingResponse:
        # An event stream has no use for trailers; what the exchange still had to say is lost with them.
        if phase == "response_trailers" and self._exchange is not None and not self._buffered:
            self._exchange.on_response_end()
            self._over = True
        return messages.proceed(phase)

    def _answer(self, answer: Answer) -> pb.ProcessingResponse:
        self._over = True
        return messages.immediate(answer)


async def _first_of(*tasks: asyncio.Task[Any], timeout: float | None = None) -> set[asyncio.Task[Any]]:
    done, _ = await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    return done
