"""Thompson sampling: each candidate is drawn from what its outcomes allow, and the best draw wins.

Quality of a model in a decision ~ Beta(1 + good, 1 + bad) (Thompson 1933): a model that is rarely tried
has a wide distribution, so it is tried now and then. Where it has no outcomes in the decision, those of all
decisions count. The draw depends on the request's seed alone.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from vsr.config.policy import Thompson
from vsr.selection.choice import Candidate, Question, Scores, relative_costs
from vsr.selection.state import State


def thompson(settings: Thompson, candidates: Sequence[Candidate], question: Question, state: State) -> Scores:
    # another stream than that of the back ends, or a model would be drawn together with a server
    generator = random.Random(f"thompson:{question.seed}")
    experience = state.observations.experience
    costs = relative_costs(candidates)
    scores = []
    for one, cost in zip(candidates, costs, strict=True):
        arm = experience.arm(question.decision, one.name)
        draw = generator.betavariate(1 + arm.good, 1 + arm.bad)
        scores.append(draw - settings.cost_weight * cost)
    return scores
