"""`/config/kbs`: the knowledge bases that signals compare with, listed, shown and changed.

What is created or changed here stands in the configuration file, examples included, so that it has
versions and can be gone back from. Files that a configuration names are shown and never written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.responses import Response

from vsr.config.knowledge import BUILT_IN, built_in, knowledge_bases
from vsr.config.paths import Plain
from vsr.config.resolve import DEFAULT_RECIPE
from vsr.config.schema import Document
from vsr.config.schema.catalog import KnowledgeBase
from vsr.doors.management.saving import Result, Sent, change, etag, parse, respond
from vsr.errors import ConfigError, Conflict, Forbidden, InvalidRequest, NotFound
from vsr.reload import Active, Reloader
from vsr.signals.kb import read_exemplars

_KEPT = "prototype_scoring"
"""What cannot be sent, and stays as it is."""
SCHEMA = {
    "type": "object",
    "required": ["labels"],
    "properties": {
        "name": {"type": "string"},
        "threshold": {"type": "number"},
        "label_thresholds": {"type": "object"},
        "description": {"type": "string"},
        "labels": {"type": "array", "items": {"type": "object", "required": ["name", "exemplars"]}},
        "groups": {"type": "object"},
        "metrics": {"type": "array"},
    },
}


async def listing(reloader: Reloader, sent: Sent) -> Response:
    active = reloader.active
    items = await asyncio.to_thread(lambda: [_shown(base, active) for base in _all(active).values()])
    return respond({"items": items}, headers=etag(active))


async def one(reloader: Reloader, sent: Sent) -> Response:
    active = reloader.active
    shown = await asyncio.to_thread(_shown, _known(active, sent.name), active)
    return respond(shown, headers=etag(active))


async def create(reloader: Reloader, sent: Sent) -> Response:
    given = await asyncio.to_thread(_entry, sent)
    name = given.get("name")
    if not isinstance(name, str) or not name:
        raise InvalidRequest("A knowledge base needs a name.", param="name")
    if name in _all(reloader.active):
        raise Conflict(
            "There is a knowledge base of this name: change it with PUT.", code="KB_EXISTS", param="name"
        )
    return await change(
        reloader, sent, lambda data: _put(data, name, given), lambda active: _answer(active, name, 201)
    )


async def update(reloader: Reloader, sent: Sent) -> Response:
    """A built-in base gets an entry of its own in the file, which comes before it."""
    _known(reloader.active, sent.name)
    given = await asyncio.to_thread(_entry, sent)
    if given.get("name", sent.name) != sent.name:
        raise InvalidRequest("The knowledge base's name is not that of the path.", param="name")
    return await change(
        reloader,
        sent,
        lambda data: _put(data, sent.name, given),
        lambda active: _answer(active, sent.name, 200),
    )


async def delete(reloader: Reloader, sent: Sent) -> Response:
    _known(reloader.active, sent.name)
    if sent.name not in _own(reloader.active.loaded.document):
        raise Forbidden("A built-in knowledge base cannot be deleted.", code="KB_READ_ONLY")
    gone = {"status": "deleted", "name": sent.name}
    return await change(
        reloader,
        sent,
        lambda data: _put(data, sent.name, None),
        lambda active: respond(gone, headers=etag(active)),
    )


# ---------------------------------------------------------------- what there is


def _own(document: Document) -> dict[str, KnowledgeBase]:
    return {base.name: base for base in knowledge_bases(document) if base.name in _written(document)}


def _written(document: Document) -> set[str]:
    return {base.name for base in document.global_.model_catalog.kbs}


def _all(active: Active) -> Mapping[str, KnowledgeBase]:
    own = _own(active.loaded.document)
    return own | {name: built_in(name) for name in BUILT_IN if name not in own}


def _known(active: Active, name: str) -> KnowledgeBase:
    found = _all(active).get(name)
    if found is None:
        raise NotFound("There is no such knowledge base: see /config/kbs.", code="KB_NOT_FOUND", param="name")
    return found


def _answer(active: Active, name: str, status: int) -> Response:
    return respond(_shown(_known(active, name), active), status, etag(active))


def _shown(base: KnowledgeBase, active: Active) -> Result:
    exemplars, error = _exemplars(base, active)
    labels = [
        {
            "name": name,
            "description": base.labels[name].description if name in base.labels else "",
            "exemplars": list(texts),
        }
        for name, texts in exemplars.items()
    ]
    written = base.name in _written(active.loaded.document)
    shown: Result = {
        "name": base.name,
        "builtin": not written,
        "managed": written and not base.source.path,
        "editable": True,
        "description": base.description,
        "threshold": base.threshold,
        "label_thresholds": base.label_thresholds,
        "source": base.source.model_dump(),
        "labels": labels,
        "groups": {name: list(members) for name, members in base.groups.items()},
        "metrics": [metric.model_dump() for metric in base.metrics],
        "signal_references": _references(base.name, active.loaded.document),
        "bind_options": {
            "labels": list(exemplars),
            "groups": list(base.groups),
            "metrics": ["best_score", "best_matched_score", *(metric.name for metric in base.metrics)],
        },
    }
    return shown | ({"load_error": error} if error else {})


def _exemplars(base: KnowledgeBase, active: Active) -> tuple[Mapping[str, tuple[str, ...]], str]:
    """Those that are compared with, from wherever they come, or why there are none."""
    compiled = {one.name: one for one in active.loaded.policy.signals.knowledge_bases}
    if base.name not in compiled:
        return {name: label.exemplars for name, label in base.labels.items()}, ""
    try:
        return read_exemplars(compiled[base.name]), ""
    except ConfigError as error:
        return {}, str(error)


def _references(name: str, document: Document) -> list[Result]:
    routings = [(DEFAULT_RECIPE, document.routing), *((one.name, one.routing) for one in document.recipes)]
    return [
        {"recipe": recipe, "name": rule.name}
        for recipe, routing in routings
        for rule in routing.signals.kb
        if rule.kb == name
    ]


# ---------------------------------------------------------------- changes


def _entry(sent: Sent) -> dict[str, Plain]:
    """An entry of `global.model_catalog.kbs` from what was sent; what is wrong in it, lint says."""
    given = dict(parse(sent))
    labels = given.get("labels")
    if isinstance(labels, list):
        named = [label for label in labels if isinstance(label, dict) and isinstance(label.get("name"), str)]
        if len(named) != len(labels) or len({label["name"] for label in named}) != len(labels):
            raise InvalidRequest("Every label needs a name of its own.", param="labels")
        given["labels"] = {
            str(label["name"]): {key: value for key, value in label.items() if key != "name"}
            for label in named
        }
    elif not isinstance(labels, dict):
        raise InvalidRequest("labels must be a list of {name, exemplars}.", param="labels")
    return given


def _put(data: dict[str, Plain], name: str, entry: dict[str, Plain] | None) -> Plain:
    """The document with this entry in the place of the one of its name, or without it."""
    root = _mapping(data, "global")
    catalog = _mapping(root, "model_catalog")
    written = catalog.get("kbs")
    entries = list(written) if isinstance(written, list) else []
    place = next((n for n, one in enumerate(entries) if _named(one, name)), len(entries))
    before = entries[place] if place < len(entries) else None
    kept = {key: one for key, one in before.items() if key == _KEPT} if isinstance(before, dict) else {}
    entries[place : place + 1] = [] if entry is None else [{"name": name, **kept, **entry}]
    return data | {"global": root | {"model_catalog": catalog | {"kbs": entries}}}


def _named(entry: Plain, name: str) -> bool:
    return isinstance(entry, dict) and entry.get("name") == name


def _mapping(data: dict[str, Plain], key: str) -> dict[str, Plain]:
    found = data.get(key)
    return found if isinstance(found, dict) else {}
