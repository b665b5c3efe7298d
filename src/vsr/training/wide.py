"""The wide part of the domain and the guard: linear models over a text's tokens and pairs of them, see
`vsr.encoder.wide`.

Logistic regressions, one a column, on all training rows that the head's label is known of. What is rare
counts more: a feature's value is a power of its inverse document frequency. Takes a minute on one core.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress
from scipy.sparse import csr_matrix
from sklearn.linear_model import SGDClassifier
from tokenizers import Tokenizer

from vsr.encoder.bundle import WIDE
from vsr.encoder.wide import BUCKETS, hashed, once
from vsr.training.bundle import Floats
from vsr.training.engine import by_length
from vsr.training.examples import without_cut_attacks
from vsr.training.labels import DOMAINS, JAILBREAK
from vsr.training.replacing import replacing
from vsr.training.rows import Row, read_rows


@dataclass(frozen=True, slots=True)
class Part:
    """strength: how much a logit of this part counts beside one of the trunk's. Chosen on the development
    files."""

    head: str
    labels: Sequence[str]
    strength: float


PARTS = (Part("domain", DOMAINS, 0.65), Part("jailbreak", JAILBREAK, 3.0))
RARITY = 3.0
"""The power of the inverse document frequency."""
TOKENS = 222
"""Content tokens of a row that are read."""
BATCH = 256
PENALTY = 3e-6
EPOCHS = 15
STEPS = 127
"""int8, symmetric."""


def fit_wide(work: Path, seed: int, progress: Progress | None = None) -> None:
    """WIDE in `work`, from its `train.jsonl` and `tokenizer.json`."""
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    rows = without_cut_attacks(tokenizer, list(read_rows(work / "train.jsonl")), TOKENS)
    progress = progress or Progress(disable=True)
    arrays: dict[str, Any] = {}
    for part in progress.track(PARTS, description="wide"):
        known = [row for row in rows if getattr(row, part.head)]
        weights, bias = _regressions(known, part, _matrix([row.text for row in known], tokenizer), seed)
        table, scale = _quantised(weights)
        arrays |= {f"{part.head}.table": table, f"{part.head}.scale": scale, f"{part.head}.bias": bias}
    with replacing(work / WIDE) as unfinished:
        np.savez(unfinished, **arrays)


def _matrix(texts: Sequence[str], tokenizer: Tokenizer) -> csr_matrix:
    """(texts, BUCKETS), each row of unit length."""
    found: list[NDArray[np.int64]] = [np.empty(0, np.int64)] * len(texts)
    for places, arrays in by_length(tokenizer, texts, TOKENS, BATCH):
        features = once(hashed(arrays["input_ids"], arrays["attention_mask"]))
        for place, row in zip(places, features, strict=True):
            found[place] = row[row < BUCKETS]
    counts = np.array([len(row) for row in found])
    values = np.repeat(1.0 / np.sqrt(counts), counts)
    starts = np.concatenate([[0], counts.cumsum()])
    return csr_matrix((values, np.concatenate(found), starts), shape=(len(texts), BUCKETS))


def _regressions(rows: Sequence[Row], part: Part, matrix: csr_matrix, seed: int) -> tuple[Floats, Floats]:
    """Weights (BUCKETS, columns) and biases (columns), with the features' rarity and the part's strength in
    them. Of two labels, one column tells the second from the first."""
    wanted = np.array([part.labels.index(getattr(row, part.head)) for row in rows])
    documents = np.bincount(matrix.indices, minlength=BUCKETS)
    rarity = ((1.0 + np.log((len(rows) + 1) / (documents + 1))) / 8.0) ** RARITY
    model = SGDClassifier("log_loss", alpha=PENALTY, max_iter=EPOCHS, tol=None, random_state=seed)
    model.fit(matrix.multiply(rarity).tocsr(), wanted, sample_weight=_importance(rows, wanted))
    weights, bias = part.strength * model.coef_.T * rarity[:, None], part.strength * model.intercept_
    return weights.astype(np.float32), bias.astype(np.float32)


def _importance(rows: Iterable[Row], wanted: NDArray[np.int64]) -> Floats:
    """By the root of the size of their stratum, as rows are drawn for the trunk, but every label alike."""
    strata = [row.stratum for row in rows]
    sizes = Counter(strata)
    weights = np.array([sizes[stratum] ** -0.5 for stratum in strata])
    of_label = np.bincount(wanted, weights)
    weights /= of_label[wanted]
    weights /= weights.mean()
    return weights


def _quantised(weights: Floats) -> tuple[NDArray[np.int8], Floats]:
    """int8 with one scale a column."""
    scale = np.abs(weights).max(axis=0) / STEPS
    return np.round(weights / scale).astype(np.int8), scale
