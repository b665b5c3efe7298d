"""What the management API says about itself and about what is loaded."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any, Final, Protocol

from vsr import __version__
from vsr.chat.models import models_list
from vsr.generation import Generation

Result = dict[str, Any]


class Described(Protocol):
    """What an endpoint tells about itself."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def schema(self) -> Result | None: ...
    @property
    def public(self) -> bool: ...


def listing(endpoints: Sequence[Described]) -> Result:
    listed = [{"path": one.path, "method": one.method, "description": one.summary} for one in endpoints]
    return {"service": "vsr management API", "version": "v1", "endpoints": listed}


def openapi(endpoints: Sequence[Described]) -> Result:
    paths: dict[str, Result] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {"title": "vsr management API", "version": __version__},
        "paths": paths,
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _operation(endpoint: Described) -> Result:
    operation: Result = {
        "summary": endpoint.summary,
        "responses": {
            "200": {"description": "OK"},
            "default": {"description": "An error, in OpenAI's shape"},
        },
    }
    if "{name}" in endpoint.path:
        named = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
        operation["parameters"] = [named]
    if not endpoint.public:
        operation["security"] = [{"token": []}]
    if endpoint.schema is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": endpoint.schema}},
        }
    return operation


def page(endpoints: Sequence[Described]) -> str:
    """A page for people, without anything from elsewhere."""
    rows = "".join(
        f"<tr><td>{one.method}</td><td><code>{html.escape(one.path)}</code></td>"
        f"<td>{html.escape(one.summary)}</td></tr>"
        for one in endpoints
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>vsr management API</title>'
        f"<h1>vsr management API</h1><table>{rows}</table>"
        '<p>Machine-readable: <a href="/openapi.json">/openapi.json</a></p></html>'
    )


def models(generation: Generation) -> Result:
    return models_list(generation.policy, generation.created)


def startup(generation: Generation) -> Result:
    """inert: keys of the configuration that are known and have no effect yet."""
    return {
        "ready": generation.ready,
        "phase": "ready" if generation.ready else "stopping",
        "version": __version__,
        "configuration": generation.policy.digest,
        "bundle": generation.encoder.bundle.digest,
        "inert": list(generation.policy.inert),
    }


def heads(generation: Generation) -> Result:
    """`/info/models`: the bundle and its heads, one entry each, as the original lists its classifiers."""
    bundle = generation.encoder.bundle
    manifest = bundle.manifest
    labels: dict[str, list[str]] = {
        "domain": list(manifest.heads.domain.labels),
        "jailbreak": list(manifest.heads.jailbreak.labels),
        "pii": list(manifest.heads.pii.types),
        "embedding": [],
        **{name: list(head.labels) for name, head in manifest.heads.asks.items()},
    }
    return {
        "models": [
            {"name": f"{manifest.name}/{head}", "type": head, "loaded": generation.ready, "labels": names}
            for head, names in labels.items()
        ],
        "bundle": {
            "name": manifest.name,
            "version": manifest.version,
            "digest": bundle.digest,
            "base_model": manifest.base_model,
            "license": manifest.license,
            "engine": manifest.engine,
            "window_tokens": manifest.windows.tokens,
            "window_stride": manifest.windows.stride,
        },
    }


_CAPABILITIES: Final = {"fact_check": "fact-check", "feedback": "user-feedback"}
"""By head: the endpoint that asks it."""


def classifier(generation: Generation) -> Result:
    """`/info/classifier`: what is classified, and what it is held against."""
    policy, manifest = generation.policy, generation.encoder.bundle.manifest
    asks = manifest.heads.asks
    return {
        "status": "active" if generation.ready else "inactive",
        "capabilities": ["intent", "pii", "security", *(_CAPABILITIES[name] for name in asks)],
        "categories": list(manifest.heads.domain.labels),
        "pii_types": list(manifest.heads.pii.types),
        "domain_threshold": policy.domain_threshold,
        "fallback_category": policy.fallback_category,
        "jailbreak": {"mode": policy.guards.jailbreak.mode, "threshold": policy.guards.jailbreak.threshold},
        "pii": {"mode": policy.guards.pii.mode, "threshold": policy.guards.pii.threshold},
        **{name: {"labels": list(head.labels), "threshold": head.threshold} for name, head in asks.items()},
        "max_batch_size": policy.management.max_batch_size,
    }
