"""Answers of others, checked: probabilities over the labels that were agreed on, and unit vectors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsr.encoder.remote.limits import Nonsense

SUM_TOLERANCE = 0.02
"""How far from one the probabilities may sum up to: services round."""


def distribution(scores: Mapping[str, Any], labels: Sequence[str]) -> dict[str, float]:
    """Probabilities of exactly these labels, in their order, summing to one. Raises Nonsense."""
    if set(scores) != set(labels):
        raise Nonsense(f"the answer does not name exactly the {len(labels)} labels that are configured")
    values = [_probability(scores[label]) for label in labels]
    total = sum(values)
    if abs(total - 1.0) > SUM_TOLERANCE:
        raise Nonsense(f"the probabilities sum up to {total:.3f}")
    return {label: value / total for label, value in zip(labels, values, strict=True)}


def one_label(label: str, confidence: Any, labels: Sequence[str]) -> dict[str, float]:
    """A distribution of one label and its confidence: the others share the rest evenly."""
    if label not in labels:
        raise Nonsense("the answer names a label that is not configured")
    sure = _probability(confidence)
    rest = (1.0 - sure) / max(1, len(labels) - 1)
    return {name: sure if name == label else rest for name in labels}


def unit_vector(values: Any, dimension: int | None) -> NDArray[np.float32]:
    """Raises Nonsense unless it is a vector of finite numbers, of this dimension if there is one."""
    try:
        vector = np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError):
        raise Nonsense("an embedding is no list of numbers") from None
    if vector.ndim != 1 or not vector.size or (dimension is not None and vector.size != dimension):
        raise Nonsense(f"an embedding has the shape {vector.shape}, expected ({dimension},)")
    norm = float(np.linalg.norm(vector))
    if not math.isfinite(norm) or norm == 0.0:
        raise Nonsense("an embedding is zero or not finite")
    return vector / np.float32(norm)


def _probability(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        raise Nonsense("a score is not a number from 0 to 1")
    return float(value)
