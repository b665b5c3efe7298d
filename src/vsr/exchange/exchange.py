"""One request's life, driven by events: the same object behind Envoy and behind the gateway.

A door feeds it the request's head and body, gets back what to do (`Answer` at once, `Forward` or
`Compose`), then feeds it the back end's answer chunk by chunk. It holds the lease on its generation, the
route and the state of the stream; it decides nothing itself.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final, Literal

from vsr import headers as names
from vsr.chat.body import decode_body, parse_json
from vsr.chat.completion import completion
from vsr.chat.request import ChatRequest, parse_chat_request
from vsr.chat.response import PlainResponse, ResponseStream
from vsr.config.headers import printable
from vsr.errors import BadBackend, InternalError, RequestError, TooLarge, log_crash
from vsr.exchange import front
from vsr.exchange.account import Account
from vsr.exchange.ballot import ballot_of
from vsr.exchange.declined import declined, refusing
from vsr.exchange.outgoing import Outgoing, maybe_off_loop
from vsr.exchange.values import Action, Answer, Headers, RequestHead, ResponseHead, Services
from vsr.facts import Facts
from vsr.identity.keys import authenticate
from vsr.identity.principal import ANONYMOUS, Principal
from vsr.loopers.task import Ballot
from vsr.route import Route
from vsr.router import decide, judge
from vsr.signals.authz import Caller

logger = logging.getLogger(__name__)

_NOT_FOR_CLIENTS: Final = frozenset(
    {names.SELECTED_MODEL, "set-cookie", "location", "openai-organization", "openai-project"}
)
"""Fields between the router and a back end: its cookies, its addresses, whose account it is."""


class Exchange:
    """Not thread-safe; one per request, used from one event loop.

    Order of calls: on_request_headers, on_request_body (if that returned None), then on_response_headers
    and either on_response_body (buffered) or on_response_chunk* and on_response_end; at any time
    on_backend_failure; always close at the end, whatever happened. Every method turns errors into
    answers; none raises except asyncio.CancelledError (client gone).
    """

    def __init__(
        self, head: RequestHead, services: Services, *, door: str, on_close: Callable[[], None] = lambda: None
    ) -> None:
        self._head = head
        self._headers = dict(head.headers)
        self._services = services
        self._policy = services.policy
        self._metrics = services.metrics
        self._door = door
        self._on_close = on_close
        self._request_id = names.request_id(self._headers)
        self._account = Account(services, door, self._request_id)
        self._principal: Principal = ANONYMOUS
        self._route: Route | None = None
        self._facts: Facts | None = None
        self._stream: ResponseStream | None = None
        self._responding = False
        self._closed = False

    # ------------------------------------------------------------ the request

    @property
    def body_limit(self) -> int:
        """Bytes of request body to accept (413 beyond: answer with `on_error(TooLarge(...))`)."""
        return self._policy.limits.max_body_bytes

    def too_large(self) -> TooLarge:
        return front.too_large(self._policy.limits)

    @property
    def facts(self) -> Facts | None:
        """What was judged, once it was: for whoever explains what the exchange did."""
        return self._facts

    def on_request_headers(self) -> Answer | None:
        """Authentication, paths, methods, local endpoints. None: the body is needed."""
        try:
            return self._at_the_front()
        except RequestError as error:
            return self.on_error(error)

    def _at_the_front(self) -> Answer | None:
        head, services = self._head, self._services
        health = front.health(head, ready=services.ready)
        if health is not None:
            return self._json(*health, "health")
        front.check_path(head)
        self._principal = authenticate(front.listener_of(head, self._policy), head.headers)
        models = front.models(head, self._policy, services.created)
        if models is not None:
            return self._json(200, models, "models")
        front.admit(services, self._headers.get("content-length", ""))
        return None

    async def on_request_body(self, body: bytes) -> Action:
        """Parse, judge, guard, decide, edit."""
        try:
            return await self._serve(body)
        except RequestError as error:
            return self.on_error(error)
        except Exception as error:  # noqa: BLE001 # a bug must answer 500 in the client's protocol
            log_crash(logger, f"request {self._request_id} failed", error)
            return self.on_error(InternalError("Internal routing error. Contact your administrator."))

    async def _serve(self, raw: bytes) -> Action:
        received = time.perf_counter()
        if len(raw) > self.body_limit:
            raise self.too_large()
        # what a packed body unpacks to is known afterwards: a kilobyte may be a million
        packed = "content-encoding" in self._headers
        request, size = await maybe_off_loop(
            self.body_limit if packed else len(raw), lambda: self._parse(raw)
        )
        self._account.request = request
        route = await self._routed(request)
        action = await self._carried_out(route, request, size)
        self._metrics.overhead.labels(door=self._door).observe(time.perf_counter() - received)
        self._account.sent = time.perf_counter()
        return action

    def _parse(self, raw: bytes) -> tuple[ChatRequest, int]:
        """The request, and the bytes of its body."""
        decoded = decode_body(raw, self._headers.get("content-encoding"), self.body_limit)
        return parse_chat_request(parse_json(decoded, self._policy.limits.max_nesting)), len(decoded)

    async def _routed(self, request: ChatRequest) -> Route:
        services, principal = self._services, self._principal
        self._facts = facts = await judge(
            request,
            self._policy,
            services.encoder,
            signals=services.signals,
            caller=_caller(principal),
        )
        judged = time.perf_counter()
        asked = self._policy.for_model(request.model)
        self._account.turn = turn = services.memory.turn(
            self._headers, request.body, principal.id, asked, services.knowledge
        )
        route = decide(request.model, facts, self._policy, seed=services.seed, state=turn.state)
        self._route = self._account.route = route
        self._metrics.judged(facts, route, time.perf_counter() - judged)
        return route

    async def _carried_out(self, route: Route, request: ChatRequest, size: int) -> Action:
        """size: bytes of the request's body, unpacked."""
        if route.outcome == "forward":
            # the hook of the response cache: a lookup belongs here, after the guards, before forwarding
            outgoing = self._outgoing()
            action = await maybe_off_loop(
                size,
                lambda: outgoing.forward(route, outgoing.prepare(route, request), stream=request.stream),
            )
            if self._account.turn is not None:
                self._account.turn.sent(route)
            return action
        if route.outcome == "compose":
            services, ballot = self._services, self._ballot(route)
            compose = self._outgoing().compose(
                route, request, size=size, seed=services.seed, aids=services.aids, ballot=ballot
            )
            self._account.loop = compose.loop
            return compose
        if route.outcome == "answer":
            headers = self._described("fast_response", success=True) | {"x-vsr-fast-response": "true"}
            return self._completion(route.message, "stop", request, headers, "fast_response")
        if route.outcome == "refuse" and self._policy.guards.refusal == "completion":
            headers = self._described("blocked", success=False)
            message = self._policy.guards.refusal_message
            return self._completion(message, "content_filter", request, headers, refusing(route).guard)
        assert self._facts is not None, "a route is of something that was judged"
        return self.on_error(declined(route, self._policy, self._facts))

    def _ballot(self, route: Route) -> Ballot | None:
        account = self._account
        if self._facts is None or account.turn is None:
            return None

        def settled(route: Route) -> None:
            self._route = account.route = route
            account.sent = time.perf_counter()  # what was asked before is no part of the model's time

        return ballot_of(route, self._facts, self._services, account.turn, settled)

    def _outgoing(self) -> Outgoing:
        identity = front.listener_of(self._head, self._policy).identity
        hidden = frozenset((identity.user, identity.groups))
        return Outgoing(self._policy, self._headers, self._head.query, self._request_id, hidden)

    # ------------------------------------------------------------ the response

    def on_response_headers(self, status: int, headers: Headers) -> ResponseHead | Answer:
        """An Answer replaces the back end's response altogether (e.g. HTML where JSON was due)."""
        given = dict(headers)
        content_type = given.get("content-type", "").split(";")[0].strip().lower()
        opaque = given.get("content-encoding", "identity") not in ("", "identity")
        events = content_type == "text/event-stream"
        if not (events or _is_json(content_type) or opaque):
            what = "no content type" if not content_type else "neither JSON nor an event stream"
            error = BadBackend(f"The model's server answered with status {status} and {what}.")
            return self.on_error(error)
        account = self._account
        account.status, account.streamed = status, events
        success = 200 <= status < 300
        if events and not opaque:
            asked = account.request is not None and account.request.wants_usage
            self._stream = ResponseStream(swallow_usage=not asked)
        if status >= 400:
            account.code = "upstream_4xx" if status < 500 else "upstream_5xx"
        removed = {name for name in given if name.startswith("x-vsr-") or name in _NOT_FOR_CLIENTS}
        path = "upstream" if account.loop is None else "looper"
        set_headers = self._described(path, success=success) | {names.REQUEST_ID: self._request_id}
        if events:
            removed.add("content-length")
            set_headers["x-accel-buffering"] = "no"
        buffered = not events and not opaque and success
        self._responding = not buffered
        return ResponseHead(status, set_headers, frozenset(removed - set_headers.keys()), buffered)

    def on_response_chunk(self, chunk: bytes) -> bytes:
        """Bytes to pass on now (may be empty). After an error event everything else is swallowed."""
        if chunk:
            self._account.arrived()
        return chunk if self._stream is None else self._stream.feed(chunk)

    def on_response_end(self) -> bytes:
        """The stream ended; what is still to be sent (an error event if it was cut short)."""
        if self._stream is None:
            return b""
        rest = self._stream.end()
        self._account.usage = self._stream.usage
        if self._stream.error is not None:
            self._account.code = self._stream.error.error_code
        return rest

    def on_response_body(self, body: bytes) -> bytes | Answer:
        """A whole plain response."""
        self._account.arrived()
        try:
            self._account.usage = PlainResponse.parse(body).usage
        except BadBackend as error:
            return self.on_error(error)
        return body

    def on_backend_failure(self, error: RequestError) -> Answer | bytes:
        """Before the response head is sent: an Answer. After it: the bytes of an error event to end the
        stream with (none for a plain response, whose connection can only be cut)."""
        if not self._responding:
            return self.on_error(error)
        self._account.code = error.error_code
        if self._stream is None:
            return b""
        self._account.usage = self._stream.usage
        return self._stream.fail(error)

    def on_interruption(self) -> None:
        """A response that had begun broke off, and nobody can tell on which side."""
        self._account.code = "response_interrupted"
        if self._stream is not None:
            self._account.usage = self._stream.usage

    def on_answered_elsewhere(self) -> None:
        """Another process of this router has answered the request, and accounts for it."""
        self._account.elsewhere = True

    def on_error(self, error: RequestError) -> Answer:
        """Any failure, in the client's protocol."""
        self._account.status, self._account.code = error.http_status, error.error_code
        headers = error.headers() | {names.REQUEST_ID: self._request_id}
        if self._route is not None:
            headers = self._described(error.response_path, success=False) | headers
        return Answer(error.http_status, tuple(headers.items()), error.body(), error.error_code)

    # ------------------------------------------------------------ answers made here

    def _described(self, path: str, *, success: bool) -> dict[str, str]:
        if self._route is None:
            return {"x-vsr-schema-version": "2", "x-vsr-response-path": path}
        reveal = self._policy.reveal_headers
        headers = names.describe(self._route, path=path, success=success, reveal=reveal)
        debug = reveal and self._headers.get(names.DEBUG, "").lower() == "true"
        if debug and self._facts is not None:
            headers |= names.debug(self._facts, self._route, self._policy)
        if reveal and path == "looper" and self._account.loop is not None:
            told = self._account.loop.headers(debug=debug)
            headers |= {name: printable(value) for name, value in told.items()}
        return headers

    def _json(self, status: int, body: bytes, detail: str) -> Answer:
        self._account.status = status
        headers = (("content-type", "application/json"), (names.REQUEST_ID, self._request_id))
        return Answer(status, headers, body, detail)

    def _completion(
        self,
        text: str,
        finish: Literal["stop", "content_filter"],
        request: ChatRequest,
        headers: dict[str, str],
        detail: str,
    ) -> Answer:
        self._account.status, self._account.code = 200, detail if finish == "content_filter" else ""
        kind = "text/event-stream" if request.stream else "application/json"
        body = completion(
            text,
            finish_reason=finish,
            stream=request.stream,
            usage_requested=request.wants_usage,
        )
        headers = headers | {"content-type": kind, names.REQUEST_ID: self._request_id}
        return Answer(200, tuple(headers.items()), body, detail)

    # ------------------------------------------------------------ the end

    def close(self, *, client_gone: bool = False) -> None:
        """Account and release the generation. Idempotent."""
        if self._closed:
            return
        self._closed = True
        try:
            self._account.principal = self._principal.id
            self._account.settle(client_gone=client_gone)
        finally:  # whatever went wrong: a request that is never released counts as running for ever
            self._on_close()


def _is_json(content_type: str) -> bool:
    return content_type == "application/json" or content_type.endswith("+json")


def _caller(principal: Principal) -> Caller:
    """A key without a user goes by its own id."""
    if principal is ANONYMOUS:
        return Caller()
    return Caller(principal.user or principal.id, principal.groups)
