"""What a bundle said about rows whose truth is known: scores before they are counted. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vsr.evaluation.metrics import Span


@dataclass(frozen=True, slots=True)
class Labelled:
    """A row of a head with classes. said: what production makes of the probabilities."""

    truth: str
    said: str
    probabilities: Mapping[str, float]

    @property
    def confidence(self) -> float:
        return max(self.probabilities.values())

    @property
    def likeliest(self) -> str:
        """What the confidence is of."""
        return max(self.probabilities, key=lambda label: self.probabilities[label])


@dataclass(frozen=True, slots=True)
class Judged:
    """A text for the prompt guard: its riskiest window, held against the operating point of its length."""

    attack: bool
    risk: float
    threshold: float

    @property
    def flagged(self) -> bool:
        return self.risk >= self.threshold


@dataclass(frozen=True, slots=True)
class Spanned:
    """Personal data in a text. head: what the bundle's head says alone; served: united with the
    recognisers, as in production. Only types in `annotated` are told right from wrong."""

    truth: tuple[Span, ...]
    head: tuple[Span, ...]
    served: tuple[Span, ...]
    ignored: tuple[Span, ...]
    annotated: frozenset[str]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two questions. cosine: in the bundle's space; base: in the untouched base model's, if it was asked."""

    duplicate: bool
    cosine: float
    base: float | None = None


@dataclass(frozen=True, slots=True)
class Results:
    """By source. labelled: by head (domain, fact_check, feedback) first."""

    labelled: dict[str, dict[str, list[Labelled]]] = field(default_factory=dict)
    jailbreak: dict[str, list[Judged]] = field(default_factory=dict)
    pii: dict[str, list[Spanned]] = field(default_factory=dict)
    digits: dict[str, list[Spanned]] = field(default_factory=dict)
    duplicates: dict[str, list[Pair]] = field(default_factory=dict)
