"""Everything the management API serves, in one table: routes, listing and OpenAPI come from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import HTMLResponse, Response

from vsr.chat.body import dump_json
from vsr.doors.management import classify, describe
from vsr.doors.management.evaluate import evaluate
from vsr.generation import Generation

Handler = Callable[[Generation, Mapping[str, Any]], Awaitable[Response]]
"""The second argument is the request's JSON body, empty for GET."""

_TEXT = {
    "type": "object",
    "required": ["text"],
    "properties": {
        "text": {"type": "string"},
        "options": {"type": "object", "properties": {"return_probabilities": {"type": "boolean"}}},
    },
}
_BATCH = {
    "type": "object",
    "required": ["texts"],
    "properties": {
        "texts": {"type": "array", "items": {"type": "string"}},
        "task_type": {"type": "string", "enum": ["intent", "pii", "security", "all"], "default": "intent"},
        "options": {"type": "object", "properties": {"return_probabilities": {"type": "boolean"}}},
    },
}
_EVAL = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "messages": {"type": "array", "items": {"type": "object"}},
        "body": {"type": "object"},
        "model": {"type": "string"},
    },
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """public: needs no token. schema: of the request's body."""

    method: str
    path: str
    summary: str
    handler: Handler
    public: bool = False
    schema: dict[str, Any] | None = None


def endpoints() -> tuple[Endpoint, ...]:
    def told(payload: Callable[[], dict[str, Any]]) -> Handler:
        async def handler(generation: Generation, body: Mapping[str, Any]) -> Response:
            return json_response(payload())

        return handler

    async def page(generation: Generation, body: Mapping[str, Any]) -> Response:
        return HTMLResponse(describe.page(table))

    table = (
        Endpoint("GET", "/health", "The process runs", _health, public=True),
        Endpoint("GET", "/livez", "The process runs", _health, public=True),
        Endpoint("GET", "/ready", "Configuration loaded and bundle warm", _ready, public=True),
        Endpoint("GET", "/readyz", "Configuration loaded and bundle warm", _ready, public=True),
        Endpoint("GET", "/startup-status", "What is loaded", _about(describe.startup)),
        Endpoint("GET", "/api/v1", "This list", told(lambda: describe.listing(table))),
        Endpoint("GET", "/openapi.json", "This list as OpenAPI", told(lambda: describe.openapi(table))),
        Endpoint("GET", "/docs", "This list as a page", page),
        Endpoint("GET", "/v1/models", "Models that clients may name", _about(describe.models)),
        Endpoint("GET", "/info/models", "The encoder's bundle and its heads", _about(describe.heads)),
        Endpoint("GET", "/info/classifier", "Labels, modes and thresholds", _about(describe.classifier)),
        _post("/api/v1/eval", "What would be done with a request, and why", evaluate, _EVAL),
        _post("/api/v1/classify/intent", "The domain of a text", classify.intent, _TEXT),
        _post("/api/v1/classify/pii", "Personal data in a text", classify.pii, _TEXT),
        _post("/api/v1/classify/security", "Whether a text is an attack", classify.security, _TEXT),
        _post("/api/v1/classify/combined", "All three about a text", classify.combined, _TEXT),
        _post("/api/v1/classify/batch", "One of them, or all, about many texts", classify.batch, _BATCH),
    )
    return table


def json_response(payload: dict[str, Any], status: int = 200) -> Response:
    return Response(dump_json(payload), status, media_type="application/json")


def _post(
    path: str,
    summary: str,
    answer: Callable[[Generation, Mapping[str, Any]], Awaitable[dict[str, Any]]],
    schema: dict[str, Any],
) -> Endpoint:
    async def handler(generation: Generation, body: Mapping[str, Any]) -> Response:
        return json_response(await answer(generation, body))

    return Endpoint("POST", path, summary, handler, schema=schema)


def _about(describe: Callable[[Generation], dict[str, Any]]) -> Handler:
    async def handler(generation: Generation, body: Mapping[str, Any]) -> Response:
        return json_response(describe(generation))

    return handler


async def _health(generation: Generation, body: Mapping[str, Any]) -> Response:
    return json_response({"status": "ok"})


async def _ready(generation: Generation, body: Mapping[str, Any]) -> Response:
    return json_response({"ready": generation.ready}, 200 if generation.ready else 503)
