"""`/config/...`: what is configured, what was rejected, and changing it.

Everything that changes goes through `reload`: checked, saved with the text that it replaces kept as a
version, put in use. Secrets cannot show, since a configuration holds references to them only.
"""

from __future__ import annotations

import asyncio
import time

from starlette.responses import Response

from vsr.chat.body import parse_json
from vsr.config.paths import Plain
from vsr.config.storage import KEPT_VERSIONS
from vsr.config.yamlfile import parse_yaml
from vsr.doors.management.saving import (
    JSON,
    MAX_NESTING,
    Result,
    Sent,
    change,
    check,
    described,
    etag,
    expected_digest,
    file_of,
    listed,
    parse,
    put,
    respond,
    text_of,
)
from vsr.errors import NotFound, UnsupportedEncoding
from vsr.reload import Rejected, Reloader

_YAML = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")


async def show(reloader: Reloader, sent: Sent) -> Response:
    active = reloader.active
    if any(media in sent.accept for media in _YAML):
        return Response(active.text, media_type="application/yaml", headers=etag(active))
    file = reloader.source.file
    reason = await asyncio.to_thread(file.read_only) if file is not None else "there is no file"
    payload = described(active) | {
        "source": reloader.source.name,
        "loaded_at": _timestamp(active.since),
        "read_only": reason or None,
        "config": (await asyncio.to_thread(parse_yaml, active.text, reloader.source.name)).data,
        "rejected": _rejected(reloader.rejected),
    }
    return respond(payload, headers=etag(active))


async def digest(reloader: Reloader, sent: Sent) -> Response:
    active, rejected = reloader.active, reloader.rejected
    payload = {
        "hash": active.digest,
        "generation": active.generation,
        "rejected": rejected.digest if rejected is not None else None,
    }
    return respond(payload, headers=etag(active))


async def versions(reloader: Reloader, sent: Sent) -> Response:
    file = file_of(reloader)
    kept = await asyncio.to_thread(file.versions)
    entries = [
        {"version": one.id, "hash": one.digest, "saved_at": one.saved, "bytes": one.size} for one in kept
    ]
    return respond({"hash": reloader.active.digest, "versions": entries, "kept_at_most": KEPT_VERSIONS})


async def validate(reloader: Reloader, sent: Sent) -> Response:
    return await check(reloader, await text_of(sent))


async def replace(reloader: Reloader, sent: Sent) -> Response:
    return await put(reloader, await text_of(sent), expected_digest(reloader, sent))


async def patch(reloader: Reloader, sent: Sent) -> Response:
    """A merge patch (RFC 7396) upon the file."""
    wanted = await asyncio.to_thread(parse, sent)
    return await change(reloader, sent, lambda data: _merge(data, wanted))


async def rollback(reloader: Reloader, sent: Sent) -> Response:
    """Body: `{"version": ID}`; without it the newest version."""
    if sent.media not in JSON:  # what a form of a foreign web page cannot send
        raise UnsupportedEncoding("Send content-type: application/json.", code="unsupported_media_type")
    file = file_of(reloader)
    name = parse_json(sent.text.encode() or b"{}", MAX_NESTING).get("version")
    if name is None:
        kept = await asyncio.to_thread(file.versions)
        name = kept[0].id if kept else ""
    text = await asyncio.to_thread(file.version, name) if isinstance(name, str) else None
    if text is None:
        raise NotFound("There is no such version: see /config/router/versions.", param="version")
    return await put(reloader, text, expected_digest(reloader, sent))


def _rejected(rejected: Rejected | None) -> Result | None:
    if rejected is None:
        return None
    return {
        "hash": rejected.digest or None,
        "since": _timestamp(rejected.since),
        "errors": listed(rejected.problems),
    }


def _timestamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _merge(data: Plain, change: Plain) -> Plain:
    if not isinstance(change, dict):
        return change
    merged = dict(data) if isinstance(data, dict) else {}
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged
