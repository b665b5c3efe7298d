"""Examples for fine-tuning one task: read from files or `datasets` names, and split without leaking.

A row has `text` and `label` (domain, jailbreak and other classes), `text` and `spans` (pii), or `text`
and `positive` (embedding: two texts that mean the same). Rows of one `group`, and rows of the same text
but for case and spaces, fall on one side of the split.
"""

from __future__ import annotations

import csv
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vsr.errors import BundleError

TaskName = Literal["domain", "jailbreak", "pii", "embedding"]
Span = tuple[int, int, str]
"""`text[start:end]` is an entity of this type."""

FILES = (".jsonl", ".json", ".csv")
SAVED = "state.json"
"""In a directory that `Dataset.save_to_disk` has written."""
WEIGHT_LIMIT = 10.0


@dataclass(frozen=True, slots=True)
class TaskExample:
    """label, spans or positive, by the task."""

    text: str
    group: str
    label: str = ""
    spans: tuple[Span, ...] = ()
    positive: str = ""


def read_examples(names: Sequence[str], task: TaskName) -> list[TaskExample]:
    """Of every file or data set. Raises BundleError for a row that does not fit, with its place."""
    examples = []
    for name in names:
        for number, row in enumerate(_rows(name), 1):
            examples.append(_example(row, task, f"{name}, row {number}"))
    if not examples:
        raise BundleError(f"there are no rows in {', '.join(names)}")
    return examples


def split(
    examples: Sequence[TaskExample], share: float, seed: int
) -> tuple[list[TaskExample], list[TaskExample]]:
    """Most for training, about `share` of every label's groups held out, at least one of each label that
    has two, and always one left; of a share of 0 none."""
    groups: dict[str, list[TaskExample]] = defaultdict(list)
    for example in examples:
        groups[example.group].append(example)
    strata: dict[str, list[str]] = defaultdict(list)
    for name, members in sorted(groups.items()):
        strata[_stratum(members)].append(name)
    held: set[str] = set()
    for stratum, names in sorted(strata.items()):
        random.Random(f"{seed} {stratum}").shuffle(names)
        count = min(max(1, round(share * len(names))), len(names) - 1) if share else 0
        held.update(names[:count])
    kept = [example for example in examples if example.group not in held]
    return kept, [example for example in examples if example.group in held]


def labels_of(examples: Iterable[TaskExample], task: TaskName) -> tuple[str, ...]:
    """The labels in a fixed order; of pii the tags, `O` first. None for an embedding."""
    if task == "embedding":
        return ()
    if task == "pii":
        types = sorted({kind for example in examples for _, _, kind in example.spans})
        return ("O", *(f"{prefix}-{kind}" for kind in types for prefix in ("B", "I")))
    return tuple(sorted({example.label for example in examples}))


def class_weights(examples: Iterable[TaskExample], labels: Sequence[str]) -> list[float]:
    """A label as rare as one in n counts for n, up to a limit, so that each has the same say."""
    counts = Counter(example.label for example in examples)
    total = sum(counts.values())
    return [min(WEIGHT_LIMIT, total / (len(labels) * max(1, counts[label]))) for label in labels]


def _rows(name: str) -> Iterator[Mapping[str, Any]]:
    path = Path(name)
    if path.suffix not in FILES:
        yield from _data_set(name)
        return
    try:
        with path.open(encoding="utf-8", newline="") as file:
            if path.suffix == ".csv":
                yield from csv.DictReader(file)
                return
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _json_row(line, f"{name}:{number}")
    except OSError as error:
        raise BundleError(f"cannot read {name}: {error.strerror}") from None


def _json_row(line: str, where: str) -> Mapping[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:
        raise BundleError(f"{where}: not JSON; a file has one object per line") from None
    if not isinstance(row, dict):
        raise BundleError(f"{where}: not a JSON object")
    return row


def _data_set(name: str) -> Iterator[Mapping[str, Any]]:
    """`owner/name` or `owner/name:configuration` of the hub, or a directory that `datasets` reads or has
    saved. The split `train`; labels as their names."""
    try:
        from datasets import ClassLabel, load_dataset, load_from_disk
    except ImportError:
        raise BundleError(
            f"{name} is neither a .jsonl, .json or .csv file nor can it be fetched: pip install datasets"
        ) from None
    where, _, configuration = name.partition(":")
    try:
        saved = (Path(where) / SAVED).is_file()
        rows = load_from_disk(where) if saved else load_dataset(where, configuration or None, split="train")
    except Exception as error:  # noqa: BLE001 - network, disk and server errors are of many families
        raise BundleError(
            f"cannot load the split train of the data set {name} ({type(error).__name__}); without network "
            "give a local file or directory"
        ) from None
    kind = rows.features.get("label")
    for row in rows:
        named = isinstance(kind, ClassLabel) and isinstance(row["label"], int)
        yield {**row, "label": kind.int2str(row["label"])} if named else row


def _example(row: Mapping[str, Any], task: TaskName, where: str) -> TaskExample:
    text = _string(row, "text", where)
    group = str(row.get("group") or " ".join(text.casefold().split()))
    if task == "embedding":
        return TaskExample(text, group, positive=_string(row, "positive", where))
    if task == "pii":
        return TaskExample(text, group, spans=_spans(row.get("spans"), text, where))
    return TaskExample(text, group, label=_string(row, "label", where))


def _string(row: Mapping[str, Any], key: str, where: str) -> str:
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise BundleError(f"{where}: needs {key!r}, a text that is not empty")
    return str(value)


def _spans(given: Any, text: str, where: str) -> tuple[Span, ...]:
    """A list of [start, end, type] or {"start", "end", "type" or "label"}; in a CSV file, as JSON."""
    try:
        rows = json.loads(given or "[]") if isinstance(given, str) else given
        spans = [
            (row["start"], row["end"], row.get("type") or row["label"])
            if isinstance(row, dict)
            else tuple(row)
            for row in rows
        ]
        for start, end, kind in spans:
            if not 0 <= start < end <= len(text) or not isinstance(kind, str):
                raise ValueError
    except (TypeError, ValueError, KeyError):
        raise BundleError(
            f"{where}: 'spans' must be a list of [start, end, type] within the text, in characters"
        ) from None
    return tuple(sorted(spans))


def _stratum(members: Sequence[TaskExample]) -> str:
    """What a group is mostly about."""
    said = Counter(
        kind for member in members for kind in (member.label, *(s[2] for s in member.spans)) if kind
    )
    return said.most_common(1)[0][0] if said else ""
