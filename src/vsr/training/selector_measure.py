"""Accuracy against cost of routing between a strong and a weak model, and what to hold it against.

Everything is computed from a ranking of the questions: the strong model gets the first ones. Beside it
stand the best single model, random mixing, the choice by category and the per-question oracle. Numpy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vsr.errors import SelectorError

Array = NDArray[np.float64]

RESAMPLES: Final = 500
SEED: Final = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """share_for_half, share_for_four_fifths: the least share of calls to the strong model from which on
    that part of the gap is recovered (random mixing: 0.5 and 0.8), with a 95 % interval. area: under the
    recovered gap over the share (random mixing: 0.5)."""

    name: str
    rows: int
    share_for_half: float
    half_interval: tuple[float, float]
    share_for_four_fifths: float
    four_fifths_interval: tuple[float, float]
    area: float


@dataclass(frozen=True, slots=True)
class Pair:
    """Outcomes of two models on the same rows, the better one first, and a category for each row."""

    strong_name: str
    weak_name: str
    strong: Array
    weak: Array
    categories: tuple[str, ...]


def make_pair(
    outcomes: NDArray[np.float32], names: Sequence[str], categories: Sequence[str]
) -> tuple[Pair, NDArray[np.bool_]]:
    """The best and the worst of the models by their mean; the mask says which rows both answered. Raises
    SelectorError if no two models differ, or these two have no row in common."""
    means = np.nanmean(outcomes, axis=0)
    best, worst = int(np.argmax(means)), int(np.argmin(means))
    if best == worst:
        raise SelectorError("all models are right equally often, so there is nothing to choose between them")
    both: NDArray[np.bool_] = np.asarray(~np.isnan(outcomes[:, [best, worst]]).any(axis=1))
    if not both.any():
        raise SelectorError(
            f"{names[best]} and {names[worst]}, the best and the worst model, have no row in common"
        )
    chosen = tuple(category for category, known in zip(categories, both, strict=True) if known)
    pair = Pair(
        names[best],
        names[worst],
        outcomes[both, best].astype(np.float64),
        outcomes[both, worst].astype(np.float64),
        chosen,
    )
    return pair, both


def accuracy_curve(scores: Array, pair: Pair) -> Array:
    """Accuracy when the n highest scores go to the strong model, for n = 0 ... rows. Ties share their
    gain evenly, so that the order of the rows does not matter."""
    gains = _ranked_gains(scores, pair.strong - pair.weak)
    curve: Array = (pair.weak.sum() + np.concatenate(([0.0], np.cumsum(gains)))) / len(gains)
    return curve


def _ranked_gains(scores: Array, gains: Array) -> Array:
    """The gains in the order of the scores; equal scores have the mean of their gains."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    starts = np.flatnonzero(np.concatenate(([True], ranked[1:] != ranked[:-1])))
    sizes = np.diff(np.append(starts, len(ranked)))
    even: Array = np.repeat(np.add.reduceat(gains[order], starts) / sizes, sizes)
    return even


def summarise(name: str, scores: Array, pair: Pair) -> Summary:
    generator = np.random.default_rng(SEED)
    rows = len(scores)
    half, fifths, area = _shares(scores, pair.strong - pair.weak)
    drawn = []
    for _ in range(RESAMPLES):
        sample = generator.integers(0, rows, rows)
        drawn.append(_shares(scores[sample], (pair.strong - pair.weak)[sample])[:2])
    low, high = np.quantile(np.array(drawn), (0.025, 0.975), axis=0)
    return Summary(
        name, rows, half, (float(low[0]), float(high[0])), fifths, (float(low[1]), float(high[1])), area
    )


def _shares(scores: Array, gains: Array) -> tuple[float, float, float]:
    """Shares for half and four fifths of the gap, and the area; 1.0 where there is no gap."""
    total = gains.sum()
    if total <= 0:
        return 1.0, 1.0, 0.0
    recovered = np.concatenate(([0.0], np.cumsum(_ranked_gains(scores, gains)))) / total
    share = np.linspace(0, 1, len(recovered))
    return (
        float(share[np.argmax(recovered >= 0.5)]),
        float(share[np.argmax(recovered >= 0.8)]),
        float(np.trapezoid(recovered, share)),
    )


def by_category(pair: Pair) -> Array:
    """The gain of each row's category, measured on these very rows: the best that a choice by category
    could do, since it has seen the answers."""
    gains = pair.strong - pair.weak
    names = np.array(pair.categories)
    scores = np.zeros(len(gains))
    for name in set(pair.categories):
        scores[names == name] = gains[names == name].mean()
    return scores


def oracle(pair: Pair) -> Array:
    """The gain of each row itself."""
    return pair.strong - pair.weak
