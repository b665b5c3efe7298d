"""Compares the keys of a document with those of a schema before the values are looked at.

Unknown keys are errors with the nearest known name; keys that are known but not built follow
`pending`. What is left of the document holds only keys that the schema knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Annotated, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from vsr.config.paths import Finding, KeyPath, Plain, Report, show, suggest
from vsr.config.pending import KEYS, VALUES
from vsr.config.pending_entry import Pending

_LISTED_KEYS: Final = 12  # more known keys than this do not fit into a message


@dataclass(slots=True)
class Checked:
    """`data` without inert and refused keys; `inert` says what has no effect and why."""

    data: Plain = None
    inert: list[Finding] = field(default_factory=list)


def check_keys(
    data: Plain,
    model: type[BaseModel],
    report: Report,
    keys: Mapping[str, Pending] = KEYS,
    values: Mapping[tuple[str, str], Pending] = VALUES,
) -> Checked:
    walker = _Walker(report, keys, values)
    return Checked(walker.value(data, model, (), ""), walker.inert)


def schema_keys(model: type[BaseModel]) -> Mapping[str, object]:
    """The keys of a section as they are written in a file, with their annotations."""
    return {info.alias or name: info.annotation for name, info in model.model_fields.items()}


def unwrap(annotation: object) -> tuple[object, ...]:
    """The alternatives of an annotation: `Annotated[A | B, …] | None` is (A, B)."""
    if get_origin(annotation) is Annotated:
        return unwrap(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        members = (unwrap(member) for member in get_args(annotation) if member is not type(None))
        return tuple(inner for member in members for inner in member)
    return (annotation,)


@dataclass(slots=True)
class _Walker:
    report: Report
    keys: Mapping[str, Pending]
    values: Mapping[tuple[str, str], Pending]
    inert: list[Finding] = field(default_factory=list)

    def value(self, data: Plain, annotation: object, path: KeyPath, pattern: str) -> Plain:
        """Data that does not fit the annotation is left for pydantic to complain about."""
        alternatives = unwrap(annotation)
        if isinstance(data, list) and get_origin(alternatives[0]) is tuple:
            inner = get_args(alternatives[0])[0]
            # Rules nest: conditions follow the patterns of the rule they stand in.
            pattern = pattern if pattern.endswith(".conditions") else pattern + "[]"
            pattern = pattern.removesuffix(".conditions")
            return [self.value(item, inner, (*path, index), pattern) for index, item in enumerate(data)]
        if isinstance(data, dict) and get_origin(alternatives[0]) is dict:
            inner = get_args(alternatives[0])[1]
            return {key: self.value(item, inner, (*path, key), pattern + ".*") for key, item in data.items()}
        model = _model_for(data, alternatives)
        if isinstance(data, dict) and model is not None:
            return self.mapping(data, schema_keys(model), path, pattern)
        return data

    def mapping(
        self, data: dict[str, Plain], known: Mapping[str, object], path: KeyPath, pattern: str
    ) -> dict[str, Plain]:
        kept: dict[str, Plain] = {}
        for key, value in data.items():
            # A recipe has a routing of its own, with the same keys.
            where, name = (*path, key), f"{pattern}.{key}".removeprefix(".").removeprefix("recipes[].")
            if isinstance(value, str) and (name, value) in self.values:
                self.pending(
                    self.values[name, value], where, f"{show(where)}: {value}", data.get("configuration")
                )
                return {key: item for key, item in data.items() if key in known}
            if key in known:
                if value is not None:  # `signals:` with nothing behind it
                    kept[key] = self.value(value, known[key], where, name)
            elif name in self.keys:
                self.pending(self.keys[name], where, show(where), value)
            elif self.below(name) and isinstance(value, dict):
                self.mapping(value, {}, where, name)
            else:
                self.report.error(where, _unknown(key, path, [*known, *self.below(pattern)]))
        return kept

    def below(self, pattern: str) -> list[str]:
        """Keys that are known to be pending directly or indirectly below a pattern."""
        prefix = f"{pattern}." if pattern else ""
        below = (name.removeprefix(prefix).split(".")[0] for name in self.keys if name.startswith(prefix))
        return [key for key in dict.fromkeys(below) if not key.endswith("]")]

    def pending(self, pending: Pending, path: KeyPath, what: str, value: Plain) -> None:
        off = value is False or (isinstance(value, dict) and _changes_nothing(value))
        if pending.kind == "inert":
            self.inert.append(Finding(path, f"{what} ({pending.reason})"))
        elif not (pending.kind == "unless_off" and off):
            hint = "; it may stay with enabled: false" if pending.kind == "unless_off" else ""
            self.report.error(path, f"{what} is not supported, because {pending.reason}{hint}")


def _changes_nothing(section: dict[str, Plain]) -> bool:
    """Off; or the plugin tools that lets all tools pass."""
    return section.get("enabled") is False or section.get("mode") == "passthrough"


def _model_for(data: Plain, alternatives: tuple[object, ...]) -> type[BaseModel] | None:
    """The section that data is meant for; among several the one whose `type` it names."""
    models = [item for item in alternatives if isinstance(item, type) and issubclass(item, BaseModel)]
    if len(models) == 1:
        return models[0]
    kind = data.get("type") if isinstance(data, dict) else None
    for model in models:
        annotation = model.model_fields["type"].annotation
        if get_origin(annotation) is Literal and kind in get_args(annotation):
            return model
    return None


def _unknown(key: str, path: KeyPath, known: list[str]) -> str:
    place = f" in {show(path)}" if path else ""
    near = suggest(key, known)
    if not near and len(known) <= _LISTED_KEYS:
        near = "; known here: " + ", ".join(sorted(known))
    return f"unknown key '{key}'{place}{near}"
