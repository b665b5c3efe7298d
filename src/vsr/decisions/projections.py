"""Projections: values derived from signals before the decisions are made. Pure arithmetic.

Partitions leave at most one of several signals matched; scores are weighted sums of signals and of
other scores; mappings turn a score into signals of type `projection`. Semantics and defaults are the
original's, but for one: where an input is unavailable a score is an interval, and a band is decided
only if the whole interval says the same. Otherwise its signal is unavailable, and the `on_error` of
the rule that asks for it applies.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from vsr.config.policy import Bands, Input, Partition, Projections, Score
from vsr.config.predicate import Predicate
from vsr.facts import Signal

Signals = Mapping[tuple[str, str], Signal]

_ANY: Final = (-math.inf, math.inf)


@dataclass(frozen=True, slots=True)
class Interval:
    """All that a score can be; `missing` names the inputs that are unavailable."""

    low: float
    high: float
    missing: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.low == self.high:
            return f"{self.low:.3f}"
        return f"{self.low:.3f} to {self.high:.3f}, since {', '.join(self.missing)} is unavailable"


@dataclass(frozen=True, slots=True)
class Projected:
    """The signals as the decisions see them, and the scores that some of them came from."""

    signals: Signals
    scores: Mapping[str, Interval] = field(default_factory=dict)


def project(projections: Projections, signals: Signals) -> Projected:
    if not projections:
        return Projected(signals)
    seen = dict(signals)
    for partition in projections.partitions:
        _partition(partition, seen)
    scores: dict[str, Interval] = {}
    for step in projections.steps:
        if isinstance(step, Score):
            scores[step.name] = _score(step, seen, scores)
        else:
            seen.update((signal.key, signal) for signal in _bands(step, scores[step.source]))
    return Projected(seen, scores)


def leaf_value(signal: Signal, label: str) -> float | None:
    """What a predicate compares: the label's value, the signal's raw value, else its confidence."""
    if label:
        return signal.labels.get(label)
    return signal.confidence if signal.value is None else signal.value


def _partition(partition: Partition, signals: dict[tuple[str, str], Signal]) -> None:
    members = [signal for name in partition.members if (signal := signals.get((partition.type, name)))]
    contenders = [signal for signal in members if signal.matched]
    if not contenders:
        default = signals.get((partition.type, partition.default))
        # A member that could not be computed might have matched.
        if default is not None and not any(signal.error for signal in members):
            signals[default.key] = replace(default, matched=True, detail=f"default of {partition.name}")
        return
    if len(contenders) == 1:
        return
    best = max(contenders, key=lambda signal: signal.confidence)
    for signal in contenders:
        if signal is not best:
            detail = f"{best.name} wins {partition.name}"
            signals[signal.key] = replace(signal, matched=False, detail=detail)
    if partition.temperature is not None:
        confidence = _softmax([signal.confidence for signal in contenders], partition.temperature)
        signals[best.key] = replace(best, confidence=confidence)


def _softmax(confidences: list[float], temperature: float) -> float:
    """The share of the greatest."""
    top = max(confidences)
    return 1.0 / sum(math.exp((confidence - top) / temperature) for confidence in confidences)


def _score(score: Score, signals: Signals, scores: Mapping[str, Interval]) -> Interval:
    low = high = 0.0
    missing: list[str] = []
    for item in score.inputs:
        least, most, unavailable = _value(item, signals, scores)
        ends = (item.weight * least, item.weight * most) if item.weight else (0.0, 0.0)
        low, high = low + min(ends), high + max(ends)
        missing.extend(unavailable)
    return Interval(low, high, tuple(dict.fromkeys(missing)))


def _value(
    item: Input, signals: Signals, scores: Mapping[str, Interval]
) -> tuple[float, float, tuple[str, ...]]:
    """The least and the greatest value of an input, and the names of what is unavailable."""
    if item.source == "score":
        known = scores[item.name]
        return known.low, known.high, known.missing
    signal = signals.get((item.type, item.name))
    if signal is None or signal.error:
        low, high = _range(item)
        return low, high, (f"{item.type}:{item.name}",)
    value = _known(item, signal)
    return value, value, ()


def _known(item: Input, signal: Signal) -> float:
    matched = signal.matched and (not item.label or item.label == signal.label)
    if item.source == "binary":
        return item.match if matched else item.miss
    if item.source == "confidence":
        return signal.confidence if matched else 0.0
    value = leaf_value(signal, item.label)
    return value if value is not None and math.isfinite(value) else 0.0


def _range(item: Input) -> tuple[float, float]:
    if item.source == "binary":
        return min(item.match, item.miss), max(item.match, item.miss)
    return (0.0, 1.0) if item.source == "confidence" else _ANY


def _bands(mapping: Bands, score: Interval) -> list[Signal]:
    """One signal a band. Only the first that holds is matched, unless several may be."""
    signals = []
    settled = unsure = False
    for band in mapping.bands:
        surely = band.bounds.holds(score.low) and band.bounds.holds(score.high)
        perhaps = surely or _overlaps(band.bounds, score)
        matched = surely and not settled and not unsure
        open_question = perhaps and not settled and not matched and score.low != score.high
        signals.append(
            Signal(
                "projection",
                band.name,
                matched,
                _confidence(band.bounds, score.low, mapping.slope) if matched else 0.0,
                detail=f"{mapping.source} is {score}",
                error=f"{mapping.source} is {score}" if open_question else "",
                value=score.low if score.low == score.high else None,
            )
        )
        if not mapping.several:
            settled, unsure = settled or matched, unsure or open_question
    return signals


def _overlaps(bounds: Predicate, score: Interval) -> bool:
    if bounds.holds(score.low) or bounds.holds(score.high):
        return True
    below = [bound for bound in (bounds.gt, bounds.gte) if bound is not None]
    above = [bound for bound in (bounds.lt, bounds.lte) if bound is not None]
    return (not below or max(below) <= score.high) and (not above or score.low <= min(above))


def _confidence(bounds: Predicate, score: float, slope: float) -> float:
    """The original's `sigmoid_distance`: how far the score is from the nearest bound."""
    distance = min((abs(score - bound) for bound in bounds.bounds), default=1.0)
    return 1.0 / (1.0 + math.exp(-slope * distance)) if math.isfinite(distance) else 1.0
