"""The names of a checkpoint's labels: from a file, its `id2label`, or the original's mapping files.

A checkpoint whose labels are called LABEL_0, LABEL_1 has none; then, and for a bare adapter, the
mapping files beside it are read: `category_mapping.json` ({"category_to_idx", "idx_to_category"}),
`jailbreak_type_mapping.json` and `pii_type_mapping.json` ({"label_to_idx", "idx_to_label"}) and
`label_mapping.json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vsr.encoder.imported.manifest import Kind
from vsr.errors import BundleError
from vsr.models.source import read_json

MAPPINGS: Mapping[Kind, Sequence[str]] = {
    "domain": ("category_mapping.json", "label_mapping.json"),
    "jailbreak": ("jailbreak_type_mapping.json", "label_mapping.json"),
    "pii": ("pii_type_mapping.json", "label_mapping.json"),
}
NAMELESS = re.compile(r"LABEL_\d+")
RISKY = frozenset({"jailbreak", "injection", "prompt_injection", "unsafe", "malicious", "attack", "harmful"})
"""Labels that mean risk wherever they occur."""


def find_labels(folders: Sequence[Path], kind: Kind, file: Path | None) -> tuple[str, ...]:
    """In the order of the logits. `folders` are searched in order: an adapter, then its base."""
    if file is not None:
        return read_labels(file)
    for folder in folders:
        for name in MAPPINGS.get(kind, ("label_mapping.json",)):
            if (folder / name).is_file() and not _named(folder):
                return read_labels(folder / name)
        named = _named(folder)
        if named:
            return named
    known = " or ".join(MAPPINGS.get(kind, ("label_mapping.json",)))
    raise BundleError(
        f"{folders[0]} does not name its labels: config.json has no id2label, and there is no {known}. "
        'Give --labels FILE with JSON such as ["benign", "jailbreak"], in the order of the logits'
    )


def read_labels(path: Path) -> tuple[str, ...]:
    """A list of names, {index: name}, {name: index}, or an object that holds one of the latter two."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"cannot read the labels in {path}: {type(error).__name__}") from None
    labels = _ordered(document)
    if labels is None:
        raise BundleError(
            f"{path} holds no labels: neither a list, nor indices from 0 on to names, nor names to indices"
        )
    return labels


def risky_labels(labels: Sequence[str], chosen: Sequence[str]) -> tuple[str, ...]:
    """The labels that mean risk: those chosen, or those whose name says so."""
    unknown = [label for label in chosen if label not in labels]
    if unknown:
        raise BundleError(f"--positive {unknown[0]} is no label; the labels are {', '.join(labels)}")
    found = tuple(chosen) or tuple(label for label in labels if label.lower() in RISKY)
    if not found:
        raise BundleError(f"which labels mean risk? Name them with --positive: {', '.join(labels)}")
    return found


def _named(folder: Path) -> tuple[str, ...]:
    """`id2label` of the configuration, unless it is missing or only numbers the labels."""
    if not (folder / "config.json").is_file():
        return ()
    labels = _ordered(read_json(folder / "config.json").get("id2label"))
    if labels is None or all(NAMELESS.fullmatch(label) for label in labels):
        return ()
    return labels


def _ordered(document: Any) -> tuple[str, ...] | None:
    if isinstance(document, list) and all(isinstance(name, str) for name in document):
        return tuple(document) or None
    if not isinstance(document, dict):
        return None
    if all(isinstance(index, int) and not isinstance(index, bool) for index in document.values()):
        document = {str(index): name for name, index in document.items()}
    if document and all(isinstance(name, str) for name in document.values()):
        names = [document.get(str(index)) for index in range(len(document))]
        return tuple(names) if None not in names else None
    inner = (_ordered(value) for value in document.values() if isinstance(value, dict))
    return next((labels for labels in inner if labels), None)
