"""Measures with their uncertainty: accuracy, macro-F1, AUC, exact-span F1. Numbers only."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Span = tuple[int, int, str]
"""start, end, type; half-open, in characters."""

SEED = 7
ROUNDS = 400


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `count`, with Wilson's 95 % interval."""

    hits: int
    count: int

    @property
    def value(self) -> float:
        return self.hits / self.count if self.count else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        if not self.count:
            return (float("nan"), float("nan"))
        z, n, p = 1.96, self.count, self.value
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        return (max(0.0, middle - half), min(1.0, middle + half))

    def as_dict(self) -> dict[str, float]:
        low, high = self.interval
        return {"value": round(self.value, 4), "low": round(low, 4), "high": round(high, 4), "n": self.count}


def bootstrapped(count: int, measure: Callable[[NDArray[np.int64]], float]) -> tuple[float, float]:
    """The 95 % interval of `measure`, which is given indices below `count`, drawn again and again. Draws
    that it has no figure for (NaN) do not count. NaN if all others are equal, as those of a perfect score
    are: that says nothing of how sure it is."""
    draw = np.random.default_rng(SEED)
    values = [measure(draw.integers(0, count, count)) for _ in range(ROUNDS)]
    if np.isnan(values).all() or np.nanmin(values) == np.nanmax(values):
        return (float("nan"), float("nan"))
    low, high = np.nanquantile(values, (0.025, 0.975))
    return float(low), float(high)


def auc(scores: Sequence[float], positive: Sequence[bool]) -> float:
    """The chance that a positive scores above a negative; ties count half."""
    values, labels = np.asarray(scores, float), np.asarray(positive, bool)
    positives, negatives = int(labels.sum()), int((~labels).sum())
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[inverse]
    return float((ranks[labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def macro_f1(truth: Sequence[str], said: Sequence[str]) -> float:
    """Mean F1 over the labels that occur in `truth`."""
    hits = Counter(t for t, s in zip(truth, said, strict=True) if t == s)
    of_truth, of_said = Counter(truth), Counter(said)
    return sum(2 * hits[label] / (of_truth[label] + of_said[label]) for label in of_truth) / len(of_truth)


@dataclass(slots=True)
class SpanCount:
    """Exact matches, misses and false alarms of spans, over texts. Figures are NaN where there is nothing
    to be right or wrong about."""

    right: int = 0
    wrong: int = 0
    missed: int = 0

    def add(self, truth: Sequence[Span], said: Sequence[Span], ignored: Sequence[Span]) -> None:
        """A span that touches an ignored one is neither right nor wrong."""
        expected, found = set(truth), set(said)
        matched = expected & found
        self.right += len(matched)
        self.missed += len(expected - matched)
        self.wrong += sum(not _touches(span, ignored) for span in found - matched)

    @property
    def precision(self) -> float:
        return _ratio(self.right, self.right + self.wrong)

    @property
    def recall(self) -> float:
        return _ratio(self.right, self.right + self.missed)

    @property
    def f1(self) -> float:
        return _ratio(2 * self.right, 2 * self.right + self.wrong + self.missed)

    def as_dict(self) -> dict[str, float | None]:
        return {
            "precision": rounded(self.precision),
            "recall": rounded(self.recall),
            "f1": rounded(self.f1),
            "spans": self.right + self.missed,
        }


def threshold_at(scores: Sequence[float], rate: float, weights: Sequence[float] | None = None) -> float:
    """The lowest threshold that at most `rate` of these negatives, or of their weight, reach. Without any
    negatives it is one that no score reaches: nothing says that a lower one would do."""
    values = np.asarray(scores, float)
    if not len(values):
        return float(np.nextafter(1.0, 2.0))
    order = np.argsort(-values)
    shares = np.ones(len(values)) if weights is None else np.asarray(weights, float)
    # what the highest, the two highest ... make of the whole; rounding must not cost one that is allowed
    reached = np.cumsum(shares[order]) / max(shares.sum(), 1e-12)
    allowed = int((reached <= rate + 1e-9).sum())
    return float(np.nextafter(values[order][allowed], 2.0)) if allowed < len(values) else 0.0


def expected_calibration_error(confidence: Sequence[float], right: Sequence[bool], bins: int = 10) -> float:
    """Mean gap between confidence and accuracy over equal-width bins, weighted by size."""
    values, hits = np.asarray(confidence, float), np.asarray(right, float)
    places = np.minimum((values * bins).astype(int), bins - 1)
    gaps = [
        abs(values[places == b].mean() - hits[places == b].mean()) * (places == b).mean()
        for b in range(bins)
        if (places == b).any()
    ]
    return float(sum(gaps))


def rounded(value: float) -> float | None:
    """As reports tell it; None for NaN, which JSON does not have."""
    return None if math.isnan(value) else round(value, 4)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def _touches(span: Span, others: Sequence[Span]) -> bool:
    return any(span[0] < other[1] and span[1] > other[0] for other in others)
