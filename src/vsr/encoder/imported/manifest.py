"""`vsr-model.json`, the manifest of an imported model, as typed values; see docs/models-import.md.

Only the text is judged here; whether the files it names exist and are whole is `folder`'s business.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from vsr.encoder.manifest import Check, WindowScheme, common_checks, parse_document

FORMAT = 1
MANIFEST = "vsr-model.json"

Kind = Literal["domain", "jailbreak", "pii", "embedding", "fact_check", "feedback", "classifier"]
Task = Literal["sequence", "token", "embedding"]


@dataclass(frozen=True, slots=True)
class Specials:
    """The tokens a window begins, ends and is padded with."""

    cls: str
    sep: str
    pad: str


@dataclass(frozen=True, slots=True)
class GoldenText:
    """One text of one window and what the converted model said where it was converted: probabilities of
    the labels, a unit vector, or (of a token model) the likeliest tag per content token."""

    text: str
    values: tuple[float, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parity:
    """How the converted model compares with transformers on the built-in texts.

    difference: the largest of any logit (of an embedding: one minus the lowest cosine). probability: the
    largest of any probability (0 for an embedding). agreement: share of texts or tokens with the same
    likeliest label. allowed: the difference or, for int8, the probability at which importing fails.
    """

    texts: int
    difference: float
    probability: float
    agreement: float
    allowed: float


@dataclass(frozen=True, slots=True)
class ImportedManifest:
    """labels: in the order of the logits, none for an embedding. positive: the labels that mean risk, of
    a jailbreak model. dimension: of an embedding's vectors, else 0."""

    format: int
    name: str
    kind: Kind
    task: Task
    architecture: str
    source: str
    engine: str
    labels: tuple[str, ...]
    positive: tuple[str, ...]
    dimension: int
    windows: WindowScheme
    specials: Specials
    files: dict[str, str]
    golden: tuple[GoldenText, ...]
    golden_tolerance: float
    parity: Parity


def parse_imported(text: bytes) -> ImportedManifest:
    """Raises BundleError with the first thing that is wrong. Keys that are not known are ignored."""
    return parse_document(text, MANIFEST, FORMAT, ImportedManifest, _checks)


def _checks(manifest: ImportedManifest) -> Iterable[Check]:
    labels = manifest.labels
    return (
        *common_checks(manifest.windows, manifest.files, manifest.golden),
        ((manifest.task == "embedding") == (manifest.dimension > 0), "dimension belongs to an embedding"),
        ((manifest.task == "embedding") == (not labels), "labels belong to all but an embedding"),
        (len(labels) != 1, "labels holds only one, which every text would have"),
        (len(set(labels)) == len(labels), "labels holds one twice"),
        (set(manifest.positive) <= set(labels), "positive holds what is not a label"),
        ((manifest.kind == "jailbreak") == bool(manifest.positive), "positive belongs to a jailbreak model"),
    )
