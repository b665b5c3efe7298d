"""Ratings, likeness of descriptions and expected value together, and a bonus for being cheap.

Parts that have nothing to say are left out and the weights of the others count for the whole. The bonus
goes to candidates within `quality_gap_threshold` of the best one only, so that a low price cannot make
up for a bad fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vsr.config.policy import Elo, Hybrid
from vsr.selection.automix import automix
from vsr.selection.choice import (
    RULED_OUT,
    Candidate,
    Question,
    Scores,
    Unselectable,
    ranks_between,
    relative_costs,
)
from vsr.selection.elo import elo
from vsr.selection.feedback import INITIAL, SCALE
from vsr.selection.router_dc import router_dc
from vsr.selection.state import State


def hybrid(settings: Hybrid, candidates: Sequence[Candidate], question: Question, state: State) -> Scores:
    parts: list[tuple[float, Callable[[], Scores]]] = [
        (settings.experience, lambda: _win_rates(elo(Elo(), candidates, question, state))),
        (settings.router_dc, lambda: router_dc(settings.description, candidates, question, state)),
        (settings.automix, lambda: automix(settings.escalation, candidates, question, state)),
    ]
    weighed = []
    for weight, part in parts:
        try:
            scores = part() if weight > 0 else ()
        except Unselectable:
            continue
        if scores:
            weighed.append((weight, _worth(scores, settings.normalize)))
    if not weighed:
        raise Unselectable("neither ratings nor descriptions nor qualities are known")
    total = sum(weight for weight, _ in weighed)
    merits = [
        sum(weight * values[place] for weight, values in weighed) / total for place in range(len(candidates))
    ]
    floor = max(merits) - settings.quality_gap_threshold
    costs = relative_costs(candidates)
    return [
        merit + (settings.cost * (1 - cost) if merit >= floor else 0.0)
        for merit, cost in zip(merits, costs, strict=True)
    ]


def _worth(scores: Scores, normalize: bool) -> Scores:
    """0 for a candidate that the part rules out, which is none of those that the others are ranked among."""
    known = [score for score in scores if score > RULED_OUT]
    worth = iter(ranks_between(known) if normalize else known)
    return [next(worth) if score > RULED_OUT else 0.0 for score in scores]


def _win_rates(ratings: Scores) -> Scores:
    """Against a model of the initial rating, so that it mixes with probabilities."""
    return [1 / (1 + 10 ** ((INITIAL - rating) / SCALE)) for rating in ratings]
