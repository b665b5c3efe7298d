"""Candidates, questions and states in one line each, for the tests of selection."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tests.scripted import make_model
from vsr.config.policy import Card, Decision, Model, ModelRef, Policy, Pricing
from vsr.selection.choice import Candidate, Question
from vsr.selection.feedback import Experience, Feedback, Outcome
from vsr.selection.observations import Observations, Observed
from vsr.selection.state import State


def model(
    name: str,
    quality: float | None = None,
    price: float | None = None,
    description: str = "",
    window: int | None = None,
) -> Model:
    return make_model(
        name,
        description=description,
        card=Card(quality=quality, context_window=window),
        pricing=None if price is None else Pricing(price, price),
    )


def pool(*models: Model) -> list[Candidate]:
    return [Candidate(ModelRef(one.name), one) for one in models]


def policy(*models: Model, **fields: object) -> Policy:
    given: dict[str, object] = {"models": {one.name: one for one in models}, **fields}
    return Policy(**given)  # type: ignore[arg-type] # test shorthand


def decision(*models: Model, **fields: object) -> Decision:
    refs = tuple(ModelRef(one.name) for one in models)
    return Decision("d", models=refs, **fields)  # type: ignore[arg-type] # test shorthand


def asking(*embedding: float, **fields: object) -> Question:
    vector = np.array(embedding, dtype=np.float32) if embedding else None
    return Question(embedding=vector, **fields)  # type: ignore[arg-type] # test shorthand


def observed(**models: Observed) -> State:
    return State(Observations(models))


def taught(*outcomes: Outcome) -> State:
    feedback = Feedback()
    for outcome in outcomes:
        feedback.learn(outcome)
    return State(Observations(experience=feedback.experience))


def experience(outcomes: Mapping[str, float]) -> Experience:
    """One judged answer a model."""
    return taught(*(Outcome(name, quality) for name, quality in outcomes.items())).observations.experience
