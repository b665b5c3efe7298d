"""Examples for fine-tuning one task: read from files or `datasets` names, and split without leaking.

A row has `text` and `label` (domain, jailbreak and other classes), `text` and `spans` (pii), or `text`
and `positive` (embedding: two texts that mean the same). Rows of one `group`, and rows that have a text in
common but for case and spaces, fall on one side of the split.
"""

from __future__ import annotations

import csv
import json
import logging
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vsr.errors import BundleError

logger = logging.getLogger(__name__)

TaskName = Literal["domain", "jailbreak", "pii", "embedding"]
Span = tuple[int, int, str]
"""`text[start:end]` is an entity of this type."""

FILES = (".jsonl", ".json", ".csv")
SAVED = "state.json"
"""In a directory that `Dataset.save_to_disk` has written."""
WEIGHT_LIMIT = 10.0
UNLABELLED = object()
"""The label of a row of a data set whose labels have names, and which has none (-1)."""


@dataclass(frozen=True, slots=True)
class TaskExample:
    """label, spans or positive, by the task. group: empty if none is given."""

    text: str
    group: str
    label: str = ""
    spans: tuple[Span, ...] = ()
    positive: str = ""


def read_examples(names: Sequence[str], task: TaskName) -> list[TaskExample]:
    """Of every file or data set. Raises BundleError for a row that does not fit, with its place."""
    examples = []
    for name in names:
        unlabelled = 0
        for number, row in enumerate(_rows(name), 1):
            if task in ("domain", "jailbreak") and row.get("label") is UNLABELLED:
                unlabelled += 1
            else:
                examples.append(_example(row, task, f"{name}, row {number}"))
        if unlabelled:
            logger.warning("%s: rows without a label, which are left out: %d", name, unlabelled)
    if not examples:
        raise BundleError(f"there are no rows in {', '.join(names)}")
    return examples


def split(
    examples: Sequence[TaskExample], share: float, seed: int
) -> tuple[list[TaskExample], list[TaskExample]]:
    """Most for training, about `share` of every label's groups held out, at least one of each label that
    has two, and never the largest, which can be most of all where rows share texts. Of a share of 0 none."""
    groups: dict[str, list[TaskExample]] = defaultdict(list)
    own = _groups(examples)
    for name, example in zip(own, examples, strict=True):
        groups[name].append(example)
    strata: dict[str, list[str]] = defaultdict(list)
    for name, members in sorted(groups.items()):
        strata[_stratum(members)].append(name)
    held: set[str] = set()
    for stratum, names in sorted(strata.items()):
        count = max(1, round(share * len(names))) if share else 0
        names.remove(max(names, key=lambda name: len(groups[name])))
        random.Random(f"{seed} {stratum}").shuffle(names)
        held.update(names[:count])
    kept = [example for name, example in zip(own, examples, strict=True) if name not in held]
    return kept, [example for name, example in zip(own, examples, strict=True) if name in held]


def _groups(examples: Sequence[TaskExample]) -> list[str]:
    """For each example the name of its group: the same for those that have a key in common, and for those
    that others link so."""
    above: dict[str, str] = {}

    def first(key: str) -> str:
        while above.setdefault(key, key) != key:
            above[key] = above[above[key]]  # half the way for the next search
            key = above[key]
        return key

    keys = [_keys(example) for example in examples]
    for one, *others in keys:
        for other in others:
            # the least key names the group, whatever the order of the rows
            low, high = sorted((first(one), first(other)))
            above[high] = low
    return [first(one) for one, *_ in keys]


def _keys(example: TaskExample) -> list[str]:
    """What no two examples on different sides of the split may share."""
    keys = [f"text {_plain(example.text)}"]
    if example.positive:
        keys.append(f"text {_plain(example.positive)}")
    if example.group:
        keys.append(f"group {example.group}")
    return keys


def _plain(text: str) -> str:
    """Equal for texts that differ by case and spaces alone."""
    return " ".join(text.casefold().split())


def labels_of(examples: Iterable[TaskExample], task: TaskName) -> tuple[str, ...]:
    """The labels in a fixed order; of pii the tags, `O` first. None for an embedding. Raises BundleError for
    two that differ by case and spaces alone, which are one label misspelt."""
    if task == "embedding":
        return ()
    if task == "pii":
        types = _distinct({kind for example in examples for _, _, kind in example.spans})
        return ("O", *(f"{prefix}-{kind}" for kind in types for prefix in ("B", "I")))
    return tuple(_distinct({example.label for example in examples}))


def _distinct(names: Iterable[str]) -> list[str]:
    spelt: dict[str, str] = {}
    for name in sorted(names):
        other = spelt.setdefault(_plain(name), name)
        if other != name:
            raise BundleError(
                f"the labels {other!r} and {name!r} differ by case or spaces alone; make them one"
            )
    return list(spelt.values())


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
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix == ".csv":
                yield from _csv_rows(file, name)
                return
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _json_row(line, f"{name}:{number}")
    except OSError as error:
        raise BundleError(f"cannot read {name}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BundleError(
            f"{name} is not UTF-8; convert it, from GBK for example with iconv -f GBK -t UTF-8"
        ) from None


def _csv_rows(file: Iterable[str], name: str) -> Iterator[Mapping[str, Any]]:
    reader = csv.DictReader(file)
    try:
        yield from reader
    except csv.Error as error:
        raise BundleError(
            f"{name}, line {reader.reader.line_num}: {error}; is a quote missing? A .jsonl file has room for "
            "longer texts"
        ) from None


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
    saved. The split `train`; labels as their names, or UNLABELLED."""
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
        label = row.get("label")
        if isinstance(kind, ClassLabel) and isinstance(label, int):
            yield {**row, "label": UNLABELLED if label < 0 else kind.int2str(label)}
        else:
            yield row


def _example(row: Mapping[str, Any], task: TaskName, where: str) -> TaskExample:
    text = _string(row, "text", where)
    group = "" if row.get("group") is None else str(row["group"])
    if task == "embedding":
        return TaskExample(text, group, positive=_string(row, "positive", where))
    if task == "pii":
        return TaskExample(text, group, spans=_spans(row.get("spans"), text, where))
    return TaskExample(text, group, label=_string(row, "label", where))


def _string(row: Mapping[str, Any], key: str, where: str) -> str:
    value = row.get(key)
    if value is None or value == "":
        raise BundleError(f"{where}: needs {key!r}, a text that is not empty")
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise BundleError(f"{where}: {key!r} is a {type(value).__name__}, not a text or a whole number")
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
