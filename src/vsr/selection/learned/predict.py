"""From a question to what a trained selector says about it. Pure numpy.

Features are the embedding, the logarithms of the domain probabilities and the surface of the text, in
this order; `knn` and `kmeans` use the embedding alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from vsr.selection.learned.artifact import Array, Artifact

SMALLEST = 1e-3
"""Added to probabilities before the logarithm: below a thousandth they say nothing."""
AT_ONCE = 256


def feature_row(
    embedding: Array, domain: Mapping[str, float], domains: tuple[str, ...], surface: tuple[float, ...]
) -> Array:
    """Shape (dimension + domains + surface,)."""
    logs = [np.log(domain.get(label, 0.0) + SMALLEST) for label in domains]
    return np.concatenate([embedding, np.array([*logs, *surface], dtype=np.float32)]).astype(np.float32)


def qualities(artifact: Artifact, features: Array, k: int | None = None) -> Array:
    """P(a good answer) for each of the artifact's models, shape (models,), or (rows, models) for rows of
    features. Not for `difficulty`."""
    arrays, manifest = artifact.arrays, artifact.manifest
    embedding = features[..., : manifest.dimension]
    if manifest.kind == "knn":
        return _neighbours(arrays["points"], arrays["outcomes"], embedding, k or int(manifest.settings["k"]))
    if manifest.kind == "kmeans":
        nearest = np.argmax(embedding @ arrays["centres"].T - _half_norms(arrays["centres"]), axis=-1)
        found: Array = arrays["quality"][nearest]
        return found
    scaled = (features - arrays["mean"]) / arrays["scale"]
    if manifest.kind == "svm":
        margins = scaled @ arrays["weights"].T + arrays["bias"]
        return _sigmoid(arrays["slope"] * margins + arrays["offset"])
    hidden = np.maximum(scaled @ arrays["weights_0"].T + arrays["bias_0"], 0)
    return _sigmoid(hidden @ arrays["weights_1"].T + arrays["bias_1"])


def qualities_of_many(artifact: Artifact, rows: Array) -> Array:
    """As `qualities`, for so many rows that their similarities to all points would not fit in memory."""
    parts = [rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE)]
    return np.concatenate([qualities(artifact, part) for part in parts])


def _neighbours(points: Array, outcomes: Array, embedding: Array, k: int) -> Array:
    """The mean outcome of the k most similar questions; unknown outcomes (NaN) do not count, and a model
    without any among them gets 0.5."""
    similarity = embedding @ points.T
    nearest = np.argpartition(-similarity, min(k, len(points)) - 1, axis=-1)[..., :k]
    known = ~np.isnan(outcomes[nearest])
    good = np.where(known, outcomes[nearest], 0).sum(axis=-2)
    count = known.sum(axis=-2)
    return np.where(count > 0, good / np.maximum(count, 1), 0.5).astype(np.float32)


def _half_norms(centres: Array) -> Array:
    """Nearest by Euclid is largest by x·c − |c|²/2."""
    half: Array = (centres * centres).sum(axis=1) / 2
    return half


def difficulty(artifact: Artifact, features: Array) -> float:
    """Where the question stands among those of training: 0 the easiest, 1 the hardest."""
    arrays = artifact.arrays
    scaled = (features - arrays["mean"]) / arrays["scale"]
    quantiles = arrays["quantiles"]
    return float(np.searchsorted(quantiles, arrays["weights"] @ scaled)) / len(quantiles)


def _sigmoid(values: NDArray[np.float32 | np.float64]) -> Array:
    return (1 / (1 + np.exp(-np.clip(values, -30, 30)))).astype(np.float32)
