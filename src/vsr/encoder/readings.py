"""Puts what the heads said about single windows together into `Readings` of a whole request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vsr.encoder.backend import Floats
from vsr.encoder.closeups import risk_of
from vsr.encoder.heads import WindowReading, shares
from vsr.encoder.manifest import Heads
from vsr.encoder.memo import WindowKey
from vsr.encoder.plan import Plan
from vsr.encoder.spans import find_spans, join_types
from vsr.encoder.windows import covered, domain_windows, seams
from vsr.facts import Coverage, Entity, Passage, Readings, WindowRisk

Heard = Mapping[WindowKey, WindowReading]


def put_together(
    passages: Sequence[Passage],
    plan: Plan,
    heard: Heard,
    near: Iterable[tuple[int, float]],
    heads: Heads,
    ask: Sequence[int],
    *,
    memo_hits: int,
    seconds: float,
) -> Readings:
    """`heard` holds a reading for each of the plan's keys, `near` the number of a window and the risk of a
    piece of it. `ask` are the passages of the routing text."""
    numbers = domain_windows([number for passage in ask for number in plan.of_passage[passage]])
    readings = [heard[plan.keys[number]] for number in numbers]
    weights = [len(plan.windows[number].ids) for number in numbers]
    asks = _asks(readings, weights, heads) if readings else {}
    return Readings(
        domain=_domain(readings, weights, heads) if readings else {},
        jailbreak=_risks(plan, heard, near),
        entities=tuple(
            entity
            for passage in range(len(passages))
            for entity in _entities(passage, passages[passage], plan, heard, heads)
        ),
        embedding=_embedding(readings, weights) if readings else None,
        fact_check=_positive(asks, heads),
        feedback=asks.get("feedback", {}),
        coverage=Coverage(
            tokens=plan.token_count,
            windows=len(plan.windows),
            memo_hits=memo_hits,
            domain_tokens=covered([plan.windows[number] for number in numbers]),
        ),
        seconds=seconds,
    )


def _domain(readings: Sequence[WindowReading], weights: Sequence[int], heads: Heads) -> dict[str, float]:
    logits = _mean([reading.domain for reading in readings], weights)
    return dict(zip(heads.domain.labels, shares(logits, heads.domain.temperature), strict=True))


def _asks(
    readings: Sequence[WindowReading], weights: Sequence[int], heads: Heads
) -> dict[str, dict[str, float]]:
    """Probabilities of the labels of every further head about the ask."""
    answers = {}
    for place, (name, head) in enumerate(heads.asks.items()):
        logits = _mean([reading.asks[place] for reading in readings], weights)
        answers[name] = dict(zip(head.labels, shares(logits, head.temperature), strict=True))
    return answers


def _mean(rows: Sequence[Floats], weights: Sequence[int]) -> list[float]:
    if len(rows) == 1:
        values: list[float] = rows[0].tolist()
        return values
    total = sum(weights)
    columns = zip(*(row.tolist() for row in rows), strict=True)
    return [
        sum(value * weight for value, weight in zip(column, weights, strict=True)) / total
        for column in columns
    ]


def _positive(asks: Mapping[str, Mapping[str, float]], heads: Heads) -> float | None:
    if heads.fact_check is None or "fact_check" not in asks:
        return None
    return asks["fact_check"][heads.fact_check.positive]


def _embedding(readings: Sequence[WindowReading], weights: Sequence[int]) -> NDArray[np.float32]:
    if len(readings) == 1:
        return readings[0].embedding.astype(np.float32)
    vectors = np.array([reading.embedding for reading in readings], dtype=np.float32)
    mean = np.array(weights, dtype=np.float32) @ vectors
    unit: NDArray[np.float32] = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return unit


def _risks(plan: Plan, heard: Heard, near: Iterable[tuple[int, float]]) -> tuple[WindowRisk, ...]:
    risks = [heard[key].risk for key in plan.keys]
    highest: dict[int, float] = {}
    for number, risk in near:
        highest[number] = max(risk, highest.get(number, 0.0))
    for number, risk in highest.items():
        risks[number] = risk_of(risks[number], risk)
    return tuple(
        WindowRisk(window.passage, risk, window.bridging)
        for window, risk in zip(plan.windows, risks, strict=True)
    )


def _entities(passage: int, source: Passage, plan: Plan, heard: Heard, heads: Heads) -> list[Entity]:
    numbers = plan.of_passage[passage]
    if not numbers:
        return []
    windows = [plan.windows[number] for number in numbers]
    borders = seams(windows)
    parts = [
        heard[plan.keys[number]].pii.part(borders[place] - window.start, borders[place + 1] - window.start)
        for place, (number, window) in enumerate(zip(numbers, windows, strict=True))
    ]
    spans = find_spans(
        source.text.reveal(),
        plan.tokens[passage],
        join_types(parts),
        heads.pii.types,
        heads.pii.thresholds,
    )
    return [Entity(span.type, passage, span.start, span.end, span.score) for span in spans]
