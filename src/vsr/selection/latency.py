"""The fastest candidate by measured percentiles of time to first token and time per token."""

from __future__ import annotations

from collections.abc import Sequence

from vsr.config.policy import LatencyAware
from vsr.selection.choice import Candidate, Question, Scores, Unselectable
from vsr.selection.observations import percentile
from vsr.selection.state import State


def latency_aware(
    settings: LatencyAware, candidates: Sequence[Candidate], question: Question, state: State
) -> Scores:
    """Minus the mean ratio to the best candidate, over the measures asked for.

    A candidate without measurements counts as the best: it has to be tried to be measured.
    """
    seen = [state.observations.of(one.ref.model) for one in candidates]
    measured = []
    if settings.tpot_percentile is not None:
        measured.append([percentile(one.tpot, settings.tpot_percentile) for one in seen])
    if settings.ttft_percentile is not None:
        measured.append([percentile(one.ttft, settings.ttft_percentile) for one in seen])
    ratios = [_ratios(values) for values in measured if any(value is not None for value in values)]
    if not ratios:
        raise Unselectable("no latency has been measured yet")
    return [-sum(row) / len(row) for row in zip(*ratios, strict=True)]


def _ratios(values: Sequence[float | None]) -> list[float]:
    best = max(min(value for value in values if value is not None), 1e-9)
    return [1.0 if value is None else max(value, 1e-9) / best for value in values]
