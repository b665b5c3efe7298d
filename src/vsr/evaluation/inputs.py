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

from vsr.config.labels import DOMAINS, PII_TYPES
from vsr.encoder.tokens import TextTokenizer
from vsr.errors import EvaluationError
from vsr.evaluation.long_texts import long_texts
from vsr.evaluation.metrics import SEED

Raw = dict[str, Any]

LARGEST = 2_000
"""Rows of a source of asks: held-out ones are many, and much alike."""

HEADS = ("domain", "jailbreak", "pii", "embedding", "fact_check", "feedback")
SPAN_FIELDS = ("text", "spans", "labels", "source")
PAIR_FIELDS = ("a", "b", "label", "source")
GUARD_FILES = ("jailbreak_dev", "benign_hard_dev", "harmful_direct_dev")
PLACEHOLDER = re.compile(r"#[A-Z]{2,}")
"""What a corpus puts in the place of a value. It is neither personal data nor harmless text."""
LONGEST_CODE = 3
"""Letters of the code of a language in ISO 639."""
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
    def languages(self) -> list[str]:
        """Those that the rows name by their code; `other` is none."""
        rows = (*self.domain, *self.guard, *self.pii, *self.digits, *self.pairs, *self.asks)
        return sorted({row["lang"] for row in rows if len(row.get("lang") or "other") <= LONGEST_CODE})

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
    tokenizer: TextTokenizer | None = None,
) -> Inputs:
    """natural: more domain rows, by hand. asks: rows with `fact_check` or `feedback`. limit: rows a source.
    tokenizer: counts the tokens of the guard's long texts, of which there are none without it.

    Raises EvaluationError for a file that is missing or a row that lacks its fields or has a label that
    is not known.
    """
    unknown = sorted(set(heads) - set(HEADS))
    if unknown:
        raise EvaluationError(f"there is no head {unknown[0]!r}; the heads are {', '.join(HEADS)}")
    guarded = "jailbreak" in heads
    prompts = list(_prompts(data)) if guarded or "domain" in heads else []
    by_hand = list(_natural(natural)) if guarded or "domain" in heads else []
    digits = list(_digits(data)) if guarded or "pii" in heads else []
    pairs = list(_pairs(data)) if "embedding" in heads else []
    asked = [row for path in asks for row in _asks(path, heads)]
    guard = [row for name in GUARD_FILES for row in _guard(data, name)] if guarded else []
    ordinary = [*_ordinary(prompts), *by_hand] if guarded else []
    long = list(_long([*prompts, *digits], tokenizer, limit)) if guarded and tokenizer else []
    return Inputs(
        domain=_sampled([*prompts, *by_hand] if "domain" in heads else [], limit),
        # each is drawn by itself, so that the ordinary prompts do not decide which attacks are drawn
        guard=[*_sampled(guard, limit), *_sampled(ordinary, limit), *long],
        pii=_sampled([*_dialogues(data), *_unit_cases(data)] if "pii" in heads else [], limit),
        digits=_sampled(digits if "pii" in heads else [], limit),
        pairs=_sampled(pairs, limit),
        asks=_sampled(_sampled(asked, LARGEST), limit),
    )


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


def _prompts(data: Path) -> Iterator[Raw]:
    return json_lines(data / "intent_dev.jsonl", ("text", "label", "source", "style"), labels=DOMAINS)


def _pairs(data: Path) -> Iterator[Raw]:
    return json_lines(data / "dup_pairs_dev.jsonl", PAIR_FIELDS, labels=(0, 1))


def _digits(data: Path) -> Iterator[Raw]:
    return json_lines(data / "pii_negatives_dev.jsonl", ("text", "check_only", "source"))


def _ordinary(prompts: Sequence[Raw]) -> Iterator[Raw]:
    """The domain's natural prompts as rows of the guard, none of which is to alarm."""
    for row in prompts:
        if row["style"] == "natural":
            yield {**row, "source": f"intent_dev/{row['source']} (natural)"}


def _long(rows: Sequence[Raw], tokenizer: TextTokenizer, limit: int | None) -> Iterator[Raw]:
    for tokens, text in long_texts([row["text"] for row in rows], tokenizer, limit):
        yield {"text": text, "label": "benign", "source": f"benign, {tokens:,} tokens"}


def _natural(path: Path | None) -> Iterator[Raw]:
    if path is not None:
        for row in json_lines(path, ("text", "label"), labels=DOMAINS):
            name = "-".join(str(row[key]) for key in ("set", "lang") if key in row)
            yield {**row, "source": f"natural-{name}"}


def _guard(data: Path, name: str) -> Iterator[Raw]:
    for row in json_lines(data / f"{name}.jsonl", ("text", "label", "source")):
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
    for row in json_lines(data / "pii_dev.jsonl", SPAN_FIELDS):
        found = row.get("spans") or []
        blank = [span for span in found if PLACEHOLDER.fullmatch(row["text"][span[0] : span[1]])]
        spans = [span for span in found if span not in blank]
        yield {**row, "spans": spans, "ignore_spans": [*(row.get("ignore_spans") or []), *blank]}


def _unit_cases(data: Path) -> Iterator[Raw]:
    """One source a recogniser; a case without a span is a negative for its type."""
    for row in json_lines(data / "pii_unit_dev.jsonl", SPAN_FIELDS):
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
    path: Path,
    needed: Sequence[str] = ("text",),
    guide: str = "docs/evaluation.md",
    labels: Sequence[str | int] = (),
) -> Iterator[Raw]:
    """The rows of a file; empty lines are none. Raises EvaluationError if it cannot be read, a row lacks a
    field or its `label` is none of `labels`, if there are any; `guide` says what the file should be."""
    try:
        for number, line in enumerate(text_lines(path), 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError:
                raise EvaluationError(f"{path}:{number} is not JSON; see {guide}") from None
            if not isinstance(row, dict):
                raise EvaluationError(f"{path}:{number} is no JSON object; see {guide}")
            if missing := [key for key in needed if key not in row]:
                raise EvaluationError(f"{path}:{number} has no {' and no '.join(missing)}; see {guide}")
            if labels and row["label"] not in labels:
                known = ", ".join(map(str, labels))
                raise EvaluationError(f"{path}:{number} has the label {row['label']!r}; write one of {known}")
            yield row
    except OSError as error:
        raise EvaluationError(f"{path} cannot be read: {error.strerror}; see {guide}") from None
    except ValueError:
        raise EvaluationError(f"{path} is not JSON lines in UTF-8") from None


def text_lines(path: Path) -> Iterator[str]:
    """The lines of a file, without what Windows puts before the first and at the end of each. Only a line
    feed ends one: JSON may hold the breaks of Unicode as they are, and a text a carriage return."""
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        for line in file:
            yield line.removesuffix("\n").removesuffix("\r")
