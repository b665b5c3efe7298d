"""`/config/router/recipes`: one recipe and its entrypoints at a time, the document's own routing among
them as `default`.

Changes need If-Match, so that nobody overwrites what somebody else has just written.
"""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from vsr.config.paths import Plain
from vsr.config.resolve import DEFAULT_RECIPE
from vsr.config.yamlfile import parse_yaml
from vsr.doors.management.saving import (
    Result,
    Sent,
    change,
    check,
    described,
    edited,
    etag,
    parse,
    respond,
)
from vsr.errors import Conflict, InvalidRequest, NotFound
from vsr.reload import Active, Reloader

Written = dict[str, Plain]

SCHEMA = {
    "type": "object",
    "required": ["routing"],
    "properties": {
        "name": {"type": "string"},
        "description": {"type": "string"},
        "routing": {"type": "object"},
        "entrypoints": {
            "type": "array",
            "items": {"type": "object", "properties": {"model_names": {"type": "array"}}},
        },
    },
}


async def listing(reloader: Reloader, sent: Sent) -> Response:
    active = reloader.active
    data = await asyncio.to_thread(_document, active)
    names = [DEFAULT_RECIPE, *(str(one.get("name")) for one in _entries(data, "recipes"))]
    return respond({"recipes": [_shown(data, name) for name in names]}, headers=etag(active))


async def one(reloader: Reloader, sent: Sent) -> Response:
    active = reloader.active
    data = await asyncio.to_thread(_document, active)
    return respond(_shown(data, sent.name), headers=etag(active))


async def validate(reloader: Reloader, sent: Sent) -> Response:
    """Body: a recipe with its name. Nothing is written."""
    given = await asyncio.to_thread(parse, sent)
    name = given.get("name")
    if not isinstance(name, str) or not name:
        raise InvalidRequest("A recipe needs a name.", param="name")
    return await check(reloader, await edited(reloader, lambda data: _put(data, name, given)))


async def replace(reloader: Reloader, sent: Sent) -> Response:
    _demand_match(sent)
    given = await asyncio.to_thread(parse, sent)
    if given.get("name", sent.name) != sent.name:
        raise InvalidRequest("The recipe's name is not that of the path.", param="name")
    shown: Result = {}

    def edit(data: Written) -> Written:
        after = _put(data, sent.name, given)
        shown.update(_shown(after, sent.name))
        return after

    def answer(active: Active) -> Response:
        return respond(described(active) | shown, headers=etag(active))

    return await change(reloader, sent, edit, answer)


async def delete(reloader: Reloader, sent: Sent) -> Response:
    _demand_match(sent)
    data = await asyncio.to_thread(_document, reloader.active)
    _known(data, sent.name)
    if sent.name == DEFAULT_RECIPE:
        raise Conflict("The document's own routing cannot be deleted.", code="recipe_protected")
    if _entrypoints(data, sent.name):
        raise Conflict("Entrypoints ask this recipe: move them first.", code="recipe_in_use")
    return await change(reloader, sent, lambda data: _without(data, sent.name))


def _demand_match(sent: Sent) -> None:
    if not sent.match.strip():
        message = "Send If-Match with the ETag of what you have read; * stands for whatever is there."
        raise InvalidRequest(message, status=428, code="precondition_required")


def _document(active: Active) -> Written:
    """As it is written: references to the environment stay what they are."""
    data = parse_yaml(active.text, "").data
    return data if isinstance(data, dict) else {}


def _entries(data: Written, key: str) -> list[Written]:
    found = data.get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _entrypoints(data: Written, name: str) -> list[Written]:
    return [one for one in _entries(data, "entrypoints") if one.get("recipe") == name]


def _known(data: Written, name: str) -> Written:
    """The recipe as it is written."""
    if name == DEFAULT_RECIPE:
        return {"name": name, "routing": data.get("routing") or {}}
    found = next((one for one in _entries(data, "recipes") if one.get("name") == name), None)
    if found is None:
        raise NotFound("There is no such recipe: see /config/router/recipes.", param="name")
    return found


def _shown(data: Written, name: str) -> Result:
    recipe = _known(data, name)
    entrypoints = [{"model_names": one.get("model_names")} for one in _entrypoints(data, name)]
    return {
        "name": name,
        "description": recipe.get("description", ""),
        "routing": recipe.get("routing"),
        "entrypoints": entrypoints,
    }


def _put(data: Written, name: str, given: Written) -> Written:
    """The document with this recipe; entrypoints that are not given stay."""
    if not isinstance(given.get("routing"), dict):
        raise InvalidRequest("A recipe needs routing, a mapping.", param="routing")
    own = {key: value for key, value in given.items() if key not in ("name", "entrypoints")}
    if name == DEFAULT_RECIPE:
        if own.get("description") == "":  # as it is shown
            del own["description"]
        if set(own) - {"routing"}:
            raise InvalidRequest("The document's own routing has no description.", param="description")
        result = data | own
    else:
        before = _entries(data, "recipes")
        names = [one.get("name") for one in before]
        entry: Written = {"name": name, **own}
        after = [entry if one.get("name") == name else one for one in before]
        result = data | {"recipes": [*after] if name in names else [*after, entry]}
    if "entrypoints" not in given:
        return result
    entries = _entries(given, "entrypoints")
    if entries != given["entrypoints"]:
        raise InvalidRequest("entrypoints must be a list of mappings.", param="entrypoints")
    asked = [{**one, "recipe": name} for one in entries]
    others = [one for one in _entries(data, "entrypoints") if one.get("recipe") != name]
    return result | {"entrypoints": [*others, *asked]}


def _without(data: Written, name: str) -> Plain:
    return data | {"recipes": [one for one in _entries(data, "recipes") if one.get("name") != name]}
