"""Quality, latency, cost and load weighed against each other, within hard ceilings.

Each factor is scaled between the worst and the best candidate. The original counts a missing
observation as 0, which a new model can never recover from; here it counts as the mean of the others,
and it breaks no ceiling.
"""

from __future__ import annotations

from collections.abc import Sequence

from vsr.config.policy import MultiFactor
from vsr.selection.choice import (
    RULED_OUT,
    Candidate,
    Question,
    Scores,
    Unselectable,
    prices,
    ranks_between,
)
from vsr.selection.observations import percentile
from vsr.selection.state import State

Values = Sequence[float | None]


def multi_factor(
    settings: MultiFactor, candidates: Sequence[Candidate], question: Question, state: State
) -> Scores:
    """Weighted mean of the factors; a candidate over a ceiling is ruled out. When all are over one,
    `on_no_candidates` decides."""
    seen = [state.observations.of(one.ref.model) for one in candidates]
    tpot = [percentile(one.tpot, settings.latency_percentile) for one in seen]
    ttft = [percentile(one.ttft, settings.latency_percentile) for one in seen]
    costs = prices(candidates)
    load = [float(one.in_flight) for one in seen]
    full = settings.max_in_flight
    allowed = [
        not (_over(tpot[place], settings.max_tpot) or _over(ttft[place], settings.max_ttft))
        and not _over(costs[place], settings.max_cost)
        and (full is None or load[place] < full)
        for place in range(len(candidates))
    ]
    if not any(allowed):
        return _nobody(settings, costs)
    latency = tpot if any(value is not None for value in tpot) else ttft
    factors = (
        (settings.quality, _scaled([one.quality for one in candidates], allowed)),
        (settings.latency, _scaled(_negative(latency), allowed)),
        (settings.cost, _scaled(_negative(costs), allowed)),
        (settings.load, _scaled(_negative(load), allowed)),
    )
    total = sum(weight for weight, _ in factors)
    return [
        sum(weight * values[place] for weight, values in factors) / total if allowed[place] else RULED_OUT
        for place in range(len(candidates))
    ]


def _nobody(settings: MultiFactor, costs: Values) -> Scores:
    if settings.on_no_candidates == "fail":
        raise Unselectable("every candidate is over a ceiling", final=True)
    if settings.on_no_candidates == "first" or all(cost is None for cost in costs):
        return [-float(place) for place in range(len(costs))]
    dearest = max(cost for cost in costs if cost is not None)
    return [-(dearest + 1 if cost is None else cost) for cost in costs]


def _over(value: float | None, ceiling: float | None) -> bool:
    return value is not None and ceiling is not None and value > ceiling


def _negative(values: Values) -> list[float | None]:
    return [None if value is None else -value for value in values]


def _scaled(values: Values, allowed: Sequence[bool]) -> list[float]:
    """Between 0 and 1 among the allowed; unknown is the mean of the known, 0.5 if nothing is known."""
    known = [value for value, fits in zip(values, allowed, strict=True) if fits and value is not None]
    if not known:
        return [0.5] * len(values)
    mean = sum(known) / len(known)
    # those over a ceiling get a number too, which nobody looks at
    filled = [
        mean if value is None or not fits else value for value, fits in zip(values, allowed, strict=True)
    ]
    return list(ranks_between(filled))
