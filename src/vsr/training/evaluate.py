"""What a bundle answers on the development files, per source: never pooled, with intervals.

Reads through the server's own encoder. The base model's duplicate AUC is measured in the same run.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vsr.encoder.bundle import Bundle, load_bundle
from vsr.facts import Readings
from vsr.training.labels import PII_TYPES
from vsr.training.metrics import (
    Share,
    SpanCount,
    auc,
    expected_calibration_error,
    macro_f1,
)
from vsr.training.prepare import annotated_types
from vsr.training.reading import read_texts
from vsr.training.rows import Span

Raw = dict[str, Any]
Report = dict[str, Any]
Embed = Callable[[Sequence[str]], list[np.ndarray[Any, np.dtype[np.float32]]]]


def evaluate(bundle: Path, data: Path, base: Embed | None = None, natural: Path | None = None) -> Report:
    """All tables. base: embeds texts with the untouched base. natural: more domain rows, never trained on."""
    loaded = load_bundle(bundle)
    report: Report = {
        "bundle": loaded.manifest.version,
        "digest": loaded.digest,
        "domain": domain_table(bundle, data, natural),
        "jailbreak": jailbreak_table(bundle, loaded, data),
        "pii": pii_table(bundle, data),
    }
    if base is not None:
        report["embedding"] = duplicate_table(bundle, data, base)
    return report


def domain_table(bundle: Path, data: Path, natural: Path | None) -> Report:
    rows = list(lines(data / "intent_dev.jsonl"))
    if natural is not None:
        rows += [{**row, "source": f"natural-{row['set']}-{row['lang']}"} for row in lines(natural)]
    readings = read_texts(bundle, [row["text"] for row in rows])
    table: Report = {}
    for source, members in by_source(rows):
        said = [max(readings[i].domain.items(), key=lambda item: item[1]) for i in members]
        truth = [rows[i]["label"] for i in members]
        right = [label == want for (label, _), want in zip(said, truth, strict=True)]
        table[source] = {
            "accuracy": Share(sum(right), len(right)).as_dict(),
            "macro_f1": round(macro_f1(truth, [label for label, _ in said]), 4),
            "ece": round(expected_calibration_error([p for _, p in said], right), 4),
            "confident": round(float(np.mean([p >= 0.6 for _, p in said])), 4),
        }
    return table


def jailbreak_table(bundle: Path, loaded: Bundle, data: Path) -> Report:
    """AUC where a source has both kinds, else recall or false positives at the shipped threshold."""
    table: Report = {}
    for name in ("jailbreak_dev", "benign_hard_dev", "harmful_direct_dev"):
        rows = list(lines(data / f"{name}.jsonl"))
        readings = read_texts(bundle, [row["text"] for row in rows])
        risks = [risk(reading) for reading in readings]
        flagged = [
            value >= loaded.jailbreak_threshold("any", len(reading.jailbreak))
            for value, reading in zip(risks, readings, strict=True)
        ]
        for source, members in by_source([{"source": _whole(row["source"])} for row in rows]):
            attack = [rows[i]["label"] == "jailbreak" for i in members]
            hits = [flagged[i] for i in members]
            table[f"{name}/{source}"] = _guard_row([risks[i] for i in members], hits, attack)
    return table


def _whole(source: str) -> str:
    """XSafety keeps its attacks and its benign questions in two files; they are one test."""
    return "XSafety-zh" if source.startswith("XSafety-zh/") else source


def _guard_row(risks: Sequence[float], flagged: Sequence[bool], attack: Sequence[bool]) -> Report:
    row: Report = {"n": len(risks)}
    if any(attack) and not all(attack):
        row["auc"] = round(auc(risks, attack), 4)
    caught = [hit for hit, is_attack in zip(flagged, attack, strict=True) if is_attack]
    alarms = [hit for hit, is_attack in zip(flagged, attack, strict=True) if not is_attack]
    if caught:
        row["recall"] = Share(sum(caught), len(caught)).as_dict()
    if alarms:
        row["false_positives"] = Share(sum(alarms), len(alarms)).as_dict()
    return row


def pii_table(bundle: Path, data: Path) -> Report:
    table: Report = {}
    rows = [*lines(data / "pii_dev.jsonl"), *_unit_rows(data)]
    found = [spans_of(r) for r in read_texts(bundle, [row["text"] for row in rows])]
    for source, members in by_source(rows):
        total: dict[str, SpanCount] = defaultdict(SpanCount)
        for i in members:
            _count(rows[i], found[i], total)
        table[source] = {kind: count.as_dict() for kind, count in sorted(total.items())}
    negatives = list(lines(data / "pii_negatives_dev.jsonl"))
    said = [spans_of(r) for r in read_texts(bundle, [row["text"] for row in negatives])]
    for source, members in by_source(negatives):
        false = sum(kind in negatives[i]["check_only"] for i in members for _, _, kind in said[i])
        table[source] = {"false spans per 100 texts": round(100 * false / len(members), 2)}
    return table


def _count(row: Raw, found: Sequence[Span], total: dict[str, SpanCount]) -> None:
    annotated = annotated_types(row["labels"])
    truth = [(int(a), int(b), str(kind)) for a, b, kind in row["spans"]]
    ignored = [(int(a), int(b), str(kind)) for a, b, kind in row.get("ignore_spans") or ()]
    said = [span for span in found if span[2] in annotated]
    total["all"].add(truth, said, ignored)
    for kind in {span[2] for span in (*truth, *said)}:
        of_kind = ([s for s in truth if s[2] == kind], [s for s in said if s[2] == kind])
        total[kind].add(*of_kind, ignored)


def _unit_rows(data: Path) -> Iterable[Raw]:
    """Unit cases: one source per recogniser; a case without a span is a negative for its type."""
    names = {"date": "DATE_TIME", "phone": "PHONE_NUMBER", "ip": "IP_ADDRESS", "email": "EMAIL_ADDRESS"}
    for row in lines(data / "pii_unit_dev.jsonl"):
        tail = row["source"].split("/")[-1]
        of_name = [k for k in PII_TYPES if k.replace("_", "") in tail.replace("_", "").upper()]
        of_name += [k for k in PII_TYPES if tail.upper().startswith(k.split("_")[0]) and not of_name]
        kind = names.get(tail) or (of_name[0] if of_name else "")
        labels = kind or ",".join({str(span[2]) for span in row["spans"]})
        yield {**row, "labels": row["labels"].replace(" unit case", "") or labels, "source": f"unit/{tail}"}


def duplicate_table(bundle: Path, data: Path, base: Embed) -> Report:
    rows = list(lines(data / "dup_pairs_dev.jsonl"))
    texts = sorted({row[side] for row in rows for side in ("a", "b")})
    ours = [reading.embedding for reading in read_texts(bundle, texts)]
    theirs = base(texts)
    place = {text: i for i, text in enumerate(texts)}
    table: Report = {}
    for source, members in by_source(rows):
        labels = [bool(rows[i]["label"]) for i in members]
        pairs = [(place[rows[i]["a"]], place[rows[i]["b"]]) for i in members]
        if len(set(labels)) < 2:
            continue  # pairs of one kind have no order to be wrong about
        table[source] = {
            "n": len(members),
            "auc": round(auc([_cosine(ours[a], ours[b]) for a, b in pairs], labels), 4),
            "auc_base": round(auc([_cosine(theirs[a], theirs[b]) for a, b in pairs], labels), 4),
        }
    return table


def risk(reading: Readings) -> float:
    return max((window.risk for window in reading.jailbreak), default=0.0)


def spans_of(reading: Readings) -> list[Span]:
    return [(entity.start, entity.end, entity.type) for entity in reading.entities]


def by_source(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[int]]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        groups[row["source"]].append(i)
    return sorted(groups.items())


def lines(path: Path) -> Iterable[Raw]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def _cosine(a: Any, b: Any) -> float:
    return float(np.dot(a, b))
