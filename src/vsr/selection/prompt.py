"""The choice of a model that was asked to choose. Asking it is the business of `loopers`, which may call."""

from __future__ import annotations

from collections.abc import Sequence

from vsr.config.policy import Prompt
from vsr.selection.choice import Candidate, Question, Scores, Unselectable
from vsr.selection.state import State


def prompt(settings: Prompt, candidates: Sequence[Candidate], question: Question, state: State) -> Scores:
    advice = state.advice
    if advice is None:  # nobody was asked, because there is nothing to choose: see `must_ask`
        return [1.0 for _ in candidates]
    if advice.model not in {one.name for one in candidates}:
        raise Unselectable(f"{settings.model} named no candidate ({advice.failure or 'unknown_model'})")
    return [float(one.name == advice.model) for one in candidates]
