"""The candidate whose description is most like the question, by the bundle's own embeddings.

The original's RouterDC (after Chen et al. 2024, arXiv 2409.19886) without training: descriptions are
embedded once when the configuration goes live.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from vsr.config.policy import Model, RouterDC
from vsr.selection.choice import RULED_OUT, Candidate, Question, Scores, Unselectable
from vsr.selection.state import State


def described(model: Model, use_capabilities: bool) -> str:
    """The text that stands for a model: its description and, if wanted, its capabilities."""
    capabilities = ", ".join(model.card.capabilities) if use_capabilities else ""
    return " ".join(part for part in (model.description, capabilities) if part)


def router_dc(
    settings: RouterDC, candidates: Sequence[Candidate], question: Question, state: State
) -> Scores:
    """sigmoid(cosine / temperature); a candidate without a description is ruled out."""
    if question.embedding is None:
        raise Unselectable("the encoder gave no embedding")
    cosines = []
    for one in candidates:
        vector = state.knowledge.descriptions.get(described(one.model, settings.use_capabilities))
        cosines.append(None if vector is None else float(vector @ question.embedding))
    best = max((cosine for cosine in cosines if cosine is not None), default=None)
    if best is None:
        raise Unselectable("no candidate has a description")
    if best < settings.min_similarity:
        raise Unselectable(f"no description is similar enough ({best:.3f} < {settings.min_similarity})")
    return [RULED_OUT if cosine is None else _sigmoid(cosine / settings.temperature) for cosine in cosines]


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, value))))
