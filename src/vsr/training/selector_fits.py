"""One scikit-learn fit for each kind of selector: features and outcomes in, plain arrays out.

`rows` has shape (n, features), `outcomes` (n, models) with NaN for what is not known. The arrays are what
`vsr.selection.learned.predict` reads.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.svm import LinearSVC

from vsr.selection.learned.artifact import Array, Kind

SEED: Final = 0
SHRINK: Final = 20.0
"""A cluster's mean counts against the overall mean as this many questions do."""
QUANTILES: Final = 1001
FEWEST: Final = 6
"""Right, and wrong, answers that an SVM needs of a model; fewer give its share of right ones alone."""
UNKNOWN: Final = 0.5
"""The mean of a model without an outcome among the rows, as where they are those of other subjects."""

NEIGHBOURS: Final = (5, 20, 40, 80)
CLUSTERS: Final = (8, 16, 32, 64)
PENALTIES: Final = (1e-4, 1e-3)  # C of the linear SVM; the features are standardised
HIDDEN: Final = (16, 64)
SHRINKAGE: Final = (1_000.0, 3_000.0, 10_000.0, 30_000.0, 100_000.0)  # alpha of the ridge, likewise

Arrays = Mapping[str, Array]
Fit = Callable[[Array, Array, int], tuple[Arrays, dict[str, float]]]
"""(rows, outcomes, dimension of the embedding) → arrays and settings."""


def candidates(kind: Kind, rows: int) -> dict[str, Fit]:
    """What cross-validation chooses among. rows: the fewest that one is fitted to."""
    if kind == "knn":
        return {f"k={k}": _knn(k) for k in NEIGHBOURS}
    if kind == "kmeans":
        counts = [count for count in CLUSTERS if count <= rows] or [rows]
        return {f"clusters={count}": _kmeans(count) for count in counts}
    if kind == "svm":
        return {f"C={penalty}": _svm(penalty) for penalty in PENALTIES}
    return {f"hidden={width}": _mlp(width) for width in HIDDEN}


def _knn(k: int) -> Fit:
    def fit(rows: Array, outcomes: Array, dimension: int) -> tuple[Arrays, dict[str, float]]:
        return {"points": rows[:, :dimension], "outcomes": outcomes}, {"k": float(k)}

    return fit


def _kmeans(count: int) -> Fit:
    def fit(rows: Array, outcomes: Array, dimension: int) -> tuple[Arrays, dict[str, float]]:
        clusters = KMeans(count, n_init=4, random_state=SEED).fit(rows[:, :dimension])
        overall = model_means(outcomes)
        quality = []
        for cluster in range(count):
            own = outcomes[clusters.labels_ == cluster]
            known = np.sum(~np.isnan(own), axis=0)
            quality.append((np.nansum(own, axis=0) + SHRINK * overall) / (known + SHRINK))
        return {"centres": clusters.cluster_centers_, "quality": np.array(quality)}, {}

    return fit


def _svm(penalty: float) -> Fit:
    """One linear SVM a model; margins become probabilities by a logistic fit on the margins of a third of
    the rows, from a machine that had not seen them (Platt 1999)."""

    def fit(rows: Array, outcomes: Array, dimension: int) -> tuple[Arrays, dict[str, float]]:
        mean, scale = standard(rows)
        scaled = (rows - mean) / scale
        weights: list[Array] = []
        bias: list[float] = []
        slope: list[float] = []
        offset: list[float] = []
        for column in outcomes.T:
            known = ~np.isnan(column)
            right = column[known] >= 0.5
            if min(right.sum(), (~right).sum()) < FEWEST:
                weights.append(np.zeros(rows.shape[1], np.float32))
                share = np.clip(right.mean() if len(right) else UNKNOWN, 0.01, 0.99)
                bias, slope, offset = (
                    [*bias, 0.0],
                    [*slope, 0.0],
                    [*offset, float(np.log(share / (1 - share)))],
                )
                continue
            # a smaller tolerance ranks no better and takes half as long again
            machine = LinearSVC(C=penalty, dual=False, tol=0.1)
            fitted, unseen, is_right, was_right = train_test_split(
                scaled[known], right, test_size=1 / 3, random_state=SEED, stratify=right
            )
            margins = machine.fit(fitted, is_right).decision_function(unseen)
            platt = LogisticRegression(C=1e6).fit(margins[:, None], was_right)
            machine.fit(scaled[known], right)
            weights.append(machine.coef_[0])
            bias.append(float(machine.intercept_[0]))
            slope.append(float(platt.coef_[0, 0]))
            offset.append(float(platt.intercept_[0]))
        found = {"weights": weights, "bias": bias, "slope": slope, "offset": offset}
        arrays = {name: np.array(values, np.float32) for name, values in found.items()}
        return {"mean": mean, "scale": scale, **arrays}, {}

    return fit


def _mlp(width: int) -> Fit:
    """One hidden layer for all models; the output is brought into [0, 1] by a sigmoid, so the fit is to
    the log-odds of smoothed outcomes. Unknown outcomes are filled with the model's mean."""

    def fit(rows: Array, outcomes: Array, dimension: int) -> tuple[Arrays, dict[str, float]]:
        mean, scale = standard(rows)
        filled = np.where(np.isnan(outcomes), model_means(outcomes), outcomes)
        net = MLPRegressor(
            hidden_layer_sizes=(width,), alpha=3.0, early_stopping=True, max_iter=500, random_state=SEED
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # few rows may improve a little for ever
            net.fit((rows - mean) / scale, filled)
        last, shift = net.coefs_[1].T, net.intercepts_[1]
        # p ≈ sigmoid(4 (p - 1/2)): the tangent at one half
        arrays = {
            "weights_0": net.coefs_[0].T,
            "bias_0": net.intercepts_[0],
            "weights_1": np.atleast_2d(last) * 4,
            "bias_1": (np.atleast_1d(shift) - 0.5) * 4,
        }
        return {"mean": mean, "scale": scale, **arrays}, {}

    return fit


def model_means(outcomes: Array) -> Array:
    """The mean of each model's known outcomes."""
    known = np.sum(~np.isnan(outcomes), axis=0)
    means = np.nansum(outcomes, axis=0) / np.maximum(known, 1)
    return np.where(known, means, UNKNOWN).astype(np.float32)


def ridge(rows: Array, target: Array, alpha: float) -> tuple[Array, Array, Array]:
    """Mean, scale and weights of a ridge regression; the constant does not matter to a ranking."""
    mean, scale = standard(rows)
    weights = Ridge(alpha).fit((rows - mean) / scale, target).coef_
    return mean, scale, np.asarray(weights, np.float32)


def standard(rows: Array) -> tuple[Array, Array]:
    scale = rows.std(axis=0)
    return rows.mean(axis=0), np.where(scale > 1e-6, scale, 1.0).astype(np.float32)
