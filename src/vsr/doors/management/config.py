"""`/config/...`: what is configured, what was rejected, and changing it.

Everything that changes goes through `reload`: checked, saved with the text that it replaces kept as a
version, put in use. Secrets cannot show, since a configuration holds references to them only.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from vsr.chat.body import dump_json, parse_json
from vsr.config.comments import with_comments
from vsr.config.paths import Plain
from vsr.config.storage import KEPT_VERSIONS, ConfigFile, digest_of
from vsr.config.yamlfile import parse_yaml, to_yaml
from vsr.errors import (
    ConfigError,
    Conflict,
    InvalidRequest,
    NotFound,
    NotSaved,
    Problem,
    RequestError,
    RestartNeeded,
    SelectorError,
    Stale,
    StorageFailed,
    UnsupportedEncoding,
)
from vsr.reload import Active, Rejected, Reloader

Result = dict[str, Any]

_MAX_NESTING = 64
_JSON = ("application/json", "application/merge-patch+json")
_YAML = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")


@dataclass(frozen=True, slots=True)
class Sent:
    """What a client sent: `text` is the body, `media` its type, `match` the header If-Match."""

    text: str
    media: str
    match: str
    accept: str


async def show(reloader: Reloader, sent: Sent) -> Response:
    active = reloader.active
    if any(media in sent.accept for media in _YAML):
        return Response(active.text, media_type="application/yaml", headers=_etag(active))
    file = reloader.source.file
    reason = await asyncio.to_thread(file.read_only) if file is not None else "there is no file"
    payload = _described(active) | {
        "source": reloader.source.name,
        "loaded_at": _timestamp(active.since),
        "read_only": reason or None,
        "config": parse_yaml(active.text, reloader.source.name).data,
        "rejected": _rejected(reloader.rejected),
    }
    return _json(payload, headers=_etag(active))


async def digest(reloader: Reloader, sent: Sent) -> Response:
    active, rejected = reloader.active, reloader.rejected
    payload = {
        "hash": active.digest,
        "generation": active.generation,
        "rejected": rejected.digest if rejected is not None else None,
    }
    return _json(payload, headers=_etag(active))


async def versions(reloader: Reloader, sent: Sent) -> Response:
    file = _file(reloader)
    kept = await asyncio.to_thread(file.versions)
    listed = [
        {"version": one.id, "hash": one.digest, "saved_at": one.saved, "bytes": one.size} for one in kept
    ]
    return _json({"hash": reloader.active.digest, "versions": listed, "kept_at_most": KEPT_VERSIONS})


async def validate(reloader: Reloader, sent: Sent) -> Response:
    """200 also for a wrong document: the question was answered."""
    try:
        loaded = await reloader.check(await _text(sent))
    except RestartNeeded as error:
        return _json({"valid": True, "errors": [], "restart_needed": [one.message for one in error.problems]})
    except (ConfigError, SelectorError) as error:
        return _json({"valid": False, "errors": _listed(_problems(error))})
    remarks = {"warnings": _listed(loaded.warnings), "inert": _listed(loaded.inert)}
    return _json({"valid": True, "errors": [], **remarks, "restart_needed": []})


async def replace(reloader: Reloader, sent: Sent) -> Response:
    return await _put(reloader, await _text(sent), _expected(reloader, sent))


async def patch(reloader: Reloader, sent: Sent) -> Response:
    """A merge patch (RFC 7396) upon the file; comments stay where what they stand at stays."""
    file = _file(reloader)
    text = await asyncio.to_thread(file.read)
    found = digest_of(text)
    if found != reloader.active.digest:
        raise Conflict(
            "The file does not hold what is in use, so it is not clear what to patch: "
            "replace it with PUT, or go back with /config/router/rollback.",
            code="config_rejected",
        )
    change = await asyncio.to_thread(_parse, sent)

    def merged() -> str:
        source = parse_yaml(text, reloader.source.name)
        return with_comments(_merge(source.data, change), text, source.lines)[0]

    return await _put(reloader, await asyncio.to_thread(merged), _expected(reloader, sent) or found)


async def rollback(reloader: Reloader, sent: Sent) -> Response:
    """Body: `{"version": ID}`; without it the newest version."""
    if sent.media not in _JSON:  # what a form of a foreign web page cannot send
        raise UnsupportedEncoding("Send content-type: application/json.", code="unsupported_media_type")
    file = _file(reloader)
    name = parse_json(sent.text.encode() or b"{}", _MAX_NESTING).get("version")
    if name is None:
        kept = await asyncio.to_thread(file.versions)
        name = kept[0].id if kept else ""
    text = await asyncio.to_thread(file.version, name) if isinstance(name, str) else None
    if text is None:
        raise NotFound("There is no such version: see /config/router/versions.", param="version")
    return await _put(reloader, text, _expected(reloader, sent))


async def _put(reloader: Reloader, text: str, expected: str) -> Response:
    try:
        active = await reloader.put(text, expected=expected)
    except RestartNeeded as error:
        return _refused(Conflict(_first(error), code="restart_required"), error.problems)
    except (ConfigError, SelectorError) as error:
        return _refused(InvalidRequest(_first(error), code="INVALID_CONFIG"), _problems(error))
    except Stale as error:
        raise InvalidRequest(str(error), status=412, code="precondition_failed") from None
    except NotSaved as error:
        raise _storage_error(error) from None
    return _json(_described(active), headers=_etag(active))


def _storage_error(error: NotSaved) -> RequestError:
    if error.reason == "read_only":
        return Conflict(str(error), code="config_read_only")
    if error.reason == "full":
        return StorageFailed(str(error), status=507, code="insufficient_storage")
    return StorageFailed(str(error))


def _file(reloader: Reloader) -> ConfigFile:
    file = reloader.source.file
    if file is None:
        raise Conflict(
            "This router was started without a configuration file: start it with --config FILE.",
            code="config_read_only",
        )
    return file


def _expected(reloader: Reloader, sent: Sent) -> str:
    """The digest that If-Match asks for; empty if any will do."""
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in sent.match.split(",") if tag.strip()]
    if not tags or "*" in tags:
        return ""
    return reloader.active.digest if reloader.active.digest in tags else tags[0]


async def _text(sent: Sent) -> str:
    """The document as YAML: as it was sent, or written out if it was sent as JSON."""
    if not sent.text.strip():
        raise InvalidRequest("The body is empty: send the configuration as YAML or JSON.")
    if sent.media not in _JSON:
        return sent.text
    return to_yaml(await asyncio.to_thread(_parse, sent))


def _parse(sent: Sent) -> dict[str, Plain]:
    if sent.media in _JSON:
        return parse_json(sent.text.encode(), _MAX_NESTING)
    try:
        data = parse_yaml(sent.text, "body").data
    except ConfigError as error:
        raise InvalidRequest(str(error)) from None
    if not isinstance(data, dict):
        raise InvalidRequest("The body must be a mapping.")
    return data


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


def _described(active: Active) -> Result:
    return {
        "hash": active.digest,
        "generation": active.generation,
        "warnings": _listed(active.loaded.warnings),
        "inert": _listed(active.loaded.inert),
    }


def _rejected(rejected: Rejected | None) -> Result | None:
    if rejected is None:
        return None
    return {
        "hash": rejected.digest or None,
        "since": _timestamp(rejected.since),
        "errors": _listed(rejected.problems),
    }


def _problems(error: ConfigError | SelectorError) -> Sequence[Problem]:
    return error.problems if isinstance(error, ConfigError) else [Problem(str(error))]


def _first(error: ConfigError | SelectorError) -> str:
    problems = _problems(error)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{problems[0]}{more}"


def _refused(error: RequestError, problems: Sequence[Problem]) -> Response:
    """The error, and everything that is wrong beside it."""
    payload = {"error": error.as_dict(), "errors": _listed(problems)}
    return _json(payload, error.http_status, error.headers())


def _listed(problems: Sequence[Problem]) -> list[Result]:
    return [{"message": one.message, "path": one.path, "line": one.line} for one in problems]


def _etag(active: Active) -> dict[str, str]:
    return {"etag": f'"{active.digest}"', "cache-control": "no-store"}


def _timestamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _json(payload: Result, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(dump_json(payload), status, headers, media_type="application/json")
