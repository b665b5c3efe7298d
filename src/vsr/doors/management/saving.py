"""Saving a configuration that came over the management API, or a part of one, and the errors on the way.

Everything that changes goes through `reload`: checked, saved with the text that it replaces kept as a
version, put in use.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from vsr.chat.body import dump_json, parse_json
from vsr.config.comments import with_comments
from vsr.config.load import LoadedConfig
from vsr.config.paths import Plain
from vsr.config.storage import ConfigFile, digest_of
from vsr.config.yamlfile import parse_yaml, to_yaml
from vsr.errors import (
    ConfigError,
    Conflict,
    InvalidRequest,
    NotSaved,
    Problem,
    RequestError,
    RestartNeeded,
    SelectorError,
    Stale,
    StorageFailed,
)
from vsr.reload import Active, Reloader

Result = dict[str, Any]
Edit = Callable[[dict[str, Plain]], Plain]
"""A document into the one that takes its place; raises RequestError."""

MAX_NESTING = 64
JSON = ("application/json", "application/merge-patch+json")


@dataclass(frozen=True, slots=True)
class Sent:
    """What a client sent: `text` is the body, `media` its type, `match` the header If-Match, `name` what
    the path names."""

    text: str
    media: str
    match: str
    accept: str
    name: str = ""


def saved(active: Active) -> Response:
    return respond(described(active), headers=etag(active))


async def change(
    reloader: Reloader, sent: Sent, edit: Edit, answer: Callable[[Active], Response] = saved
) -> Response:
    """The file with an edit, in use: comments stay where what they stand at stays. Raises RequestError."""
    text, found = await _current(reloader)
    written = await asyncio.to_thread(_edited, text, reloader.source.name, edit)
    return await put(reloader, written, expected_digest(reloader, sent) or found, answer)


async def edited(reloader: Reloader, edit: Edit) -> str:
    """What `change` would save."""
    text, _ = await _current(reloader)
    return await asyncio.to_thread(_edited, text, reloader.source.name, edit)


async def check(reloader: Reloader, text: str) -> Response:
    """200 also for a wrong document: the question was answered."""
    answer: Result = {"valid": True, "errors": [], "warnings": [], "inert": [], "restart_needed": []}
    try:
        remarks: LoadedConfig | RestartNeeded = await reloader.check(text)
    except RestartNeeded as error:
        remarks = error
        answer["restart_needed"] = [one.message for one in error.problems]
    except (ConfigError, SelectorError) as error:
        return respond(answer | {"valid": False, "errors": listed(problems_of(error))})
    return respond(answer | {"warnings": listed(remarks.warnings), "inert": listed(remarks.inert)})


async def put(
    reloader: Reloader, text: str, expected: str, answer: Callable[[Active], Response] = saved
) -> Response:
    """expected: digest of what is replaced, empty for whatever is there. answer: to a change that is in
    use. Raises RequestError."""
    try:
        active = await reloader.put(text, expected=expected)
    except RestartNeeded as error:
        return _refused(Conflict(_first(error), code="restart_required"), error.problems)
    except (ConfigError, SelectorError) as error:
        return _refused(InvalidRequest(_first(error), code="INVALID_CONFIG"), problems_of(error))
    except Stale as error:
        raise InvalidRequest(str(error), status=412, code="precondition_failed") from None
    except NotSaved as error:
        raise _storage_error(error) from None
    return answer(active)


async def _current(reloader: Reloader) -> tuple[str, str]:
    """The file's text and digest. Conflict if it is not what is in use, or is gone."""
    try:
        text = await asyncio.to_thread(file_of(reloader).read)
    except ConfigError as error:
        raise _unclear(f"The file cannot be used ({error})") from None
    found = digest_of(text)
    if found != reloader.active.digest:
        raise _unclear("The file does not hold what is in use")
    return text, found


def _unclear(why: str) -> Conflict:
    return Conflict(
        f"{why}, so it is not clear what to change: "
        "replace it with PUT /config/router, or go back with /config/router/rollback.",
        code="config_rejected",
    )


def _edited(text: str, name: str, edit: Edit) -> str:
    source = parse_yaml(text, name)
    data = source.data if isinstance(source.data, dict) else {}
    return with_comments(edit(data), text, source.lines)[0]


def _storage_error(error: NotSaved) -> RequestError:
    if error.reason == "read_only":
        return Conflict(str(error), code="config_read_only")
    if error.reason == "full":
        return StorageFailed(str(error), status=507, code="insufficient_storage")
    return StorageFailed(str(error))


def file_of(reloader: Reloader) -> ConfigFile:
    file = reloader.source.file
    if file is None:
        raise Conflict(
            "This router was started without a configuration file: start it with --config FILE.",
            code="config_read_only",
        )
    return file


def expected_digest(reloader: Reloader, sent: Sent) -> str:
    """The digest that If-Match asks for; empty if any will do."""
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in sent.match.split(",") if tag.strip()]
    if not tags or "*" in tags:
        return ""
    return reloader.active.digest if reloader.active.digest in tags else tags[0]


async def text_of(sent: Sent) -> str:
    """The document as YAML: as it was sent, or written out if it was sent as JSON."""
    if not sent.text.strip():
        raise InvalidRequest("The body is empty: send the configuration as YAML or JSON.")
    if sent.media not in JSON:
        return sent.text
    return to_yaml(await asyncio.to_thread(parse, sent))


def parse(sent: Sent) -> dict[str, Plain]:
    if sent.media in JSON:
        return parse_json(sent.text.encode(), MAX_NESTING)
    try:
        data = parse_yaml(sent.text, "body").data
    except ConfigError as error:
        raise InvalidRequest(str(error)) from None
    if not isinstance(data, dict):
        raise InvalidRequest("The body must be a mapping.")
    return data


def described(active: Active) -> Result:
    return {
        "hash": active.digest,
        "generation": active.generation,
        "warnings": listed(active.loaded.warnings),
        "inert": listed(active.loaded.inert),
    }


def problems_of(error: ConfigError | SelectorError) -> Sequence[Problem]:
    return error.problems if isinstance(error, ConfigError) else [Problem(str(error))]


def _first(error: ConfigError | SelectorError) -> str:
    problems = problems_of(error)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{problems[0]}{more}"


def _refused(error: RequestError, problems: Sequence[Problem]) -> Response:
    """The error, and everything that is wrong beside it."""
    payload = {"error": error.as_dict(), "errors": listed(problems)}
    return respond(payload, error.http_status, error.headers())


def listed(problems: Sequence[Problem]) -> list[Result]:
    return [{"message": one.message, "path": one.path, "line": one.line} for one in problems]


def etag(active: Active) -> dict[str, str]:
    return {"etag": f'"{active.digest}"', "cache-control": "no-store"}


def respond(payload: Result, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(dump_json(payload), status, headers, media_type="application/json")
