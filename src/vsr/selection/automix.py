"""The candidate with the best expected value if one could still escalate to a better one.

A single-shot reading of AutoMix (Aggarwal et al. 2023, arXiv 2310.12963), as in the original: nothing is
verified and nothing is called twice here. The value of a model is what its answer is worth if it passes,
plus what the next better one would be worth if it does not, less prices; a later answer is worth less by
the discount factor. P(pass) is the model's quality, or what outcomes say about it.
"""

from __future__ import annotations

from collections.abc import Sequence

from vsr.config.policy import Automix
from vsr.selection.choice import Candidate, Question, Scores, qualities, relative_costs
from vsr.selection.state import State

PRIOR = 10.0
"""The configured quality weighs as much as this many outcomes."""


def automix(settings: Automix, candidates: Sequence[Candidate], question: Question, state: State) -> Scores:
    passing = _passing(candidates, question, state)
    costs = relative_costs(candidates) if settings.cost_aware else (0.0,) * len(candidates)
    weight = settings.cost_quality_tradeoff
    order = sorted(range(len(candidates)), key=lambda place: passing[place])
    scores = [0.0] * len(candidates)
    for rank, place in enumerate(order):
        value, spent, chance = 0.0, 0.0, 1.0
        for step, other in enumerate(order[rank : rank + 1 + settings.max_escalations]):
            worth = settings.discount_factor**step
            value += chance * passing[other] * worth
            spent += chance * costs[other]
            # an answer that would be trusted is not asked about again
            if passing[other] >= settings.verification_threshold:
                break
            chance *= 1 - passing[other]
        scores[place] = (1 - weight) * value - weight * spent
    return scores


def _passing(candidates: Sequence[Candidate], question: Question, state: State) -> list[float]:
    experience = state.observations.experience
    found = []
    for one, quality in zip(candidates, qualities(candidates), strict=True):
        arm = experience.arm(question.decision, one.name)
        share = max(0.0, min(1.0, quality))
        found.append((PRIOR * share + arm.good) / (PRIOR + arm.good + arm.bad))
    return found
