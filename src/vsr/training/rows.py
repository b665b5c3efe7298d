"""One training row, and the files rows are kept in between stages. Values only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

Span = tuple[int, int, str]
"""start, end, type; half-open, in characters."""


@dataclass(frozen=True, slots=True)
class Row:
    """A text and what is known about it; what is None or empty is not trained on.

    group: rows of one group (template, goal, near duplicates) never stand on both sides of a split.
    stratum: rows are drawn evenly over the strata of a task, by square root of their size.
    domain, jailbreak, fact_check, feedback: labels. anchor: a text whose base embedding this one's should
    equal.
    annotated: the PII types whose spans are marked (None: the row says nothing about PII).
    ignored: spans that are neither right nor wrong.
    """

    text: str
    source: str
    license: str
    group: str
    lang: str
    stratum: str
    domain: str | None = None
    jailbreak: str | None = None
    anchor: str | None = None
    annotated: tuple[str, ...] | None = None
    spans: tuple[Span, ...] = ()
    ignored: tuple[Span, ...] = ()
    fact_check: str | None = None
    feedback: str | None = None


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")


def read_rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            values = json.loads(line)
            annotated = values.pop("annotated")
            yield Row(
                **{key: value for key, value in values.items() if key not in ("spans", "ignored")},
                annotated=None if annotated is None else tuple(annotated),
                spans=_spans(values["spans"]),
                ignored=_spans(values["ignored"]),
            )


def _spans(values: Iterable[Iterable[object]]) -> tuple[Span, ...]:
    return tuple((int(str(a)), int(str(b)), str(kind)) for a, b, kind in values)
