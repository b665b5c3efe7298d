"""Choosing by a trained selector: P(good answer) by model, or the difficulty of the question."""

from __future__ import annotations

from collections.abc import Sequence

from vsr.config.policy import Difficulty, Learned
from vsr.selection.choice import (
    RULED_OUT,
    Candidate,
    Question,
    Scores,
    Unselectable,
    prices,
    qualities,
    relative_costs,
)
from vsr.selection.learned import predict
from vsr.selection.learned.artifact import Array, Artifact
from vsr.selection.state import State


def learned(settings: Learned, candidates: Sequence[Candidate], question: Question, state: State) -> Scores:
    """P(good answer) of each candidate, less `cost_weight` times its relative price."""
    artifact = _artifact(settings.path, state)
    models = artifact.manifest.models
    places = [_place(one, models) for one in candidates]
    values = predict.qualities(artifact, _features(artifact, question), settings.k)
    costs = relative_costs(candidates)
    return [
        float(values[place]) - settings.cost_weight * cost for place, cost in zip(places, costs, strict=True)
    ]


def by_difficulty(
    settings: Difficulty, candidates: Sequence[Candidate], question: Question, state: State
) -> Scores:
    """The best candidate for the hardest `strong_share` of questions, the cheapest one for the others, unless
    that saves nothing; those between them are ruled out. The scores are the difficulty for the best, the
    limit for the cheapest."""
    artifact = _artifact(settings.path, state)
    hardness = predict.difficulty(artifact, _features(artifact, question))
    strongest = max(range(len(candidates)), key=qualities(candidates).__getitem__)
    costs = relative_costs(candidates)
    others = [place for place in range(len(candidates)) if place != strongest]
    if not others:
        return [hardness]
    # without prices the weaker is taken for the cheaper
    weakest = min(others, key=lambda place: (costs[place], qualities(candidates)[place]))
    limit = 1 - settings.strong_share if settings.strong_share > 0 else 2.0
    scores = [RULED_OUT] * len(candidates)
    scores[strongest] = hardness
    dear, cheap = prices(candidates)[strongest], prices(candidates)[weakest]
    if dear is None or cheap is None or cheap < dear:
        scores[weakest] = limit - 1e-9  # exactly at the limit is hard enough
    return scores


def _artifact(path: str, state: State) -> Artifact:
    artifact = state.knowledge.trained.get(path)
    if artifact is None:
        raise Unselectable("the trained selector is not loaded")
    return artifact


def _features(artifact: Artifact, question: Question) -> Array:
    if question.embedding is None:
        raise Unselectable("the encoder gave no embedding")
    return predict.feature_row(
        question.embedding, question.domain, artifact.manifest.domains, question.surface
    )


def _place(candidate: Candidate, models: Sequence[str]) -> int:
    for name in (candidate.name, candidate.model.name, candidate.model.model_id):
        if name in models:
            return models.index(name)
    raise Unselectable(f"the trained selector does not know {candidate.name}")
