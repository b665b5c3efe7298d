"""The JSON Schema of a configuration file, for editors: which keys exist, what they take and mean.

It follows from the same models and tables that loading uses, so an editor and `vsr validate` agree about
keys and types. What only lint sees (references, contradictions) an editor cannot.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from vsr.config.pending import KEYS
from vsr.config.pending_entry import Pending
from vsr.config.schema import Document

Schema = dict[str, Any]

_DESCRIPTIONS: Final = Path(__file__).parent / "descriptions.json"
_REFERENCE: Final[Schema] = {"type": "string", "pattern": r"\$\{"}
_KEYWORDS: Final = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
"""Constraints that pydantic leaves in its own words."""
_SCALARS: Final = ("integer", "number", "boolean")


def json_schema() -> Schema:
    """Draft 2020-12. Numbers and switches may also be references to the environment."""
    schema = Document.model_json_schema(by_alias=True, mode="validation")
    definitions: Schema = schema.pop("$defs", {})
    whole = _inlined(schema, definitions, ())
    for path, text in json.loads(_DESCRIPTIONS.read_text(encoding="utf-8")).items():
        for place in _places(whole, _steps(path)):
            place["description"] = text
    for path, pending in KEYS.items():
        _add_pending(whole, _steps(path), pending)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "VSR configuration",
        "$defs": {"Rule": _referable(_inlined(definitions["Rule"], definitions, ("Rule",)))},
        **_referable(whole),
    }


def _inlined(schema: Any, definitions: Schema, inside: tuple[str, ...]) -> Any:
    """Every section at its own place, since its description depends on that; rules, which nest, stay."""
    if isinstance(schema, list):
        return [_inlined(item, definitions, inside) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name == "Rule":
            return {"$ref": "#/$defs/Rule"}
        rest = {key: value for key, value in schema.items() if key not in ("$ref", "default")}
        return {**_inlined(definitions[name], definitions, (*inside, name)), **rest}
    kept = {key: value for key, value in schema.items() if key not in ("title", "discriminator")}
    if schema.get("type") == "object":
        kept.pop("description", None)  # a class's docstring speaks to programmers
    result = {key: _inlined(value, definitions, inside) for key, value in kept.items()}
    if "title" in schema.get("properties", {}):
        result["properties"]["title"] = _inlined(schema["properties"]["title"], definitions, inside)
    return result


def _steps(path: str) -> list[str]:
    """`routing.decisions[].name` as routing, decisions, [], name."""
    return [step for step in re.split(r"\.|(\[\])", path) if step]


def _places(schema: Schema, steps: list[str]) -> Iterator[Schema]:
    """The schemas that stand at a path; several where a section is one of many."""
    for option in _options(schema):
        if not steps:
            yield schema
            return
        step, *rest = steps
        inner = _child(option, step)
        if isinstance(inner, dict):
            yield from _places(inner, rest)


def _options(schema: Schema) -> list[Schema]:
    members = [*schema.get("anyOf", []), *schema.get("oneOf", [])]
    return [option for member in members for option in _options(member)] or [schema]


def _child(schema: Schema, step: str) -> Any:
    if step == "[]":
        return schema.get("items")
    if step == "*":
        return schema.get("additionalProperties")
    return schema.get("properties", {}).get(step)


def _add_pending(whole: Schema, steps: list[str], pending: Pending) -> None:
    *parents, key = steps
    for depth in range(len(parents) + 1):
        missing = not list(_places(whole, parents[: depth + 1])) if depth < len(parents) else True
        if missing:
            name = parents[depth] if depth < len(parents) else key
            for place in _places(whole, parents[:depth]):
                for option in _options(place):
                    entry: Schema = {} if depth < len(parents) else _pending(pending)
                    option.setdefault("properties", {}).setdefault(name, entry)


def _pending(pending: Pending) -> Schema:
    if pending.kind == "refused":
        return {"not": {}, "description": f"not supported, because {pending.reason}"}
    if pending.kind == "unless_off":
        return {"description": f"only with enabled: false, because {pending.reason}"}
    return {"deprecated": True, "description": f"without effect: {pending.reason}"}


def _referable(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_referable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {
        _KEYWORDS.get(key, key): _referable(value) for key, value in schema.items() if key != "properties"
    }
    if "properties" in schema:
        result["properties"] = {name: _referable(inner) for name, inner in schema["properties"].items()}
    if isinstance(schema.get("type"), str) and schema["type"] in _SCALARS:
        texts = {key: result.pop(key) for key in ("description", "default") if key in result}
        return {"anyOf": [result, dict(_REFERENCE)], **texts}
    return result
