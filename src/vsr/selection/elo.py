"""The model that won most comparisons, by its Elo rating for the category of the request."""

from __future__ import annotations

from collections.abc import Sequence

from vsr.config.policy import Elo
from vsr.selection.choice import Candidate, Question, Scores, Unselectable, relative_costs
from vsr.selection.feedback import Experience, Rating
from vsr.selection.state import State


def elo(settings: Elo, candidates: Sequence[Candidate], question: Question, state: State) -> Scores:
    """Ratings, less the price of the model where `cost_scaling` asks for it."""
    experience = state.observations.experience
    ratings = [_rating(settings, experience, question.category, one) for one in candidates]
    if not any(rating.comparisons >= settings.min_comparisons for rating in ratings):
        raise Unselectable("no candidate has been compared often enough")
    costs = relative_costs(candidates)
    return [rating.value - settings.cost_scaling * cost for rating, cost in zip(ratings, costs, strict=True)]


def _rating(settings: Elo, experience: Experience, category: str, candidate: Candidate) -> Rating:
    """That of the category if it rests on enough comparisons, else the one over all categories."""
    own = experience.rating(category, candidate.name)
    if settings.category_weighted and own.comparisons >= max(1, settings.min_comparisons):
        return own
    return experience.rating("", candidate.name)
