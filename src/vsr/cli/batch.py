"""`vsr explain --batch`: a file of requests, a table of routes, and how they agree with expectations.

Each line of the file is a JSON object with `text`, `messages` or `body` (a whole chat request), and
perhaps `model` (the name to ask for), `id`, `expected_decision` and `expected_model`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from vsr.chat.body import parse_json
from vsr.cli.asked import Asked
from vsr.config.policy import Limits
from vsr.errors import ConfigError, InvalidRequest, Problem

MAX_LINES: Final = 100_000
Field = Literal["decision", "model"]
NOTHING: Final = "(none)"


@dataclass(frozen=True, slots=True)
class Line:
    """expected: by field; a field without an expectation is missing."""

    id: str
    body: dict[str, Any]
    expected: dict[str, str]


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often `got` came out where `expected` was right, over the lines that expect anything."""

    field: str
    counts: dict[tuple[str, str], int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def right(self) -> int:
        return sum(count for (expected, got), count in self.counts.items() if expected == got)

    @property
    def names(self) -> list[str]:
        return sorted({name for pair in self.counts for name in pair})

    def as_dict(self) -> dict[str, Any]:
        rows: dict[str, dict[str, int]] = {}
        for (expected, got), count in sorted(self.counts.items()):
            rows.setdefault(expected, {})[got] = count
        return {"field": self.field, "right": self.right, "total": self.total, "matrix": rows}


def read_lines(path: Path, auto_name: str) -> list[Line]:
    """Raises ConfigError with every line that is wrong."""
    try:
        # not splitlines: strings in JSON may hold what Unicode calls ends of lines
        texts = path.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
    except OSError as error:
        raise ConfigError([Problem(f"cannot be read: {error.strerror}", str(path))]) from None
    except UnicodeDecodeError:
        raise ConfigError([Problem("is not UTF-8 text", str(path))]) from None
    if len(texts) > MAX_LINES:
        raise ConfigError([Problem(f"has {len(texts)} lines; at most {MAX_LINES} are read", str(path))])
    lines, problems = [], []
    for number, text in enumerate(texts, 1):
        if not text.strip():
            continue
        try:
            lines.append(_line(text, number, auto_name))
        except ValueError as error:
            problems.append(Problem(str(error), str(path), number))
    if not lines and not problems:
        problems.append(Problem("holds no requests: one JSON object a line", str(path)))
    if problems:
        raise ConfigError(problems)
    return lines


def _line(text: str, number: int, auto_name: str) -> Line:
    try:
        given = parse_json(text.encode(), Limits().max_nesting)
    except InvalidRequest as error:
        raise ValueError(f"is not JSON that can be asked: {error.message}") from None
    sources = [key for key in ("text", "messages", "body") if given.get(key) is not None]
    if len(sources) != 1:
        raise ValueError("needs exactly one of text, messages, body")
    value = given[sources[0]]
    if not isinstance(value, {"text": str, "messages": list, "body": dict}[sources[0]]):
        raise ValueError(f"{sources[0]} has the wrong type")
    body = _body(sources[0], value, auto_name)
    if "model" in given:
        body = {**body, "model": given["model"]}
    expected = {
        field: str(given[f"expected_{field}"])
        for field in ("decision", "model")
        if given.get(f"expected_{field}") is not None
    }
    return Line(str(given.get("id", number)), body, expected)


def _body(source: str, value: Any, auto_name: str) -> dict[str, Any]:
    if source == "body":
        return {"model": auto_name, **value}
    messages = [{"role": "user", "content": value}] if source == "text" else value
    return {"model": auto_name, "messages": messages}


def confusion(lines: Sequence[Line], asked: Sequence[Asked], field: Field) -> Confusion:
    pairs = (
        (line.expected[field] or NOTHING, (got.decision if field == "decision" else got.model) or NOTHING)
        for line, got in zip(lines, asked, strict=True)
        if field in line.expected
    )
    return Confusion(field, dict(Counter(pairs)))


def as_dict(line: Line, asked: Asked) -> dict[str, Any]:
    route = asked.route
    told: dict[str, Any] = (
        {"id": line.id, "error": asked.error}
        if route is None
        else {
            "id": line.id,
            "outcome": route.outcome,
            "recipe": route.recipe,
            "decision": route.decision,
            "model": route.selected_model,
            "category": route.category,
            "confidence": route.confidence,
            "reason": route.reason,
            "milliseconds": round(asked.milliseconds, 3),
        }
    )
    return told | {f"expected_{field}": value for field, value in line.expected.items()}
