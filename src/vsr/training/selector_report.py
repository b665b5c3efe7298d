"""What `vsr evaluate-selection` reports: a trained selector on a file of outcomes, source by source.

The two models of a file that are furthest apart are the strong and the weak one. A selector that has not
seen them ranks questions by how hard they look: `difficulty` by its own score, the others by how seldom
the models they know are expected to be right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vsr.errors import SelectorError
from vsr.selection.learned.artifact import Artifact
from vsr.selection.learned.predict import difficulty, qualities
from vsr.training.outcomes import Row, model_names, outcome_table
from vsr.training.question_features import Features
from vsr.training.selector_measure import (
    Array,
    Pair,
    Summary,
    accuracy_curve,
    by_category,
    make_pair,
    oracle,
    summarise,
)

POINTS: Final = 101

Curve = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One source. curves: (share of calls to the strong model, accuracy). costs: the mean price of a call
    at the shares of the selector's half and four fifths of the gap, and of each model alone."""

    source: str
    rows: int
    strong_accuracy: float
    weak_accuracy: float
    oracle_accuracy: float
    rankings: tuple[Summary, ...]
    curves: Mapping[str, Curve]
    costs: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Report:
    """seen_models: those of the pair whose outcomes the selector was trained on."""

    selector: str
    strong: str
    weak: str
    seen_models: tuple[str, ...]
    parts: tuple[Part, ...]


def measure(
    artifact: Artifact, rows: Sequence[Row], features: Features, prices: Mapping[str, float]
) -> Report:
    """Raises SelectorError if bundle or outcomes do not fit."""
    if artifact.manifest.bundle != features.bundle:
        raise SelectorError(
            f"the selector was trained on bundle {artifact.manifest.bundle[:12]}, and this one is "
            f"{features.bundle[:12]}: train it again or name its bundle with --bundle"
        )
    names = model_names(rows)
    if len(names) < 2:
        raise SelectorError("the outcomes must be of at least two models")
    scores = hardness(artifact, features)
    pair, both = make_pair(outcome_table(rows, names), names, [row.category for row in rows])
    known = [row for row, kept in zip(rows, both, strict=True) if kept]
    sources = list(dict.fromkeys(row.source for row in known))
    parts = [
        _part(source or "all", np.array([row.source == source for row in known]), scores[both], pair, prices)
        for source in sources
    ]
    if len(sources) > 1:
        parts.append(_part("all", np.ones(len(known), dtype=bool), scores[both], pair, prices))
    trained = artifact.manifest.report.get("models", ())
    seen = tuple(
        name
        for name in (pair.strong_name, pair.weak_name)
        if name in artifact.manifest.models or (isinstance(trained, list) and name in trained)
    )
    return Report(artifact.manifest.kind, pair.strong_name, pair.weak_name, seen, tuple(parts))


def hardness(artifact: Artifact, features: Features) -> Array:
    """One score a row, higher for questions on which a strong model is worth its price."""
    if artifact.manifest.kind == "difficulty":
        return np.array([difficulty(artifact, row) for row in features.rows])
    return np.array([1 - float(qualities(artifact, row).mean()) for row in features.rows])


def _part(
    source: str, rows: NDArray[np.bool_], scores: Array, whole: Pair, prices: Mapping[str, float]
) -> Part:
    pair = Pair(
        whole.strong_name,
        whole.weak_name,
        whole.strong[rows],
        whole.weak[rows],
        tuple(name for name, kept in zip(whole.categories, rows, strict=True) if kept),
    )
    rankings = {"selector": scores[rows], "category, seen": by_category(pair), "oracle": oracle(pair)}
    summaries = tuple(summarise(name, values, pair) for name, values in rankings.items())
    return Part(
        source=source,
        rows=len(pair.strong),
        strong_accuracy=float(pair.strong.mean()),
        weak_accuracy=float(pair.weak.mean()),
        oracle_accuracy=float(np.maximum(pair.strong, pair.weak).mean()),
        rankings=summaries,
        curves={name: _thinned(accuracy_curve(values, pair)) for name, values in rankings.items()},
        costs=_costs(summaries[0], pair, prices),
    )


def _thinned(curve: Array) -> Curve:
    places = np.linspace(0, len(curve) - 1, min(POINTS, len(curve))).astype(int)
    return tuple((float(place / (len(curve) - 1)), float(curve[place])) for place in places)


def _costs(summary: Summary, pair: Pair, prices: Mapping[str, float]) -> dict[str, float]:
    strong, weak = prices.get(pair.strong_name), prices.get(pair.weak_name)
    if strong is None or weak is None:
        return {}
    return {
        "strong alone": strong,
        "weak alone": weak,
        "half the gap": weak + summary.share_for_half * (strong - weak),
        "four fifths of the gap": weak + summary.share_for_four_fifths * (strong - weak),
    }
