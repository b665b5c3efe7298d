"""The static algorithm: the configuration says which model is best, nothing is measured.

Among a decision's candidates the one with the best `model_scores` entry of the request's category
wins, else the first. Without a decision the category's best score alone chooses.
"""

from __future__ import annotations

from vsr.config.policy import ModelRef, ModelScore, Policy
from vsr.selection.choice import Choice


def select(candidates: tuple[ModelRef, ...], category: str, policy: Policy) -> Choice:
    """`candidates` must not be empty. Reasoning is on if the candidate or its score asks for it."""
    scored = [(score, ref) for ref in candidates if (score := score_of(ref, category, policy))]
    if not scored:
        ref = candidates[0]
        return Choice(ref.model, ref.lora, ref.use_reasoning, ref.reasoning_effort)
    best, ref = max(scored, key=lambda pair: pair[0].score)
    return Choice(
        model=ref.model,
        lora=ref.lora or best.lora,
        reasoning=ref.use_reasoning or best.use_reasoning,
        effort=ref.reasoning_effort or best.reasoning_effort,
        scores={ref.lora or score.lora or ref.model: score.score for score, ref in scored},
    )


def select_by_category(category: str, policy: Policy) -> Choice | None:
    """The model that the category's domain rule scores highest; None if it scores none."""
    scores = _scores(category, policy)
    if not scores:
        return None
    best = max(scores, key=lambda score: score.score)
    return Choice(
        model=best.model,
        lora=best.lora,
        reasoning=best.use_reasoning,
        effort=best.reasoning_effort,
        scores={score.lora or score.model: score.score for score in scores},
    )


def _scores(category: str, policy: Policy) -> tuple[ModelScore, ...]:
    return next((rule.model_scores for rule in policy.signals.domains if rule.name == category), ())


def score_of(ref: ModelRef, category: str, policy: Policy) -> ModelScore | None:
    fitting = [
        score
        for score in _scores(category, policy)
        if score.model == ref.model and (not ref.lora or not score.lora or score.lora == ref.lora)
    ]
    return max(fitting, key=lambda score: score.score, default=None)
