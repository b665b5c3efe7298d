"""The manifest of a bundle, `vsr.json`, as typed values. The format is described in docs/bundle.md.

Only the text is judged here; whether the files it names exist and are whole is `bundle`'s business.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sized
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from vsr.errors import BundleError

FORMAT = 1

Document = TypeVar("Document")
Check = tuple[bool, str]
"""Whether it holds, and what is wrong if it does not."""


@dataclass(frozen=True, slots=True)
class WindowScheme:
    """Content tokens in a window, and the step between two windows of one text."""

    tokens: int
    stride: int


@dataclass(frozen=True, slots=True)
class SequenceHead:
    labels: tuple[str, ...]
    temperature: float
    kind: Literal["sequence"]


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """The threshold for a maximum over up to `max_windows` windows (None: any number)."""

    role: Literal["any", "system"]
    max_windows: int | None
    threshold: float
    fpr: float


@dataclass(frozen=True, slots=True)
class CloseUps:
    """In a text of more than one window, those whose risk reaches `risk` are read again in pieces of so many
    tokens, a piece every `stride` of them."""

    tokens: int
    stride: int
    risk: float


@dataclass(frozen=True, slots=True)
class RiskHead:
    """`close_ups` is None in older bundles, whose operating points were fitted without."""

    labels: tuple[str, ...]
    positive: str
    temperature: float
    operating_points: tuple[OperatingPoint, ...]
    kind: Literal["sequence"]
    close_ups: CloseUps | None = None


@dataclass(frozen=True, slots=True)
class TokenHead:
    """BIO tags; `thresholds` holds a span's least probability by type, 0.5 for types not named."""

    labels: tuple[str, ...]
    temperature: float
    kind: Literal["token"]
    thresholds: dict[str, float] = field(default_factory=dict)

    @property
    def types(self) -> tuple[str, ...]:
        """The entity types in the order of their B- tags."""
        return tuple(label[2:] for label in self.labels if label.startswith("B-"))


@dataclass(frozen=True, slots=True)
class EmbeddingHead:
    dimension: int
    kind: Literal["embedding"]


@dataclass(frozen=True, slots=True)
class AskHead:
    """A further head about the ask. `positive` is the label of a yes (of two labels), `negative` the one
    for texts the head is not about; a label counts from `threshold` on."""

    labels: tuple[str, ...]
    temperature: float
    kind: Literal["sequence"]
    positive: str = ""
    negative: str = ""
    threshold: float = 0.5


@dataclass(frozen=True, slots=True)
class Heads:
    """A head that is None is not in the bundle: older ones have fewer."""

    domain: SequenceHead
    jailbreak: RiskHead
    pii: TokenHead
    embedding: EmbeddingHead
    fact_check: AskHead | None = None
    feedback: AskHead | None = None

    @property
    def asks(self) -> dict[str, AskHead]:
        """The further heads about the ask that the bundle has, by the name of their output."""
        named = {"fact_check": self.fact_check, "feedback": self.feedback}
        return {name: head for name, head in named.items() if head is not None}

    @property
    def widths(self) -> dict[str, int]:
        """How many values each output has in its last dimension, by the output's name."""
        return {
            "domain": len(self.domain.labels),
            "jailbreak": len(self.jailbreak.labels),
            "pii": len(self.pii.labels),
            "embedding": self.embedding.dimension,
            **{name: len(head.labels) for name, head in self.asks.items()},
        }


@dataclass(frozen=True, slots=True)
class Golden:
    """One text of one window and the calibrated outputs of the machine that built the bundle."""

    text: str
    domain: tuple[float, ...]
    jailbreak: float
    embedding: tuple[float, ...]
    pii: tuple[str, ...]
    fact_check: tuple[float, ...] | None = None
    feedback: tuple[float, ...] | None = None

    @property
    def asks(self) -> dict[str, tuple[float, ...]]:
        """Probabilities of the further heads' labels, as far as they were recorded."""
        named = {"fact_check": self.fact_check, "feedback": self.feedback}
        return {name: values for name, values in named.items() if values is not None}


@dataclass(frozen=True, slots=True)
class Tolerance:
    probability: float
    embedding_cosine: float


@dataclass(frozen=True, slots=True)
class Manifest:
    format: int
    name: str
    version: str
    base_model: str
    license: str
    engine: str
    windows: WindowScheme
    heads: Heads
    files: dict[str, str]
    golden: tuple[Golden, ...]
    golden_tolerance: Tolerance


def parse_manifest(text: bytes) -> Manifest:
    """Raises BundleError with the first thing that is wrong. Keys that are not known are ignored."""
    return parse_document(text, "vsr.json", FORMAT, Manifest, _checks)


def parse_document(
    text: bytes, name: str, form: int, kind: type[Document], checks: Callable[[Document], Iterable[Check]]
) -> Document:
    """A manifest of any kind: JSON of this `form`, with the fields of `kind`, for which all `checks` hold."""
    try:
        document = json.loads(text)
    except ValueError:
        raise BundleError(f"{name} is not JSON") from None
    found = document.get("format") if isinstance(document, dict) else None
    if found != form:
        raise BundleError(f"{name} has format {found!r}; this version reads format {form}")
    try:
        manifest = TypeAdapter(kind).validate_python(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"{name}: {where}: {first['msg']}") from None
    problem = next((message for holds, message in checks(manifest) if not holds), "")
    if problem:
        raise BundleError(f"{name}: {problem}")
    return manifest


def common_checks(windows: WindowScheme, files: Iterable[str], golden: Sized) -> tuple[Check, ...]:
    """What holds for the windows, the files and the golden texts of any manifest."""
    return (
        (len(golden) > 0, "golden needs at least one text, or nothing is compared at start"),
        (0 < windows.stride <= windows.tokens, "windows.stride must be between 1 and windows.tokens"),
        (
            all(PurePath(name).name == name for name in files),
            "files names something outside the directory",
        ),
    )


def _checks(manifest: Manifest) -> Iterable[Check]:
    heads = manifest.heads
    tags = {"O"} | {f"{prefix}-{kind}" for kind in heads.pii.types for prefix in ("B", "I")}
    points, close = heads.jailbreak.operating_points, heads.jailbreak.close_ups
    return (
        *common_checks(manifest.windows, manifest.files, manifest.golden),
        (heads.jailbreak.positive in heads.jailbreak.labels, "heads.jailbreak.positive is not a label"),
        (
            heads.fact_check is None or heads.fact_check.positive in heads.fact_check.labels,
            "heads.fact_check.positive is not a label",
        ),
        (
            heads.feedback is None or heads.feedback.negative in heads.feedback.labels,
            "heads.feedback.negative is not a label",
        ),
        (
            any(point.role == "any" and point.max_windows is None for point in points),
            'heads.jailbreak.operating_points needs a last row for role "any" and any number of windows',
        ),
        (
            close is None or (0 < close.stride <= close.tokens < manifest.windows.tokens and close.risk > 0),
            "heads.jailbreak.close_ups must be smaller than a window, with a stride and a risk above 0",
        ),
        (tags == set(heads.pii.labels), "heads.pii.labels must be O and a B- and an I- tag of each type"),
        (
            min(heads.domain.temperature, heads.jailbreak.temperature, heads.pii.temperature) > 0
            and all(head.temperature > 0 for head in heads.asks.values()),
            "a temperature must be above 0",
        ),
    )
