"""`GET /metrics` on a port of its own, in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from vsr.errors import MethodNotAllowed, NotFound

Exposition = Callable[[], tuple[bytes, str]]


def metrics_app(exposition: Exposition) -> ASGIApp:
    """exposition: the text and its content type, asked for at every scrape."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        status, headers, body = _answer(scope["method"], scope["path"], exposition)
        fields = [(name.encode(), value.encode()) for name, value in headers.items()]
        fields.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": body})

    return app


def _answer(method: str, path: str, exposition: Exposition) -> tuple[int, dict[str, str], bytes]:
    if path != "/metrics":
        error = NotFound("Unknown path: metrics are at /metrics.")
        return error.http_status, error.headers(), error.body()
    if method not in ("GET", "HEAD"):
        refusal = MethodNotAllowed("Method not allowed here: use GET.")
        return refusal.http_status, refusal.headers() | {"allow": "GET, HEAD"}, refusal.body()
    body, content_type = exposition()
    return 200, {"content-type": content_type}, body
