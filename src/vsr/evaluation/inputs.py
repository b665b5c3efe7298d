"""The rows a bundle is measured on: JSON lines in a data directory, read by head, and cut on request.

Names and fields of the files are described in docs/evaluation.md. Nothing is judged here.
"""

from __future__ import annotations

import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsr.config.labels import PII_TYPES
from vsr.errors import EvaluationError
from vsr.evaluation.metrics import SEED

Raw = dict[str, Any]

LARGEST = 2_000
"""Rows of a source of asks: held-out ones are many, and much alike."""

HEADS = ("domain", "jailbreak", "pii", "embedding", "fact_check", "feedback")
GUARD_FILES = ("jailbreak_dev", "benign_hard_dev", "harmful_direct_dev")
PLACEHOLDER = re.compile(r"#[A-Z]{2,}")
"""What a corpus puts in the place of a value. It is neither personal data nor harmless text."""
DAYS = re.compile(r"(?i)\b(?:today|now)\b")
RECOGNISERS = {"date": "DATE_TIME", "phone": "PHONE_NUMBER", "ip": "IP_ADDRESS", "email": "EMAIL_ADDRESS"}
"""Names in the sources of unit cases that are not the type's own."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Rows by what they measure; `asks` holds rows of the heads fact_check and feedback."""

    domain: Sequence[Raw] = ()
    guard: Sequence[Raw] = ()
    pii: Sequence[Raw] = ()
    digits: Sequence[Raw] = ()
    pairs: Sequence[Raw] = ()
    asks: Sequence[Raw] = ()

    @property
    def count(self) -> int:
        """Texts to judge; the two of a pair may be judged once for several pairs."""
        sides = {row[side] for row in self.pairs for side in ("a", "b")}
        rows = (self.domain, self.guard, self.pii, self.digits, self.asks)
        return sum(map(len, rows)) + len(sides)


def read_inputs(
    data: Path,
    heads: Sequence[str] = HEADS,
    *,
    natural: Path | None = None,
    asks: Sequence[Path] = (),
    limit: int | None = None,
) -> Inputs:
    """natural: more domain rows, by hand. asks: rows with `fact_check` or `feedback`. limit: rows a source.

    Raises EvaluationError for a file that is missing or a row that lacks its fields.
    """
    unknown = sorted(set(heads) - set(HEADS))
    if unknown:
        raise EvaluationError(f"there is no head {unknown[0]!r}; the heads are {', '.join(HEADS)}")
    domain = [*json_lines(data / "intent_dev.jsonl"), *_natural(natural)] if "domain" in heads else []
    guard = [row for name in GUARD_FILES for row in _guard(data, name)] if "jailbreak" in heads else []
    pii = [*_dialogues(data), *_unit_cases(data)] if "pii" in heads else []
    digits = list(json_lines(data / "pii_negatives_dev.jsonl")) if "pii" in heads else []
    pairs = (
        list(json_lines(data / "dup_pairs_dev.jsonl", ("a", "b", "label"))) if "embedding" in heads else []
    )
    asked = [row for path in asks for row in _asks(path, heads)]
    asked = _sampled(asked, LARGEST)
    return Inputs(*(_sampled(rows, limit) for rows in (domain, guard, pii, digits, pairs, asked)))


def by_source(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[int]]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        groups[row["source"]].append(i)
    return sorted(groups.items())


def annotated_types(labels: str) -> frozenset[str]:
    """Which types a source's `labels` field says are marked: all of them for `full`."""
    if labels.startswith("full"):
        return frozenset(PII_TYPES)
    return frozenset(kind for kind in PII_TYPES if re.search(rf"\b{kind}\b", labels))


def _natural(path: Path | None) -> Iterator[Raw]:
    if path is not None:
        for row in json_lines(path):
            name = "-".join(str(row[key]) for key in ("set", "lang") if key in row)
            yield {**row, "source": f"natural-{name}"}


def _guard(data: Path, name: str) -> Iterator[Raw]:
    for row in json_lines(data / f"{name}.jsonl"):
        # XSafety keeps its attacks and its benign questions in two files; they are one test
        source = "XSafety-zh" if row["source"].startswith("XSafety-zh/") else row["source"]
        yield {**row, "source": f"{name}/{source}"}


def _asks(path: Path, heads: Sequence[str]) -> Iterator[Raw]:
    """Rows of one file are one source a language and `set`, however many sources they came from."""
    for row in json_lines(path):
        if any(row.get(head) for head in ("fact_check", "feedback") if head in heads):
            name = "-".join(str(row[key]) for key in ("set", "lang") if key in row)
            yield {**row, "source": f"{path.stem}-{name or 'any'}"}


def _dialogues(data: Path) -> Iterator[Raw]:
    for row in json_lines(data / "pii_dev.jsonl"):
        found = row.get("spans") or []
        blank = [span for span in found if PLACEHOLDER.fullmatch(row["text"][span[0] : span[1]])]
        spans = [span for span in found if span not in blank]
        yield {**row, "spans": spans, "ignore_spans": [*(row.get("ignore_spans") or []), *blank]}


def _unit_cases(data: Path) -> Iterator[Raw]:
    """One source a recogniser; a case without a span is a negative for its type."""
    for row in json_lines(data / "pii_unit_dev.jsonl"):
        tail = row["source"].split("/")[-1]
        kind = RECOGNISERS.get(tail) or _type_named(tail)
        labels = kind or ",".join({str(span[2]) for span in row["spans"]})
        # the dialogues mark `today` as a date, the tests of a recogniser of written dates do not
        days = [[*word.span(), "DATE_TIME"] for word in DAYS.finditer(row["text"])]
        labels = row["labels"].replace(" unit case", "") or labels
        yield {**row, "labels": labels, "source": f"unit/{tail}", "ignore_spans": days}


def _type_named(tail: str) -> str:
    upper = tail.upper()
    whole = [kind for kind in PII_TYPES if kind.replace("_", "") in upper.replace("_", "")]
    start = [kind for kind in PII_TYPES if upper.startswith(kind.split("_")[0])]
    return next(iter([*whole, *start]), "")


def _sampled(rows: Sequence[Raw], limit: int | None) -> list[Raw]:
    if limit is None:
        return list(rows)
    chance = random.Random(SEED)
    kept: list[int] = []
    for _, members in by_source(rows) if rows and "source" in rows[0] else [("", list(range(len(rows))))]:
        kept += chance.sample(members, min(limit, len(members)))
    return [rows[i] for i in sorted(kept)]


def json_lines(
    path: Path, needed: Sequence[str] = ("text",), guide: str = "docs/evaluation.md"
) -> Iterator[Raw]:
    """The rows of a file. Raises EvaluationError if it cannot be read or a row lacks a field; `guide` says
    what the file should be."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise EvaluationError(f"{path}:{number} is no JSON object; see {guide}")
                if missing := [key for key in needed if key not in row]:
                    raise EvaluationError(f"{path}:{number} has no {' and no '.join(missing)}; see {guide}")
                yield row
    except OSError as error:
        raise EvaluationError(f"{path} cannot be read: {error.strerror}; see {guide}") from None
    except ValueError:
        raise EvaluationError(f"{path} is not JSON lines in UTF-8") from None
