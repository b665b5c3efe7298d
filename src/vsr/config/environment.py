"""`${NAME}` and `${NAME:-default}` in the strings of a document.

Stops at text: what a value must look like is the schema's business. Remembers which values came from
the environment as a whole, since that is the only way to write a secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from re import Match
from typing import Final

from vsr.config.paths import KeyPath, Plain, Report

_REFERENCE: Final = re.compile(r"\$\$\{|\$\{([^}]*)\}?")
_INSIDE: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
_WHOLE: Final = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")


@dataclass(slots=True)
class Substitution:
    """The document with its references replaced; `references` are paths whose whole value is `${NAME}`."""

    data: Plain
    references: set[KeyPath] = field(default_factory=set)


def substitute(data: Plain, env: Mapping[str, str], report: Report) -> Substitution:
    """Missing variables and malformed references go to the report. `$${` writes a literal `${`."""
    result = Substitution(None)
    result.data = _walk(data, (), env, report, result.references)
    return result


def _walk(
    data: Plain, path: KeyPath, env: Mapping[str, str], report: Report, references: set[KeyPath]
) -> Plain:
    if isinstance(data, dict):
        return {key: _walk(value, (*path, key), env, report, references) for key, value in data.items()}
    if isinstance(data, list):
        return [_walk(value, (*path, index), env, report, references) for index, value in enumerate(data)]
    if not isinstance(data, str) or "${" not in data:
        return data
    if _WHOLE.fullmatch(data):
        references.add(path)
    return _REFERENCE.sub(lambda found: _value(found, path, env, report), data)


def _value(found: Match[str], path: KeyPath, env: Mapping[str, str], report: Report) -> str:
    if found[0] == "$${":
        return "${"
    inside = _INSIDE.fullmatch(found[1])
    if inside is None or not found[0].endswith("}"):
        report.error(path, "write a reference as ${NAME} or ${NAME:-default}, and $${ for a literal ${")
        return ""
    name, default = inside[1], inside[2]
    if default is not None and "{" in default:  # a reference ends at the first }, so the rest would be text
        report.error(path, f"the default of ${{{name}:-...}} cannot hold {{ or another reference")
        return ""
    value = env.get(name)
    if default is not None:
        return value or default
    if value is None:
        report.error(path, f"the environment variable {name} is not set; or write ${{{name}:-default}}")
        return ""
    return value
