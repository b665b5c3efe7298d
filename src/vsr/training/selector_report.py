"""What `vsr evaluate-selection` reports: trained selectors on a file of outcomes, source by source.

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
from vsr.selection.learned.predict import difficulty, qualities_of_many
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
    """One source. curves: (share of calls to the strong model, accuracy). costs: by ranking, the mean price
    of a call where half and where four fifths of the gap are recovered; empty without prices."""

    source: str
    rows: int
    strong_accuracy: float
    weak_accuracy: float
    oracle_accuracy: float
    rankings: tuple[Summary, ...]
    curves: Mapping[str, Curve]
    costs: Mapping[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Report:
    """bundle: digest of the one that read the prompts. seen_models: those of the pair whose outcomes a
    selector was trained on."""

    selectors: tuple[str, ...]
    bundle: str
    strong: str
    weak: str
    seen_models: tuple[str, ...]
    parts: tuple[Part, ...]


def measure(
    artifacts: Sequence[Artifact], rows: Sequence[Row], features: Features, prices: Mapping[str, float]
) -> Report:
    """Raises SelectorError if bundle or outcomes do not fit."""
    for one in artifacts:
        _check_bundle(one, features)
    pair, both = _compared(rows)
    known = [row for row, kept in zip(rows, both, strict=True) if kept]
    scores = {name: hardness(one, features)[both] for name, one in _named(artifacts).items()}
    sources = list(dict.fromkeys(row.source for row in known))
    parts = [
        _part(source or "all", np.array([row.source == source for row in known]), scores, pair, prices)
        for source in sources
    ]
    if len(sources) > 1:
        parts.append(_part("all", np.ones(len(known), dtype=bool), scores, pair, prices))
    seen = _seen(artifacts, (pair.strong_name, pair.weak_name))
    return Report(tuple(scores), features.bundle, pair.strong_name, pair.weak_name, seen, tuple(parts))


def check_prices(prices: Mapping[str, float], rows: Sequence[Row]) -> None:
    """Costs need a price of each of the two models; none at all are right, too. Raises SelectorError."""
    pair, _ = _compared(rows)
    both = (pair.strong_name, pair.weak_name)
    if prices and set(prices) != set(both):
        raise SelectorError(
            f"prices are needed of {' and '.join(both)}, the best and the worst model, and were given of "
            f"{', '.join(prices)}: give --price {both[0]}=PRICE --price {both[1]}=PRICE and no other"
        )


def _compared(rows: Sequence[Row]) -> tuple[Pair, NDArray[np.bool_]]:
    names = model_names(rows)
    if len(names) < 2:
        raise SelectorError("the outcomes must be of at least two models")
    return make_pair(outcome_table(rows, names), names, [row.category for row in rows])


def _check_bundle(artifact: Artifact, features: Features) -> None:
    if artifact.manifest.bundle != features.bundle:
        raise SelectorError(
            f"selector {artifact.path} was trained on bundle {artifact.manifest.bundle[:12]}, and this one "
            f"is {features.bundle[:12]}: train it again or name its bundle with --bundle"
        )


def _named(artifacts: Sequence[Artifact]) -> dict[str, Artifact]:
    """By kind; by directory where several are of one kind."""
    kinds = [one.manifest.kind for one in artifacts]
    return {
        one.manifest.kind if kinds.count(one.manifest.kind) == 1 else str(one.path): one for one in artifacts
    }


def _seen(artifacts: Sequence[Artifact], models: Sequence[str]) -> tuple[str, ...]:
    known: set[object] = set()
    for one in artifacts:
        trained = one.manifest.report.get("models", ())
        known |= {*one.manifest.models, *(trained if isinstance(trained, list) else ())}
    return tuple(name for name in models if name in known)


def hardness(artifact: Artifact, features: Features) -> Array:
    """One score a row, higher for questions on which a strong model is worth its price."""
    if artifact.manifest.kind == "difficulty":
        return np.array([difficulty(artifact, row) for row in features.rows])
    found: Array = 1 - qualities_of_many(artifact, features.rows).mean(axis=1, dtype=np.float64)
    return found


def _part(
    source: str,
    rows: NDArray[np.bool_],
    scores: Mapping[str, Array],
    whole: Pair,
    prices: Mapping[str, float],
) -> Part:
    pair = Pair(
        whole.strong_name,
        whole.weak_name,
        whole.strong[rows],
        whole.weak[rows],
        tuple(name for name, kept in zip(whole.categories, rows, strict=True) if kept),
    )
    rankings = {
        **{name: values[rows] for name, values in scores.items()},
        "random mixing": np.zeros(len(pair.strong)),
        "category, seen": by_category(pair),
        "oracle": oracle(pair),
    }
    summaries = tuple(summarise(name, values, pair) for name, values in rankings.items())
    return Part(
        source=source,
        rows=len(pair.strong),
        strong_accuracy=float(pair.strong.mean()),
        weak_accuracy=float(pair.weak.mean()),
        oracle_accuracy=float(np.maximum(pair.strong, pair.weak).mean()),
        rankings=summaries,
        curves={name: _thinned(accuracy_curve(values, pair)) for name, values in rankings.items()},
        costs=_costs(summaries, pair, prices),
    )


def _thinned(curve: Array) -> Curve:
    places = np.linspace(0, len(curve) - 1, min(POINTS, len(curve))).astype(int)
    return tuple((float(place / (len(curve) - 1)), float(curve[place])) for place in places)


def _costs(
    summaries: Sequence[Summary], pair: Pair, prices: Mapping[str, float]
) -> dict[str, tuple[float, float]]:
    strong, weak = prices.get(pair.strong_name), prices.get(pair.weak_name)
    if strong is None or weak is None:
        return {}
    return {
        one.name: (
            weak + one.share_for_half * (strong - weak),
            weak + one.share_for_four_fifths * (strong - weak),
        )
        for one in summaries
    }
