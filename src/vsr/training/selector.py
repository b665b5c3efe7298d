"""Fits a selector on rows of prompt × model outcome and says how it does on subjects it has not seen:

vsr train-selector --data FILE.jsonl --algorithm difficulty --out DIR

Every number that is chosen (k, clusters, penalties) is chosen by cross-validation over whole subjects, so
that no copy and no neighbour of a question stands on both sides. Needs scikit-learn (extra `train`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from vsr.errors import SelectorError
from vsr.selection.learned.artifact import FORMAT, Array, Artifact, Kind, Manifest
from vsr.selection.learned.predict import qualities_of_many
from vsr.training.question_features import Features, Progress
from vsr.training.selector_fits import QUANTILES, SHRINKAGE, Arrays, Fit, candidates, ridge

FOLDS: Final = 5

Folds = Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]


@dataclass(frozen=True, slots=True)
class Trained:
    manifest: Manifest
    arrays: Arrays


def train(
    kind: Kind,
    features: Features,
    outcomes: Array,
    models: Sequence[str],
    groups: NDArray[np.int64],
    report: Mapping[str, object],
    progress: Progress = lambda done, total: None,
) -> Trained:
    """outcomes: shape (rows, models), with one known at least in every row and column. progress: is told how
    many of how many candidates are tried. Raises SelectorError if there is too little to split."""
    if len(set(groups.tolist())) < FOLDS:
        raise SelectorError(f"there must be at least {FOLDS} subjects (or questions) to split by")
    folds: Folds = list(GroupKFold(FOLDS).split(outcomes, groups=groups))
    if kind == "difficulty":
        return _difficulty(features, outcomes, folds, report)
    fits = candidates(kind, min(len(seen) for seen, _ in folds))
    held_out: dict[str, Array] = {}
    for name, fit in fits.items():
        progress(len(held_out), len(fits))
        held_out[name] = _out_of_fold(kind, fit, features, outcomes, folds)
    losses = {name: float(np.nanmean((table - outcomes) ** 2)) for name, table in held_out.items()}
    best = min(losses, key=losses.__getitem__)
    arrays, settings = fits[best](features.rows, outcomes, features.dimension)
    measured = {
        "chosen": best,
        "squared_error": losses,
        "held_out_subjects": _choices(held_out[best], outcomes),
    }
    return Trained(_manifest(kind, features, models, settings, {**report, **measured}), arrays)


def _difficulty(features: Features, outcomes: Array, folds: Folds, report: Mapping[str, object]) -> Trained:
    """Difficulty is how much oftener than usual the models fail, models that saw few rows included."""
    target = -np.nanmean(outcomes - np.nanmean(outcomes, axis=0), axis=1)
    found: dict[float, float] = {}
    scores: dict[float, Array] = {}
    for alpha in SHRINKAGE:
        predicted = np.zeros(len(target), np.float32)
        for seen, unseen in folds:
            mean, scale, weights = ridge(features.rows[seen], target[seen], alpha)
            predicted[unseen] = (features.rows[unseen] - mean) / scale @ weights
        scores[alpha] = predicted
        found[alpha] = float(np.mean([np.corrcoef(predicted[rows], target[rows])[0, 1] for _, rows in folds]))
    best = max(found, key=found.__getitem__)
    mean, scale, weights = ridge(features.rows, target, best)
    quantiles = np.quantile(scores[best], np.linspace(0, 1, QUANTILES)).astype(np.float32)
    arrays = {"mean": mean, "scale": scale, "weights": weights, "quantiles": quantiles}
    measured = {"alpha": best, "correlation_on_held_out_subjects": found}
    return Trained(_manifest("difficulty", features, (), {"alpha": best}, {**report, **measured}), arrays)


def _out_of_fold(kind: Kind, fit: Fit, features: Features, outcomes: Array, folds: Folds) -> Array:
    predicted = np.zeros_like(outcomes)
    for seen, unseen in folds:
        arrays, settings = fit(features.rows[seen], outcomes[seen], features.dimension)
        trained = Trained(_manifest(kind, features, (), settings, {}), arrays)
        predicted[unseen] = predict(trained, features.rows[unseen])
    return predicted


def predict(trained: Trained, rows: Array) -> Array:
    """P(good answer), shape (rows, models), by the very code that serves."""
    arrays = {name: np.asarray(array, np.float32) for name, array in trained.arrays.items()}
    artifact = Artifact(Path(), trained.manifest, arrays)
    return qualities_of_many(artifact, rows)


def _choices(predicted: Array, outcomes: Array) -> dict[str, float]:
    """How often the chosen model was right, beside the best single model and the best of each row."""
    known = np.where(np.isnan(outcomes), -1.0, predicted)
    chosen = outcomes[np.arange(len(outcomes)), known.argmax(axis=1)]
    return {
        "chosen": float(np.mean(chosen)),
        "best_single": float(np.nanmax(np.nanmean(outcomes, axis=0))),
        "oracle": float(np.mean(np.nanmax(outcomes, axis=1))),
    }


def _manifest(
    kind: Kind,
    features: Features,
    models: Sequence[str],
    settings: dict[str, float],
    report: dict[str, object],
) -> Manifest:
    return Manifest(
        format=FORMAT,
        kind=kind,
        bundle=features.bundle,
        dimension=features.dimension,
        domains=features.domains,
        models=tuple(models),
        settings=settings,
        arrays="",
        report=report,
    )
