from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args, get_origin

from pydantic import BaseModel

from vsr.config.flat import MOVED, FlatDocument
from vsr.config.load import load_text
from vsr.config.pending import KEYS, VALUES
from vsr.config.schema import Document
from vsr.config.strict import schema_keys, unwrap

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
TEXT = PAGE.read_text()
WORDS = set(re.findall(r"`([^`\n]+)`", TEXT))


def described() -> set[str]:
    """The keys of the tables, with the path that the heading above gives them."""
    found, prefix = set(), ""
    for line in TEXT.split("## What lint finds")[0].splitlines():
        if line.startswith("#"):
            heading = re.fullmatch(r"### `(.+)`", line)
            prefix = f"{heading[1]}." if heading else ""
        elif row := re.match(r"\| `([^`]+)` \|", line):
            found.add(prefix + row[1])
    return found


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every key with its path: `providers.models[].name`; a rule's conditions are not repeated."""
    for key, annotation in schema_keys(model).items():
        yield prefix + key
        for inner, suffix in _sections(annotation):
            # a recipe's routing has the keys of `routing`
            if inner is not model and prefix + key != "recipes[].routing":
                yield from keys(inner, f"{prefix}{key}{suffix}.")


def _sections(annotation: object) -> Iterator[tuple[type[BaseModel], str]]:
    for item in unwrap(annotation):
        if isinstance(item, type) and issubclass(item, BaseModel):
            yield item, ""
        elif get_origin(item) is tuple:
            yield from ((inner, "[]" + suffix) for inner, suffix in _sections(get_args(item)[0]))
        elif get_origin(item) is dict:
            yield from ((inner, ".*" + suffix) for inner, suffix in _sections(get_args(item)[1]))


def leaves() -> set[str]:
    """Keys that hold values; a section is described by its keys."""
    names = set(keys(Document))
    return {name for name in names if not any(other.startswith((f"{name}.", f"{name}[")) for other in names)}


def test_every_key_of_the_schema_is_documented() -> None:
    assert sorted(leaves() - described()) == []


def test_no_key_is_documented_that_does_not_exist() -> None:
    assert sorted(described() - set(keys(Document))) == []


def test_every_pending_key_and_value_is_documented() -> None:
    assert sorted({*KEYS, *(value for _, value in VALUES)} - WORDS) == []


def test_every_key_of_the_flat_format_is_documented() -> None:
    assert sorted({*schema_keys(FlatDocument), *MOVED} - WORDS) == []


def test_the_documents_on_the_page_load() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    assert blocks
    for block in blocks:
        load_text(block, str(PAGE), {})
