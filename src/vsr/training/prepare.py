"""From a data directory to clean training rows: licence filter, labels, deduplication, groups.

Reads `*_train*.jsonl` (and texts of what is reported on, only to leave out what stands in both), adds the
generated prompts and the dictionary, and writes `train.jsonl` and `held.jsonl`: a twentieth of the
groups is held out for calibration. Near duplicates are one group, and labels that contradict one another
within them are repaired. Texts joined from training rows come last. Dev files are never trained on.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vsr.evaluation.inputs import Raw, annotated_types, json_lines
from vsr.training.asks import fact_need, no_feedback
from vsr.training.bundle import sha256
from vsr.training.clusters import clusters, grouped, repaired
from vsr.training.examples import task_of
from vsr.training.joined import joined
from vsr.training.labels import DOMAINS, JAILBREAK, PII_TYPES
from vsr.training.notation import rewritten
from vsr.training.replacing import replacing
from vsr.training.rows import Row, Span, write_rows

_REFUSED = re.compile(r"GPT|eval only|Quora|\bN[CD]\b|non[- ]?commercial|no LICENSE file \(", re.IGNORECASE)
_PERMITTED = re.compile(r"\bMIT\b|Apache|BSD|CC0|CC-BY|ODC-BY|WTFPL|\bown\b")

STRUCTURED = (
    "CREDIT_CARD",
    "EMAIL_ADDRESS",
    "IBAN_CODE",
    "IP_ADDRESS",
    "OTHER_ID",
    "PASSWORD",
    "PHONE_NUMBER",
    "STREET_ADDRESS",
    "US_DRIVER_LICENSE",
    "US_SSN",
    "ZIP_CODE",
)
"""Types that exam questions hold none of: their many digits are negatives for these."""

_STREET = re.compile(r"\s(street|st|road|rd|avenue|ave|drive|lane|boulevard|blvd|highway)\.?$", re.IGNORECASE)
"""How a place ends that is a street: sources without street addresses mark it as a place."""

GUIDE = "docs/training.md"

DOMAIN_FILES = ("intent_train", "intent_train_extra")
GUARD_FILES = ("jailbreak_train", "jailbreak_train_extra")
PII_FILES = ("pii_train", "pii_train_extra", "pii_train_synth")

_FRAMES = {
    "en": ("Question: {}", "Please answer: {}", "Help me with this: {}", "{} Explain your answer."),
    "zh": ("请回答：{}", "帮我做这道题：{}", "请问{}", "{}请说明理由。"),
}

HELD_SHARE = 20
"""One group in this many is held out."""


@dataclass(slots=True)
class Report:
    """What preparing kept, left out and relabelled, by source."""

    dropped: Counter[tuple[str, str]]
    kept: Counter[str]
    licenses: dict[str, str]
    relabelled: Counter[tuple[str, str, str]]

    def as_dict(self) -> dict[str, Any]:
        reasons: dict[str, dict[str, int]] = {}
        for (reason, source), count in sorted(self.dropped.items()):
            reasons.setdefault(reason, {})[source] = count
        changes: dict[str, dict[str, int]] = {}
        for (source, before, after), count in sorted(self.relabelled.items()):
            changes.setdefault(source, {})[f"{before} -> {after or 'none'}"] = count
        return {
            "kept": dict(sorted(self.kept.items())),
            "licenses": self.licenses,
            "dropped": reasons,
            "relabelled": changes,
        }


def permitted(license: str) -> bool:
    """Whether weights trained on rows under `license` may ship."""
    return _REFUSED.search(license) is None and _PERMITTED.search(license) is not None


def key(text: str) -> str:
    """What two texts share when they differ only in case, spacing or punctuation. A text that is nothing but
    punctuation or emoji is itself."""
    return re.sub(r"[\W_]+", "", text.casefold()) or text.strip()


def opening(text: str) -> str:
    """A near-duplicate key: the first letters, digits blurred."""
    return re.sub(r"\d+", "0", key(text))[:40]


def prepare(
    data: Path, out: Path, additions: Iterable[Row], reported: Sequence[Path] = (), seed: int = 0
) -> Report:
    """Write `train.jsonl` and `held.jsonl` into `out`; see the module's text. reported: files of more texts
    that are reported on. seed: of what is joined."""
    report = Report(Counter(), Counter(), {}, Counter())
    read = digests(data, reported)
    forbidden = {key(text) for text in _texts([*sorted(data.glob("*_dev.jsonl")), *reported])}
    every = map(_with_ask, [*_without_streets(read_all(data, forbidden), report), *additions])
    every = map(_anchored, every)
    rows = list(_unique(_clustered(_allowed(every, report), report), forbidden, report))
    (out / "prepare.json").unlink(missing_ok=True)  # nothing is left to fail but the writing
    write_rows(out / "held.jsonl", (row for row in rows if is_held(row.group)))
    kept = [row for row in rows if not is_held(row.group)]
    made = [row for row in joined(kept, seed) if not is_held(row.group)]
    write_rows(out / "train.jsonl", [*kept, *made])
    rows += made
    report.kept.update(row.source for row in rows)
    report.licenses.update({row.source: row.license for row in sorted(rows, key=lambda r: r.source)})
    told = {"seed": seed, **read, **report.as_dict()}
    with replacing(out / "prepare.json") as part:
        part.write_text(json.dumps(told, indent=1, ensure_ascii=False), encoding="utf-8")
    return report


def digests(data: Path, reported: Iterable[Path]) -> dict[str, dict[str, str]]:
    """SHA-256 of the data files that are read, by their names, and of those that are reported on, by their
    paths."""
    train = (data / f"{name}.jsonl" for name in (*DOMAIN_FILES, *GUARD_FILES, *PII_FILES))
    return {
        "data": {p.name: sha256(p) for p in (*train, *sorted(data.glob("*_dev.jsonl"))) if p.exists()},
        "reported": {str(p): sha256(p) for p in reported if p.exists()},
    }


def is_held(group: str) -> bool:
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:4]) % HELD_SHARE == 0


def read_all(data: Path, forbidden: Container[str] = ()) -> Iterator[Row]:
    """Exam questions of a `forbidden` key keep their text, by which they are known and left out. Raises
    EvaluationError for a file that is missing or a row that lacks its fields."""
    for name in DOMAIN_FILES:
        raws = _labelled(data / f"{name}.jsonl", DOMAINS, "style")
        yield from (_domain_row(raw, rewrite=key(raw["text"]) not in forbidden) for raw in raws)
    for name in GUARD_FILES:
        yield from (_jailbreak_row(r) for r in _labelled(data / f"{name}.jsonl", JAILBREAK, "kind"))
    for name in PII_FILES:
        yield from (_pii_row(r) for r in _lines(data / f"{name}.jsonl", "spans", "labels"))


def _domain_row(raw: Raw, rewrite: bool) -> Row:
    text = raw["text"]
    exam = raw["style"] == "exam"
    lang = "zh" if raw["lang"] == "zh" else "en"
    if exam and rewrite:
        text = rewritten(text, lang, random.Random(_draw(text)))
    if exam and rewrite and _draw(text) % 4 == 0:
        text = _FRAMES[lang][_draw(text) // 4 % 4].format(text)
    return Row(
        text=text,
        source=raw["source"],
        license=raw["license"],
        group=f"text:{opening(raw['text'])}",
        lang=lang,
        stratum=f"{'exam' if exam else 'natural'}/{lang}/{raw['label']}/{raw['source']}",
        domain=raw["label"],
        jailbreak="benign",
        annotated=STRUCTURED if exam else None,
    )


def _jailbreak_row(raw: Raw) -> Row:
    group = raw.get("template") or opening(raw["text"])
    return Row(
        text=raw["text"],
        source=raw["source"],
        license=raw["license"],
        group=f"text:{group}",
        lang=raw["lang"],
        stratum=f"{raw['label']}/{raw['kind']}/{raw['source']}",
        jailbreak=raw["label"],
    )


def _pii_row(raw: Raw) -> Row:
    spans = [(int(a), int(b), str(kind)) for a, b, kind in raw["spans"]]
    ignored = [(int(a), int(b), str(kind)) for a, b, kind in raw.get("ignore_spans") or ()]
    known: list[Span] = [span for span in spans if span[2] in PII_TYPES]
    ignored += [span for span in spans if span[2] not in PII_TYPES]  # TITLE is none of our types
    group = raw.get("template_id") or opening(raw["text"])
    annotated = annotated_types(raw["labels"])
    return Row(
        text=raw["text"],
        source=raw["source"],
        license=raw["license"],
        group=f"pii:{group}",
        lang=raw["lang"],
        stratum=f"pii/{raw['source']}/{'with' if known else 'without'}",
        annotated=tuple(kind for kind in PII_TYPES if kind in annotated),
        spans=tuple(known),
        ignored=tuple(ignored),
    )


def _without_streets(rows: Iterable[Row], report: Report) -> Iterator[Row]:
    """Where street addresses are not marked, a street marked as a place is neither right nor wrong."""
    for row in rows:
        streets = [s for s in row.spans if s[2] == "GPE" and _STREET.search(row.text[s[0] : s[1]])]
        if not streets or "STREET_ADDRESS" in (row.annotated or ()):
            yield row
            continue
        report.relabelled[row.source, "GPE", "neither"] += len(streets)
        rest = tuple(span for span in row.spans if span not in streets)
        yield replace(row, spans=rest, ignored=(*row.ignored, *streets))


def _allowed(rows: Iterable[Row], report: Report) -> Iterator[Row]:
    for row in rows:
        if permitted(row.license):
            yield row
        else:
            report.dropped["licence", row.source] += 1


def _clustered(rows: Iterable[Row], report: Report) -> Iterator[Row]:
    """Rows that people wrote, near duplicates as one group and under one label, and all others."""
    of_people: list[Row] = []
    for row in rows:
        if row.group.startswith("text:"):
            of_people.append(row)
        else:
            yield row
    numbers = clusters([row.text for row in of_people])
    made = repaired(grouped(of_people, numbers), numbers)
    report.relabelled.update(made.changed)
    yield from made.rows


def _unique(rows: Iterable[Row], forbidden: set[str], report: Report) -> Iterator[Row]:
    """One row per text; rows of the same text that know different things are joined."""
    kept: dict[str, Row] = {}
    said: dict[str, set[tuple[str, bool]]] = defaultdict(set)
    for row in rows:
        same = key(row.text)
        if row.spans or row.annotated:
            same = row.text  # punctuation and case matter where spans are marked
        if not same or key(row.text) in forbidden:
            report.dropped["empty or in a dev file", row.source] += 1
            continue
        if row.jailbreak:
            said[same].add((row.jailbreak, row.domain is None))
        if same not in kept:
            kept[same] = row
        elif _contradict(kept[same], row):
            report.relabelled[row.source, row.jailbreak or "", ""] += 1
            kept[same] = replace(kept[same], jailbreak=_guard_label(said[same]))
        elif (joined := _joined(kept[same], row, _guard_label(said[same]))) is None:
            report.dropped["duplicate", row.source] += 1
        else:
            kept[same] = joined
    yield from kept.values()


def _contradict(first: Row, second: Row) -> bool:
    return {first.jailbreak, second.jailbreak} == {"benign", "jailbreak"}


def _guard_label(said: set[tuple[str, bool]]) -> str | None:
    """What rows say of one text, each with whether it is the guard's own: those of a domain only take it for
    granted. None if they contradict one another, whatever comes after."""
    labels = {label for label, own in said if own} or {label for label, _ in said}
    return labels.pop() if len(labels) == 1 else None


def _joined(first: Row, second: Row, jailbreak: str | None) -> Row | None:
    """`first` with the guard's label of the text and the others that only `second` has, or None if there is
    nothing to add."""
    joined = replace(
        first,
        jailbreak=jailbreak,
        fact_check=first.fact_check or second.fact_check,
        feedback=first.feedback or second.feedback,
    )
    return None if joined == first else joined


def _with_ask(row: Row) -> Row:
    """The row with what its source says about facts and feedback; an attack says neither."""
    if row.jailbreak == "jailbreak":
        return row
    return replace(
        row,
        fact_check=row.fact_check or fact_need(row.source, row.domain),
        feedback=row.feedback or no_feedback(row.source, row.domain),
    )


def _anchored(row: Row) -> Row:
    """English stays where the base has it, but in texts for PII: half of those are forms and logs, which
    nobody looks for, and the PII head suffers for it."""
    if row.anchor or row.lang != "en" or task_of(row) in ("pii", "unseen"):
        return row
    return replace(row, anchor=row.text)


def _texts(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        for raw in json_lines(path, (), GUIDE):
            yield from (raw[name] for name in ("text", "a", "b") if name in raw)


def _lines(path: Path, *needed: str, labels: Sequence[str] = ()) -> Iterator[Raw]:
    return json_lines(path, ("text", "source", "license", "lang", *needed), GUIDE, labels)


def _labelled(path: Path, labels: Sequence[str], *needed: str) -> Iterator[Raw]:
    """A label that no head has would only be missed by the training, an hour later."""
    return _lines(path, "label", *needed, labels=labels)


def _draw(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[4:8])
