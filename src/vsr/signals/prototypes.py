"""Banks of prototypes: the vectors of an operator's example texts, and how near a text comes to them.

Examples that say the same are one prototype, as in the original: they are joined greedily while their
cosine reaches `similarity`, the largest groups make at most `most` prototypes, and each is represented
by the member nearest to its group's mean. Vectors are made once, when a generation starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsr.config.policy_signals import Scoring

Vector = NDArray[np.float32]

_BLOCK = 256
"""Examples that are compared with all later ones at a time: 10 MB of cosines for the longest list."""


@dataclass(frozen=True, slots=True)
class Nearness:
    """score in [-1, 1]; example: index of the nearest prototype's text among the examples given."""

    score: float
    example: int


NOWHERE = Nearness(0.0, -1)


@dataclass(frozen=True, slots=True, eq=False)
class Bank:
    """vectors: unit prototypes, shape (n, dim). examples: which example each one is."""

    vectors: Vector
    examples: tuple[int, ...]
    scoring: Scoring

    def nearness(self, vector: Vector) -> Nearness:
        if not self.examples:
            return NOWHERE
        cosines = self.vectors @ vector
        best = int(np.argmax(cosines))
        return Nearness(_score(cosines, self.scoring), self.examples[best])


def make_bank(vectors: Sequence[Vector], scoring: Scoring) -> Bank:
    """`vectors` are of unit length, one an example, in the order of the configuration."""
    if not vectors:
        return Bank(np.zeros((0, 0), np.float32), (), scoring)
    stacked = np.asarray(vectors, np.float32)
    chosen = _representatives(stacked, scoring) if scoring.cluster else list(range(len(vectors)))
    return Bank(stacked[chosen], tuple(chosen), scoring)


def _representatives(vectors: Vector, scoring: Scoring) -> list[int]:
    groups = _groups(vectors, scoring.similarity)
    groups.sort(key=lambda group: (-len(group), group[0]))
    kept = groups[: scoring.most or None]
    return sorted(_medoid(vectors, group) for group in kept)


def _groups(vectors: Vector, similarity: float) -> list[list[int]]:
    """Each example joins the first one before it that leads a group and is near, or else leads its own.
    A product of matrices for a whole block: one of vectors for each pair takes seconds for thousands."""
    groups: list[list[int]] = []
    free = np.ones(len(vectors), bool)
    for start in range(0, len(vectors), _BLOCK):
        possible = start + np.flatnonzero(free[start : start + _BLOCK])
        near = vectors[possible] @ vectors[start:].T >= similarity
        for leader, row in zip(possible, near, strict=True):
            if free[leader]:
                row[leader - start] = True  # whatever rounding makes of its cosine with itself
                group = start + np.flatnonzero(row & free[start:])
                free[group] = False
                groups.append(group.tolist())
    return groups


def _medoid(vectors: Vector, group: Sequence[int]) -> int:
    mean = vectors[list(group)].mean(axis=0)
    return group[int(np.argmax(vectors[list(group)] @ mean))]


def _score(cosines: Vector, scoring: Scoring) -> float:
    if scoring.aggregation == "max":
        return float(cosines.max())
    if scoring.aggregation == "mean":
        return float(cosines.mean())
    top = np.sort(cosines)[::-1][: scoring.top_m]
    return float(scoring.best_weight * top[0] + (1 - scoring.best_weight) * top.mean())


def unit(value: float) -> float:
    """A score as a confidence: what points the other way is none."""
    return min(1.0, max(0.0, value))
