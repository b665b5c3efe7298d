"""Everything the management API serves, in one table: routes, listing and OpenAPI come from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.responses import HTMLResponse, Response

from vsr.chat.body import dump_json
from vsr.doors.management import classify, config, describe, embeddings, kbs, outcomes, recipes
from vsr.doors.management.evaluate import evaluate
from vsr.doors.management.permissions import Permission
from vsr.doors.management.saving import Sent
from vsr.generation import Generation
from vsr.reload import Reloader

Handler = Callable[[Generation, Mapping[str, Any]], Awaitable[Response]]
"""The second argument is the request's JSON body, empty for GET."""

Configure = Callable[[Sent], Awaitable[Response]]

_RECIPES = "/config/router/recipes"
_DOCUMENT = {"type": "object", "description": "as YAML or JSON"}
_VERSION = {"type": "object", "properties": {"version": {"type": "string"}}}
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
_STRING = {"type": "string"}
_STRINGS = {"type": "array", "items": _STRING}
_SPACE = {"model": {"type": "string", "default": "auto"}, "dimension": {"type": "integer"}}
_EMBEDDINGS = {"type": "object", "required": ["texts"], "properties": {"texts": _STRINGS, **_SPACE}}
_SIMILARITY = {
    "type": "object",
    "required": ["text1", "text2"],
    "properties": {"text1": _STRING, "text2": _STRING, **_SPACE},
}
_NEAREST = {
    "type": "object",
    "required": ["query", "candidates"],
    "properties": {
        "query": _STRING,
        "candidates": _STRINGS,
        "top_k": {"type": "integer", "minimum": 0, "default": 0},
        **_SPACE,
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
    """public: needs no token. schema: of the request's body. configures: takes the handler's place where
    the configuration itself is asked for."""

    method: str
    path: str
    summary: str
    handler: Handler
    public: bool = False
    schema: dict[str, Any] | None = None
    permission: Permission = "docs.read"
    configures: Configure | None = None


def endpoints(reloader: Reloader | None = None) -> tuple[Endpoint, ...]:
    def told(payload: Callable[[], dict[str, Any]]) -> Handler:
        async def handler(generation: Generation, body: Mapping[str, Any]) -> Response:
            return json_response(payload())

        return handler

    async def page(generation: Generation, body: Mapping[str, Any]) -> Response:
        return HTMLResponse(describe.page(table))

    async def ready(generation: Generation, body: Mapping[str, Any]) -> Response:
        payload: dict[str, Any] = {"ready": generation.ready}
        if reloader is not None and reloader.rejected is not None:
            payload |= {"configuration": "rejected"}  # the last good one is served
        return json_response(payload, 200 if generation.ready else 503)

    table = (
        Endpoint("GET", "/health", "The process runs", _health, public=True),
        Endpoint("GET", "/livez", "The process runs", _health, public=True),
        Endpoint("GET", "/ready", "Configuration loaded and bundle warm", ready, public=True),
        Endpoint("GET", "/readyz", "Configuration loaded and bundle warm", ready, public=True),
        Endpoint("GET", "/startup-status", "What is loaded", _about(describe.startup)),
        Endpoint("GET", "/api/v1", "This list", told(lambda: describe.listing(table))),
        Endpoint("GET", "/openapi.json", "This list as OpenAPI", told(lambda: describe.openapi(table))),
        Endpoint("GET", "/docs", "This list as a page", page),
        Endpoint("GET", "/v1/models", "Models that clients may name", _about(describe.models)),
        Endpoint("GET", "/info/models", "The encoder's bundle and its heads", _about(describe.heads)),
        Endpoint("GET", "/info/classifier", "Labels, modes and thresholds", _about(describe.classifier)),
        Endpoint("GET", "/v1/router/outcomes", "What outcomes taught", outcomes.report),
        Endpoint(
            "POST",
            "/v1/router/outcomes",
            "What became of an answer",
            outcomes.record,
            schema=outcomes.SCHEMA,
            permission="learning.ingest",
        ),
        _post("/api/v1/eval", "What would be done with a request, and why", evaluate, _EVAL),
        _post("/api/v1/classify/intent", "The domain of a text", classify.intent, _TEXT),
        _post("/api/v1/classify/pii", "Personal data in a text", classify.pii, _TEXT),
        _post("/api/v1/classify/security", "Whether a text is an attack", classify.security, _TEXT),
        _post("/api/v1/classify/fact-check", "Whether a text asks for facts", classify.fact_check, _TEXT),
        _post(
            "/api/v1/classify/user-feedback",
            "Whether a text is feedback on an answer, and which",
            classify.user_feedback,
            _TEXT,
        ),
        _post("/api/v1/classify/combined", "Intent, PII and security of a text", classify.combined, _TEXT),
        _post("/api/v1/classify/batch", "One of these three, or all, of many texts", classify.batch, _BATCH),
        _post("/api/v1/embeddings", "Texts as vectors", embeddings.embeddings, _EMBEDDINGS),
        Endpoint("GET", "/api/v1/embeddings/models", "What makes vectors", _about(embeddings.models)),
        _post("/api/v1/similarity", "How near two texts are", embeddings.similarity, _SIMILARITY),
        _post("/api/v1/similarity/batch", "The texts nearest to one", embeddings.similarity_batch, _NEAREST),
        *(_configuration(reloader) if reloader is not None else ()),
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

    return Endpoint("POST", path, summary, handler, schema=schema, permission="classify.invoke")


def _configuration(reloader: Reloader) -> tuple[Endpoint, ...]:
    async def unused(generation: Generation, body: Mapping[str, Any]) -> Response:
        raise AssertionError("configures takes its place")

    def one(
        method: str,
        path: str,
        summary: str,
        serve: Callable[[Reloader, Sent], Awaitable[Response]],
        schema: dict[str, Any] | None = None,
    ) -> Endpoint:
        permission: Permission = "config.read" if method == "GET" else "config.write"
        configure = partial(serve, reloader)
        return Endpoint(
            method, path, summary, unused, schema=schema, permission=permission, configures=configure
        )

    return (
        one("GET", "/config/router", "What is configured, and what was rejected", config.show),
        one("PUT", "/config/router", "Replace the configuration", config.replace, _DOCUMENT),
        one("PATCH", "/config/router", "Merge into the configuration", config.patch, _DOCUMENT),
        one("POST", "/config/router/validate", "Only check a configuration", config.validate, _DOCUMENT),
        one("GET", "/config/router/versions", "Configurations that were replaced", config.versions),
        one("POST", "/config/router/rollback", "Go back to one of them", config.rollback, _VERSION),
        one("GET", "/config/hash", "Names the configuration in use", config.digest),
        one("GET", _RECIPES, "The recipes and their entrypoints", recipes.listing),
        one("POST", f"{_RECIPES}/validate", "Only check a recipe", recipes.validate, recipes.SCHEMA),
        one("GET", f"{_RECIPES}/{{name}}", "One recipe", recipes.one),
        one("PUT", f"{_RECIPES}/{{name}}", "Create or replace a recipe", recipes.replace, recipes.SCHEMA),
        one("DELETE", f"{_RECIPES}/{{name}}", "Delete a recipe that nothing asks", recipes.delete),
        one("GET", "/config/kbs", "The knowledge bases", kbs.listing),
        one("POST", "/config/kbs", "Create a knowledge base", kbs.create, kbs.SCHEMA),
        one("GET", "/config/kbs/{name}", "One knowledge base", kbs.one),
        one("PUT", "/config/kbs/{name}", "Change a knowledge base", kbs.update, kbs.SCHEMA),
        one("DELETE", "/config/kbs/{name}", "Delete a knowledge base", kbs.delete),
    )


def _about(describe: Callable[[Generation], dict[str, Any]]) -> Handler:
    async def handler(generation: Generation, body: Mapping[str, Any]) -> Response:
        return json_response(describe(generation))

    return handler


async def _health(generation: Generation, body: Mapping[str, Any]) -> Response:
    return json_response({"status": "ok"})
