"""From one received request to what is to be sent: the endpoints of the simulated server, no sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vsr.errors import InvalidRequest
from vsr.simulator import wire
from vsr.simulator.answers import MAX_ANSWER_TOKENS, say
from vsr.simulator.settings import Settings

JSON = "application/json"
EVENT_STREAM = "text/event-stream; charset=utf-8"
HTML = "text/html"

DEFAULT = Settings()
WEB_PAGE = b"<!doctype html><html><head><title>Welcome</title></head><body><h1>It works!</h1></body></html>"


@dataclass(slots=True)
class Received:
    """A request as it reached the server; header names in lower case.

    outcome: pending, answered, faulted, or aborted when the other side left first. ended is set when
    it is no longer pending.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    outcome: str = "pending"
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def json(self) -> Any:
        return json.loads(self.body)

    def end(self, outcome: str) -> None:
        if self.outcome == "pending":
            self.outcome = outcome
            self.ended.set()


@dataclass(frozen=True, slots=True)
class Reply:
    """What to send. A stream has `parts` (events) and no length; tokens is what pacing counts."""

    status: int
    content_type: str
    body: bytes = b""
    parts: Iterable[bytes] | None = None
    tokens: int = 0
    settings: Settings = DEFAULT


FAILED = Reply(500, JSON, wire.error(500, "The simulated server failed.", "InternalServerError"))


def reply_to(request: Received, settings: Settings, address: str) -> Reply:
    """Answer one request; `address` is where this server listens, which it names in its answers."""
    try:
        return _endpoint(request, settings, address)
    except InvalidRequest as error:
        return _failure(400, error.message, "BadRequestError")


def _endpoint(request: Received, settings: Settings, address: str) -> Reply:
    path = request.path.partition("?")[0]
    match request.method, path:
        case "GET", "/health" | "/ping":
            return Reply(200, JSON)
        case "GET", "/version":
            return Reply(200, JSON, wire.dump({"version": wire.VERSION}))
    if settings.api_key and request.headers.get("authorization") != f"Bearer {settings.api_key}":
        return Reply(401, JSON, wire.dump({"error": "Unauthorized"}))
    match request.method, path:
        case "GET", "/v1/models":
            return Reply(200, JSON, wire.model_list(settings.models))
        case "POST", "/v1/chat/completions":
            return _chat(request, settings.for_request(request.headers), address)
        case _, "/health" | "/version" | "/v1/models" | "/v1/chat/completions":
            return Reply(405, JSON, wire.dump({"detail": "Method Not Allowed"}))
        case _:
            return Reply(404, JSON, wire.dump({"detail": "Not Found"}))


def _chat(request: Received, settings: Settings, address: str) -> Reply:
    body = _parse(request.body)
    model = body.get("model")
    if not isinstance(model, str) or (settings.models and model not in settings.models):
        return _failure(404, "The model does not exist.", "NotFoundError", "model")
    fault = settings.fault
    if fault and fault.kind == "status":
        return _failure(fault.status, "The simulated server was asked to fail.", "InternalServerError")
    if fault and fault.kind == "html":
        return Reply(200, HTML, WEB_PAGE)
    said = say(body, model, address, settings.script)
    count = body.get("n") if isinstance(body.get("n"), int) else 1
    choices = [said] * max(1, min(count or 1, 128))
    tokens = said.tokens * len(choices)
    if tokens > MAX_ANSWER_TOKENS:
        raise InvalidRequest(f"n answers hold at most {MAX_ANSWER_TOKENS} tokens together here.", param="n")
    if body.get("stream") is True:
        parts = list(wire.events(body, model, choices, settings.logprob))
        if fault and fault.kind == "garbage":
            parts = [parts[0], b"data: {this is not JSON\n\n", *parts[1:]]
        return Reply(200, EVENT_STREAM, parts=parts, tokens=tokens, settings=settings)
    content = wire.completion(body, model, choices, settings.logprob)
    if fault and fault.kind == "garbage":
        content = b"{this is not JSON" + content
    return Reply(200, JSON, content, tokens=tokens, settings=settings)


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise InvalidRequest("The body is not JSON.") from None
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list) or not body["messages"]:
        raise InvalidRequest("messages must be a list that is not empty.", param="messages")
    return body


def _failure(status: int, message: str, kind: str, param: str | None = None) -> Reply:
    return Reply(status, JSON, wire.error(status, message, kind, param))
