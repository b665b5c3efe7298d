"""The ASGI application of the management API: routes, tokens, bodies in, errors out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp

from vsr.chat.body import decode_body, parse_json
from vsr.config.policy import Policy
from vsr.doors.caller import read_body
from vsr.doors.management.endpoints import Endpoint, endpoints
from vsr.doors.management.judging import INVALID_INPUT
from vsr.doors.management.permissions import authorize
from vsr.doors.management.saving import Sent
from vsr.errors import (
    ClientGone,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    RequestError,
    TooLarge,
    log_crash,
)
from vsr.generation import Live
from vsr.reload import Reloader

logger = logging.getLogger(__name__)

T = TypeVar("T")

_OFF_LOOP = 256 * 1024  # bytes of body from which on parsing leaves the event loop
_UPLOAD = 60.0  # seconds for a body to arrive


def management_app(live: Live, reloader: Reloader | None = None) -> ASGIApp:
    """Without a reloader the configuration is neither shown nor changed."""
    table = endpoints(reloader)
    routes = [Route(one.path, _endpoint(one, live), methods=[one.method]) for one in table]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _not_served})
    app.router.redirect_slashes = False
    return app


def _endpoint(endpoint: Endpoint, live: Live) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        try:
            generation = live.current
            if not endpoint.public:
                authorize(request, generation.policy.management.tokens, endpoint.permission)
            if endpoint.configures is not None:
                return await endpoint.configures(await _sent(request, generation.policy))
            body = await _body(request, generation.policy) if endpoint.method == "POST" else {}
            return await endpoint.handler(generation, body)
        except RequestError as error:
            return _refusal(error)
        except Exception as error:  # noqa: BLE001 # the server's own log would show values
            log_crash(logger, f"{endpoint.path} failed", error)
            return _refusal(InternalError("Internal error. Contact your administrator."))

    return serve


async def _body(request: Request, policy: Policy) -> dict[str, Any]:
    def parse(raw: bytes) -> dict[str, Any]:
        return parse_json(raw, policy.limits.max_nesting)

    return await _read(request, policy, parse)


async def _sent(request: Request, policy: Policy) -> Sent:
    def decode(raw: bytes) -> str:
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise InvalidRequest("The body is not UTF-8 text.") from None

    text = await _read(request, policy, decode) if request.method in ("POST", "PUT", "PATCH") else ""
    headers = request.headers
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    name = str(request.path_params.get("name", ""))
    return Sent(text, media, headers.get("if-match", ""), headers.get("accept", "").lower(), name)


async def _read(request: Request, policy: Policy, parse: Callable[[bytes], T]) -> T:
    limit = policy.limits.max_body_bytes

    def too_large() -> TooLarge:
        return TooLarge(f"The request body is over the limit of {limit} bytes.")

    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise too_large()
    raw = await read_body(request.receive, limit, too_large, seconds=_UPLOAD)

    def decode() -> T:
        return parse(decode_body(raw, request.headers.get("content-encoding"), limit))

    # what a packed body unpacks to is known afterwards
    large = len(raw) >= _OFF_LOOP or "content-encoding" in request.headers
    return await asyncio.to_thread(decode) if large else decode()


def _refusal(error: RequestError) -> Response:
    if isinstance(error, ClientGone):
        return Response(status_code=error.http_status)  # nobody reads it
    if isinstance(error, InvalidRequest) and error.error_code == InvalidRequest.code:
        error = InvalidRequest(error.message, param=error.param, code=INVALID_INPUT)
    return Response(error.body(), error.http_status, headers=error.headers())


async def _not_served(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException) and error.status_code == 405:
        allowed = ", ".join(_methods(request))
        response = _refusal(MethodNotAllowed(f"Method not allowed here: use {allowed}."))
        response.headers["allow"] = allowed
        return response
    return _refusal(NotFound("Unknown path: see /api/v1 for what is served here."))


def _methods(request: Request) -> list[str]:
    """Those of every route to this path: the framework names the first route's only."""
    routes = [one for one in request.app.routes if one.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for one in routes for method in one.methods})
