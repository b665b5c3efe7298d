"""What every algorithm gets and gives: candidates and a question in, scores out.

An algorithm is a pure function `(settings, candidates, question, state) -> scores`, one number a
candidate in their order, the highest wins and the first of equals; what is measured or learned while
running comes in as an immutable `State`. `choose` dispatches and turns scores into a `Choice`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vsr.config.policy import Model, ModelRef, ModelScore

Scores = Sequence[float]

RULED_OUT: Final = -math.inf
"""The score of a candidate that is not to be chosen while there is another one."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A chosen model. scores: what the choice was made by, keyed by model name (LoRA name if it has
    one), without candidates that are ruled out, empty when there was nothing to compare. effort "" leaves
    it to the configured default. reason: a content-free remark on how it came about, empty if nothing was
    special. instead_of: the algorithm that could not choose, where this is the static choice in its place.
    """

    model: str
    lora: str = ""
    reasoning: bool = False
    effort: str = ""
    algorithm: str = "static"
    scores: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    instead_of: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that the decision allows. score: the category's `model_scores` entry for it."""

    ref: ModelRef
    model: Model
    score: ModelScore | None = None

    @property
    def lora(self) -> str:
        return self.ref.lora or (self.score.lora if self.score else "")

    @property
    def name(self) -> str:
        return self.lora or self.ref.model

    @property
    def quality(self) -> float | None:
        """The category's score comes before the model card's."""
        return self.score.score if self.score is not None else self.model.card.quality


@dataclass(frozen=True, slots=True)
class Question:
    """The judged request as selection sees it. embedding: unit vector of what is asked, None if nothing
    could be read. surface: of `surface.features`. tokens: of the whole prompt, an estimate."""

    category: str = ""
    decision: str = ""
    embedding: NDArray[np.float32] | None = None
    domain: Mapping[str, float] = field(default_factory=dict)
    surface: tuple[float, ...] = ()
    tokens: int = 0
    seed: int = 0


class Unselectable(Exception):
    """The algorithm has nothing to choose by. The message is content-free and goes into the trace.
    final: the operator wants no other choice in this case, whatever `on_error` says."""

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


def ranks_between(values: Sequence[float]) -> tuple[float, ...]:
    """Values scaled to [0, 1] by their own smallest and largest; all 1.0 if they are equal."""
    low, high = min(values), max(values)
    if high - low < 1e-12:
        return tuple(1.0 for _ in values)
    return tuple((value - low) / (high - low) for value in values)


def prices(candidates: Sequence[Candidate]) -> list[float | None]:
    return [one.model.pricing.blended if one.model.pricing else None for one in candidates]


def relative_costs(candidates: Sequence[Candidate]) -> tuple[float, ...]:
    """0 for free, 1 for the dearest; a model without a price counts as the mean of the others."""
    given = [price for price in prices(candidates) if price is not None]
    if not given or max(given) == 0:
        return tuple(0.0 for _ in candidates)
    unknown, dearest = sum(given) / len(given), max(given)
    return tuple((unknown if price is None else price) / dearest for price in prices(candidates))


def qualities(candidates: Sequence[Candidate]) -> tuple[float, ...]:
    """In [0, 1]; unknown counts as the mean of the others. Raises Unselectable if none is known."""
    known = [one.quality for one in candidates if one.quality is not None]
    if not known:
        raise Unselectable("no candidate has a quality_score or model_scores entry")
    mean = sum(known) / len(known)
    return tuple(mean if one.quality is None else one.quality for one in candidates)
