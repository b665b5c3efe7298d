"""The JSON Schema for editors agrees with what loading accepts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.config.descriptions import TARGET, rendered
from vsr.config.jsonschema import json_schema
from vsr.config.pending import KEYS
from vsr.config.yamlfile import parse_yaml

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "src/vsr/config/default.yaml", *sorted((ROOT / "config").glob("*.yaml"))]
SCHEMA = json_schema()
TYPES = {
    "object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "null": type(None),
}  # fmt: skip


def fits(data: Any, schema: Any) -> bool:
    """As much of the standard as the schema uses."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
    for key, combine in (("anyOf", any), ("oneOf", any), ("allOf", all)):
        if key in schema and not combine(fits(data, one) for one in schema[key]):
            return False
    if "not" in schema and fits(data, schema["not"]):
        return False
    if "const" in schema and data != schema["const"]:
        return False
    if "enum" in schema and data not in schema["enum"]:
        return False
    return _of_type(data, schema) and _within(data, schema) and _inside(data, schema)


def _of_type(data: Any, schema: Any) -> bool:
    kind = schema.get("type")
    if kind == "number":
        return isinstance(data, (int, float)) and not isinstance(data, bool)
    if kind is None:
        return True
    return isinstance(data, TYPES[kind]) and (kind == "boolean" or not isinstance(data, bool))


def _within(data: Any, schema: Any) -> bool:
    if isinstance(data, str) and "pattern" in schema and not re.search(schema["pattern"], data):
        return False
    if isinstance(data, (int, float)) and not isinstance(data, bool):
        return bool(schema.get("minimum", data) <= data <= schema.get("maximum", data))
    return True


def _inside(data: Any, schema: Any) -> bool:
    if isinstance(data, list):
        return all(fits(item, schema.get("items", {})) for item in data)
    if not isinstance(data, dict):
        return True
    known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    if not set(schema.get("required", ())) <= data.keys():
        return False
    for key, value in data.items():
        inner = known.get(key, others)
        if inner is False or (isinstance(inner, dict) and not fits(value, inner)):
            return False
    return True


@pytest.mark.parametrize(
    "path", [path for path in FILES if not re.search("flat|probes", path.name)], ids=lambda path: path.name
)
def test_every_example_fits(path: Path) -> None:
    assert fits(parse_yaml(path.read_text(), "").data, SCHEMA)


@pytest.mark.parametrize(
    "text",
    [
        "version: v0.4\n",
        "{version: v0.3, provders: {}}\n",
        "{version: v0.3, listeners: [{port: 0}]}\n",
        "{version: v0.3, listeners: [{port: yes please}]}\n",
        "{version: v0.3, routing: {decisions: [{name: d, rules: {operator: XOR}}]}}\n",
    ],
)
def test_what_loading_refuses_does_not_fit(text: str) -> None:
    assert not fits(parse_yaml(text, "").data, SCHEMA)


def test_numbers_and_durations_may_be_references_and_texts() -> None:
    text = '{version: v0.3, listeners: [{port: "${PORT}", timeout: 1m30s}]}\n'
    assert fits(parse_yaml(text, "").data, SCHEMA)


def test_a_key_without_effect_is_known_and_a_refused_one_is_not_allowed() -> None:
    router = SCHEMA["properties"]["global"]["properties"]["router"]["properties"]
    inert = next(key for key, one in KEYS.items() if one.kind == "inert" and "." not in key)
    assert SCHEMA["properties"][inert]["deprecated"] is True
    assert router["skip_processing"]["description"].startswith("only with enabled: false")


def test_every_key_says_what_the_documentation_says() -> None:
    assert TARGET.read_text(encoding="utf-8") == rendered(), "run python -m tests.config.descriptions"
    port = SCHEMA["properties"]["listeners"]["items"]["properties"]["port"]
    assert port["description"].startswith("no two listeners")
