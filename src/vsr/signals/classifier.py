"""Classifier rules: a model of its own labels the routing text. Each needs a pass or a call, so they run
after everything else and only while a decision can still use them."""

from __future__ import annotations

import time
from collections.abc import Mapping

from vsr.config.policy_signals import ClassifierRule
from vsr.encoder.classifiers import TextClassifier
from vsr.errors import VSRError
from vsr.facts import Signal


async def evaluate(
    rule: ClassifierRule, seat: TextClassifier | None, text: str, deadline: float | None
) -> Signal:
    """The likeliest label is the signal's, which holds if that reaches the rule's threshold; `labels` holds
    all probabilities. Never raises VSRError: the
    signal carries the reason."""
    if seat is None:
        return failed(rule, "no such classifier is loaded")
    if not text.strip():
        return failed(rule, "no text to route by")
    started = time.perf_counter()
    try:
        (probabilities,) = await seat.classify([text], deadline=deadline)
    except VSRError as error:
        return failed(rule, type(error).__name__, time.perf_counter() - started)
    return from_labels(rule, probabilities, time.perf_counter() - started)


def from_labels(rule: ClassifierRule, probabilities: Mapping[str, float], seconds: float = 0.0) -> Signal:
    label = max(sorted(probabilities), key=lambda name: probabilities[name])
    return Signal(
        "classifier",
        rule.name,
        probabilities[label] >= rule.threshold,
        min(1.0, max(0.0, probabilities[label])),
        rule.threshold or None,
        label=label,
        value=probabilities[label],
        labels=dict(probabilities),
        seconds=seconds,
    )


def failed(rule: ClassifierRule, reason: str, seconds: float = 0.0) -> Signal:
    return Signal("classifier", rule.name, False, 0.0, error=reason, seconds=seconds)
