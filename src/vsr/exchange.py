"""One request's life, driven by events: the same object behind Envoy and behind the gateway.

A door feeds it the request's head and body, gets back what to do (`Answer` at once or `Forward`),
then feeds it the back end's answer chunk by chunk. It holds the lease on its generation, the route
and the state of the stream; it decides nothing itself.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar
from urllib.parse import unquote

from vsr import headers as names
from vsr.chat.body import decode_body, dump_json, parse_json
from vsr.chat.completion import completion
from vsr.chat.edit import ask_for_usage, replace_spans, with_model
from vsr.chat.models import model_item, models_list
from vsr.chat.request import ChatRequest, parse_chat_request
from vsr.chat.response import PlainResponse, ResponseStream, Usage
from vsr.config.policy import Backend, Listener, Policy
from vsr.encoder.encoder import Encoder
from vsr.errors import (
    BadBackend,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    ModelNotFound,
    NotFound,
    Overloaded,
    Refused,
    RequestError,
    TooLarge,
    Unavailable,
    log_crash,
)
from vsr.facts import Facts
from vsr.guards.masking import placeholder
from vsr.identity.keys import ANONYMOUS, Principal, authenticate
from vsr.loopers.calls import Ask
from vsr.loopers.loop import Loop
from vsr.loopers.task import Task
from vsr.plugins.header_mutation import apply as mutate_headers
from vsr.plugins.reasoning import apply as switch_reasoning
from vsr.plugins.system_prompt import apply as set_system_prompt
from vsr.route import Finding, HeaderMutation, Route, SystemPrompt
from vsr.router import decide, for_member, judge
from vsr.selection.memory import Memory, Turn
from vsr.selection.state import Knowledge
from vsr.signals.authz import Caller
from vsr.signals.context import estimate_tokens
from vsr.signals.engine import SignalEngine
from vsr.telemetry import Metrics

_T = TypeVar("_T")

logger = logging.getLogger(__name__)

CHAT_PATH = "/v1/chat/completions"
MODELS_PATH = "/v1/models"
HEALTH_PATHS = ("/health", "/livez")
READY_PATHS = ("/ready", "/readyz")

_OFF_LOOP = 256 * 1024  # bytes of body from which on parsing and writing leave the event loop

Headers = Sequence[tuple[str, str]]
"""Header fields in order, names in lower case."""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """path is raw (still percent-encoded, without the query string); listener names where it came in."""

    method: str
    path: str
    headers: Headers
    query: str = ""
    listener: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer made here (also a whole event stream, if the client asked for one)."""

    status: int
    headers: Headers
    body: bytes
    detail: str = ""  # short machine word for Envoy's RESPONSE_CODE_DETAILS and the access log


@dataclass(frozen=True, slots=True)
class Attempt:
    """How to call one back end: raw path with query, headers to set and to remove first."""

    backend: Backend
    path: str
    set_headers: Mapping[str, str]
    remove_headers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Forward:
    """Send `body` to the first attempt's back end; the others are for retries before the first byte.
    Behind Envoy only the first is used. stream: the client asked for an event stream."""

    attempts: tuple[Attempt, ...]
    body: bytes
    stream: bool
    clear_route_cache: bool = True


@dataclass(frozen=True, slots=True)
class Compose:
    """Run `loop`, whose calls to models are made as `forward` says, and treat what it brings like a back
    end's answer. members: the models that it may call."""

    loop: Loop
    forward: Callable[[Ask], Awaitable[Forward]]
    members: tuple[str, ...]


Action = Answer | Forward | Compose


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """The head to send to the client. buffered: the body must arrive whole in one `on_response_body`
    (so that garbage can still become a 502); otherwise feed chunks as they come."""

    status: int
    set_headers: Mapping[str, str]
    remove_headers: frozenset[str]
    buffered: bool


@dataclass(frozen=True, slots=True)
class Services:
    """What an exchange uses of its generation, taken when it starts. created: Unix time since when the
    configuration is live."""

    policy: Policy
    encoder: Encoder | None
    metrics: Metrics
    running: int = 1
    seed: int = 0
    ready: bool = True
    created: int = 0
    memory: Memory = field(default_factory=Memory)
    knowledge: Knowledge = field(default_factory=Knowledge)
    signals: SignalEngine | None = None


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
        self._started = time.perf_counter()
        self._sent = 0.0
        self._first_byte = 0.0
        self._request_id = names.request_id(self._headers)
        self._principal: Principal = ANONYMOUS
        self._request: ChatRequest | None = None
        self._route: Route | None = None
        self._facts: Facts | None = None
        self._stream: ResponseStream | None = None
        self._usage: Usage | None = None
        self._turn: Turn | None = None
        self._loop: Loop | None = None
        self._status = 0
        self._code = ""
        self._responding = False
        self._closed = False

    # ------------------------------------------------------------ the request

    @property
    def body_limit(self) -> int:
        """Bytes of request body to accept (413 beyond: answer with `on_error(TooLarge(...))`)."""
        return self._policy.limits.max_body_bytes

    def on_request_headers(self) -> Answer | None:
        """Authentication, paths, methods, local endpoints. None: the body is needed."""
        try:
            return self._local() or self._admit()
        except RequestError as error:
            return self.on_error(error)

    def _local(self) -> Answer | None:
        path = self._head.path
        if path in HEALTH_PATHS:
            self._allow("GET")
            return self._json(200, b'{"status":"ok"}', "health")
        if path in READY_PATHS:
            self._allow("GET")
            ready = self._services.ready
            return self._json(
                200 if ready else 503, b'{"ready":%s}' % (b"true" if ready else b"false"), "health"
            )
        listed = path == MODELS_PATH or path.startswith(MODELS_PATH + "/")
        if not listed and path != CHAT_PATH:
            raise NotFound("Unknown path: this router serves /v1/chat/completions and /v1/models.")
        self._allow("GET" if listed else "POST")
        self._principal = authenticate(self._listener(), self._headers)
        if not listed:
            return None
        created = self._services.created
        if path == MODELS_PATH:
            return self._json(200, dump_json(models_list(self._policy, created)), "models")
        item = model_item(self._policy, unquote(path[len(MODELS_PATH) + 1 :]), created)
        return self._json(200, dump_json(item), "models")

    def _allow(self, method: str) -> None:
        if self._head.method != method:
            raise MethodNotAllowed(f"Method not allowed here: use {method}.")

    def _listener(self) -> Listener:
        by_name = {listener.name: listener for listener in self._policy.listeners}
        return by_name.get(self._head.listener, self._policy.listeners[0])

    def _admit(self) -> Answer | None:
        if self._services.running > self._policy.limits.max_concurrent_requests:
            raise Overloaded(
                "The router is busy: too many requests at once. Try again shortly.", retry_after=1
            )
        length = self._headers.get("content-length", "")
        if length.isdigit() and int(length) > self.body_limit:
            raise self.too_large()
        return None

    def too_large(self) -> TooLarge:
        return TooLarge(f"The request body is over the limit of {self.body_limit} bytes.")

    @property
    def facts(self) -> Facts | None:
        """What was judged, once it was: for whoever explains what the exchange did."""
        return self._facts

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
        self._request = request = await _maybe_off_loop(len(raw), lambda: self._parse(raw))
        self._facts = facts = await judge(
            request,
            self._policy,
            self._services.encoder,
            signals=self._services.signals,
            caller=Caller("" if self._principal is ANONYMOUS else self._principal.id),
        )
        judged = time.perf_counter()
        services = self._services
        self._turn = turn = services.memory.turn(
            self._headers, request.body, self._principal.id, self._policy, services.knowledge
        )
        self._route = route = decide(request.model, facts, self._policy, seed=services.seed, state=turn.state)
        self._metrics.judged(facts, route, time.perf_counter() - judged)
        answer = self._answer_here(route, request)
        action: Action
        if route.outcome == "compose":
            action = self._compose(route, request, len(raw))
        elif answer is None:
            # the hook of the response cache: a lookup belongs here, after the guards, before forwarding
            action = await _maybe_off_loop(len(raw), lambda: self._forward(route, request))
            turn.sent(route)
        else:
            action = answer
        self._metrics.overhead.labels(door=self._door).observe(time.perf_counter() - received)
        self._sent = time.perf_counter()
        return action

    def _parse(self, raw: bytes) -> ChatRequest:
        decoded = decode_body(raw, self._headers.get("content-encoding"), self.body_limit)
        return parse_chat_request(parse_json(decoded, self._policy.limits.max_nesting))

    def _answer_here(self, route: Route, request: ChatRequest) -> Answer | None:
        """Everything that does not go to a back end."""
        if route.outcome in ("forward", "compose"):
            return None
        if route.outcome == "answer":
            headers = self._described("fast_response", success=True) | {"x-vsr-fast-response": "true"}
            return self._completion(route.message, "stop", request, headers, "fast_response")
        if route.outcome == "unknown_model":
            raise ModelNotFound(
                "The requested model is not available here; see /v1/models.",
                param="model",
                status=self._policy.unknown_model_status,
            )
        if route.outcome == "unroutable":
            raise InvalidRequest(
                "unable to route request: no model selected and no default model configured",
                param="model",
                code="unroutable",
            )
        if route.outcome == "unselected":
            raise Unavailable(
                "No model of the decision for this request can take it now. Try again later.",
                code="no_candidate",
                retry_after=5,
            )
        if route.outcome == "unavailable":
            if self._facts is not None and self._facts.encoder_error == "overloaded":
                raise Overloaded(
                    "The router is busy judging other requests. Try again shortly.", retry_after=1
                )
            raise Unavailable(
                "The request could not be checked for safety, so it was not served.", retry_after=5
            )
        return self._refusal(route, request)

    def _refusal(self, route: Route, request: ChatRequest) -> Answer:
        guards = self._policy.guards
        finding = route.finding(route.refused_by)
        assert finding is not None, "a refused route names the guard that refused it"
        if guards.refusal == "completion":
            headers = self._described("blocked", success=False)
            return self._completion(guards.refusal_message, "content_filter", request, headers, finding.guard)
        error = Refused(_refusal_message(finding, guards.refusal_message), code=f"{finding.guard}_refused")
        return self.on_error(error)

    def _forward(self, route: Route, request: ChatRequest) -> Forward:
        """The body as the back end shall see it. What is sent was judged: it is written anew from the
        parsed request, with only the router's own edits."""
        body, headers, removed = self._prepared(route, request)
        return self._sent_to(route, body, headers, removed, stream=request.stream)

    def _prepared(
        self, route: Route, request: ChatRequest
    ) -> tuple[dict[str, Any], dict[str, str], frozenset[str]]:
        """What is the same for every model: the body, and headers to set and to remove."""
        body = request.body
        if route.mask:
            body = replace_spans(body, request.passages, route.mask, placeholder)
        headers: dict[str, str] = {}
        removed: frozenset[str] = frozenset()
        for plugin in route.plugins:
            if isinstance(plugin, SystemPrompt):
                body = set_system_prompt(body, plugin)
            elif isinstance(plugin, HeaderMutation):
                headers, removed = mutate_headers(self._passed_on(), plugin)
        return body, headers, removed

    def _sent_to(
        self,
        route: Route,
        body: dict[str, Any],
        headers: Mapping[str, str],
        removed: frozenset[str],
        *,
        stream: bool,
    ) -> Forward:
        """What depends on the model."""
        policy = self._policy
        model = policy.models[route.model]
        backends = {backend.name: backend for backend in model.backends}
        first = backends[route.backends[0]]
        # one body goes to whichever answers, so all must speak the same dialect
        chosen = [backends[name] for name in route.backends if backends[name].dialect == first.dialect]
        if model.reasoning_family is not None:
            body = switch_reasoning(
                body, model.reasoning_family, first.dialect, route.reasoning, route.reasoning_effort
            )
        body = with_model(body, route.model_id)
        if stream:
            body = ask_for_usage(body)
        return Forward(
            attempts=tuple(self._attempt(backend, route, headers, removed) for backend in chosen),
            body=dump_json(body),
            stream=stream,
            clear_route_cache=policy.clear_route_cache,
        )

    def _compose(self, route: Route, request: ChatRequest, size: int) -> Compose:
        """size: bytes of the request. Every call goes out as a forwarded request would: masked, with the
        decision's system prompt and headers, and with the credentials of its own back end."""
        body, headers, removed = self._prepared(route, request)
        policy = self._policy.for_model(request.model)
        decision = next(one for one in policy.decisions if one.name == route.decision)
        task = Task(
            body,
            decision,
            policy,
            stream=request.stream,
            category=route.category,
            reveal=policy.reveal_headers,
            seed=self._services.seed,
        )
        loop = self._loop = Loop(task)

        async def forward(ask: Ask) -> Forward:
            member = for_member(route, ask.ref, policy, self._services.seed + loop.ledger.calls)
            return await _maybe_off_loop(
                size, lambda: self._sent_to(member, ask.body, headers, removed, stream=ask.stream)
            )

        return Compose(loop, forward, route.members)

    def _passed_on(self) -> dict[str, str]:
        return {name: value for name, value in self._headers.items() if not names.is_reserved(name)}

    def _attempt(
        self, backend: Backend, route: Route, extra: Mapping[str, str], removed: frozenset[str]
    ) -> Attempt:
        headers = {
            "content-type": "application/json",
            "accept-encoding": "identity",  # so that answers can be read
            names.REQUEST_ID: self._request_id,
            names.SELECTED_MODEL: names.printable(route.model),
            names.DESTINATION: backend.destination,
            **dict(backend.extra_headers),
            **extra,
        }
        client = self._headers.get("authorization")
        if backend.api_key is not None:
            headers[backend.auth_header.lower()] = backend.auth_prefix + backend.api_key.reveal()
        elif backend.forward_authorization and client:
            headers["authorization"] = client
        path = backend.chat_path or backend.base_path.rstrip("/") + CHAT_PATH.removeprefix("/v1")
        if self._head.query:
            path += ("&" if "?" in path else "?") + self._head.query
        forbidden = {name for name in self._headers if names.is_reserved(name)} | {"content-encoding"}
        return Attempt(backend, path, headers, frozenset((forbidden | removed) - headers.keys()))

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
        self._status = status
        success = 200 <= status < 300
        if events and not opaque:
            asked = self._request is not None and self._request.wants_usage
            self._stream = ResponseStream(swallow_usage=not asked)
        if status >= 400:
            self._code = "upstream_4xx" if status < 500 else "upstream_5xx"
        removed = {name for name in given if name.startswith("x-vsr-") or name == names.SELECTED_MODEL}
        path = "upstream" if self._loop is None else "looper"
        set_headers = self._described(path, success=success) | {names.REQUEST_ID: self._request_id}
        if events:
            removed.add("content-length")
            set_headers["x-accel-buffering"] = "no"
        buffered = not events and not opaque and success
        self._responding = not buffered
        return ResponseHead(status, set_headers, frozenset(removed - set_headers.keys()), buffered)

    def on_response_chunk(self, chunk: bytes) -> bytes:
        """Bytes to pass on now (may be empty). After an error event everything else is swallowed."""
        if chunk and not self._first_byte:
            self._first_byte = time.perf_counter()
        return chunk if self._stream is None else self._stream.feed(chunk)

    def on_response_end(self) -> bytes:
        """The stream ended; what is still to be sent (an error event if it was cut short)."""
        if self._stream is None:
            return b""
        rest = self._stream.end()
        self._usage = self._stream.usage
        if self._stream.error is not None:
            self._code = self._stream.error.error_code
        return rest

    def on_response_body(self, body: bytes) -> bytes | Answer:
        """A whole plain response."""
        self._first_byte = time.perf_counter()
        try:
            self._usage = PlainResponse.parse(body).usage
        except BadBackend as error:
            return self.on_error(error)
        return body

    def on_backend_failure(self, error: RequestError) -> Answer | bytes:
        """Before the response head is sent: an Answer. After it: the bytes of an error event to end the
        stream with (none for a plain response, whose connection can only be cut)."""
        if not self._responding:
            return self.on_error(error)
        self._code = error.error_code
        if self._stream is None:
            return b""
        self._usage = self._stream.usage
        return self._stream.fail(error)

    def on_answered_elsewhere(self, status: int) -> None:
        """Another process of this router has answered the request, and accounts for what it did."""
        self._status = status

    def on_error(self, error: RequestError) -> Answer:
        """Any failure, in the client's protocol."""
        self._status, self._code = error.http_status, error.error_code
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
        if reveal and self._facts is not None and self._headers.get(names.DEBUG, "").lower() == "true":
            headers |= names.debug(self._facts)
        if reveal and path == "looper" and self._loop is not None:
            told = self._loop.headers(debug=self._headers.get(names.DEBUG, "").lower() == "true")
            headers |= {name: names.printable(value) for name, value in told.items()}
        return headers

    def _json(self, status: int, body: bytes, detail: str) -> Answer:
        self._status = status
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
        self._status, self._code = 200, detail if finish == "content_filter" else ""
        kind = "text/event-stream" if request.stream else "application/json"
        body = completion(
            text,
            finish_reason=finish,
            stream=request.stream,
            usage_requested=request.wants_usage,
        )
        headers = headers | {"content-type": kind, names.REQUEST_ID: self._request_id}
        return Answer(200, tuple(headers.items()), body, detail)

    # ------------------------------------------------------------ accounting

    def close(self, *, client_gone: bool = False) -> None:
        """Account and release the generation. Idempotent."""
        if self._closed:
            return
        self._closed = True
        status = 499 if client_gone else self._status
        code = "client_closed_request" if client_gone else self._code
        self._metrics.requests.labels(door=self._door, status=str(status), code=code or "ok").inc()
        route = self._route
        if route is not None:
            self._metrics.routed(route, code)
            if self._loop is not None:
                self._metrics.composed(route.algorithm, self._loop.ledger.lines())
            elif self._sent and self._first_byte:
                self._metrics.timed(route, self._first_byte - self._sent, time.perf_counter() - self._sent)
            if self._usage is not None and self._loop is None:
                self._metrics.used(route, self._usage.prompt_tokens, self._usage.completion_tokens)
                self._calibrate(self._usage)
            self._remember(route, success=not code and 200 <= status < 300)
        logger.info(
            "request",
            extra={
                "request_id": self._request_id,
                "door": self._door,
                "principal": self._principal.id,
                "status": status,
                "code": code or "ok",
                "decision": route.decision if route else "",
                "category": route.category if route else "",
                "model": route.model if route else "",
                "milliseconds": round((time.perf_counter() - self._started) * 1000, 2),
            },
        )
        self._on_close()

    def _calibrate(self, usage: Usage) -> None:
        """What the back end counted improves the estimate; images and files would only blur it."""
        engine, request = self._services.signals, self._request
        if engine is not None and request is not None and not request.unread:
            engine.calibration.observe(estimate_tokens(request.passages), usage.prompt_tokens)

    def _remember(self, route: Route, *, success: bool) -> None:
        if self._turn is None:
            return
        usage = self._usage
        self._turn.ended(
            route,
            self._policy,
            success=success and bool(self._first_byte),
            first=self._first_byte - self._sent,
            whole=time.perf_counter() - self._sent,
            prompt_tokens=usage.prompt_tokens if usage else 0,
            completion_tokens=usage.completion_tokens if usage else 0,
        )


def _is_json(content_type: str) -> bool:
    return content_type == "application/json" or content_type.endswith("+json")


def _refusal_message(finding: Finding, message: str) -> str:
    if finding.guard == "pii":
        return f"{message} Personal data of these types may not be sent: {', '.join(finding.types)}."
    return message


async def _maybe_off_loop(size: int, work: Callable[[], _T]) -> _T:
    return work() if size < _OFF_LOOP else await asyncio.to_thread(work)
