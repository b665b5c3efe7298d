"""The fastest candidate by measured percentiles of time to first token and time per token."""

from __future__ import annotations

from collections.abc import Sequence

from vsr.config.policy import LatencyAware
from vsr.selection.choice import Candidate, Question, Scores, Unselectable
from vsr.selection.observations import percentile
from vsr.selection.state import State

_JUST = 1e-9
"""Decides between equals, and is no gain that a session would leave its model for."""


def latency_aware(
    settings: LatencyAware, candidates: Sequence[Candidate], question: Question, state: State
) -> Scores:
    """Minus the mean ratio to the best candidate, over the measures asked for.

    A candidate without measurements comes before the best, wherever it stands: it has to be tried to be
    measured. One request does that. While it runs, and for a while after one that told nothing, because it
    failed or did not count its tokens, the candidate comes last.
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
    means = [_mean(row) for row in zip(*ratios, strict=True)]
    worst = max(mean for mean in means if mean is not None)
    unmeasured = [worst + _JUST if one.tried else 1.0 - _JUST for one in seen]
    return [-(instead if mean is None else mean) for mean, instead in zip(means, unmeasured, strict=True)]


def _ratios(values: Sequence[float | None]) -> list[float | None]:
    best = max(min(value for value in values if value is not None), 1e-9)
    return [None if value is None else max(value, 1e-9) / best for value in values]


def _mean(ratios: Sequence[float | None]) -> float | None:
    """A measure that is missing beside another one counts as the best."""
    if all(ratio is None for ratio in ratios):
        return None
    return sum(1.0 if ratio is None else ratio for ratio in ratios) / len(ratios)
