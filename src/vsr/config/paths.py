"""Where something stands in a document: a path of keys and indices, and what was found there.

Shared by every stage of loading; knows nothing of YAML, of the schema or of lines.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]
"""What YAML and JSON can hold."""

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    path: KeyPath
    message: str


@dataclass(slots=True)
class Report:
    """Collects what is wrong (errors) and what is doubtful (warnings), so that all is told at once."""

    errors: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)

    def error(self, path: KeyPath, message: str) -> None:
        self.errors.append(Finding(path, message))

    def warn(self, path: KeyPath, message: str) -> None:
        self.warnings.append(Finding(path, message))


def show(path: KeyPath) -> str:
    """`("routing", "decisions", 0, "name")` as `routing.decisions[0].name`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def suggest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing if no known name is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else ""
