"""How well a panel's answers are supported: by documents and tool results, or by one another.

The support of an answer is the mean, over its sentences, of the cosine to the nearest sentence of what it
is held against. That tells whether something is talked about there, not whether it is true or even
affirmed: a sentence and its negation are near each other. No model is called.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vsr.config.policy import Grounding
from vsr.errors import Unavailable, VSRError
from vsr.loopers.calls import Said
from vsr.loopers.run import Run
from vsr.loopers.task import Task
from vsr.signals.asked import excerpt

logger = logging.getLogger(__name__)

Vectors = NDArray[np.float32]

_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")
_SHORTEST: Final = 30
"""Characters below which a sentence is read with the next one: "Yes." is near to everything and nothing."""
_READ: Final = 24_000
"""Characters read of an answer or of the context: the beginning, middle and end of a longer one."""
_PARTS: Final = 24
_CONTEXT_PARTS: Final = 96
_SOURCE: Final = 400
"""Characters from which on system messages and tool results count as a source: a line of manners is none."""
_SECONDS: Final = 10.0
_AGAINST: Final = {"context": "the documents and tool results of the request", "panel": "the other responses"}
_NOTES: Final = (
    "How well each response is supported by {reference}, from 0 to 1, as far as similar sentences tell:\n"
    "{scores}"
)
_WEIGH: Final = (
    "\nGive well supported responses more weight, and be careful with what only a poorly supported one "
    "claims. To stand alone is not to be wrong."
)


@dataclass(frozen=True, slots=True)
class Grounded:
    """answers: those that the judge is to see. notes: what it is told about them. shown: for a plain answer
    of a run that reveals what happened on the way."""

    answers: list[Said]
    notes: str = ""
    shown: dict[str, Any] | None = None


async def ground(run: Run, answers: list[Said], settings: Grounding) -> Grounded:
    """Without vectors the answers as they are, or with `on_error: fail` Unavailable."""
    context = source_of(run.task)
    against = settings.reference
    if against == "hybrid":
        against = "context" if len(context) >= _SOURCE else "panel"
    if (against == "panel" and len(answers) < 2) or (against == "context" and not context):
        return Grounded(answers)
    try:
        scores = await _supports(run, answers, context if against == "context" else "")
    except VSRError as error:
        run.ledger.fell_back("grounding_unavailable")
        logger.warning("fusion goes on without grounding: %s", type(error).__name__)
        if settings.on_error == "fail":
            raise Unavailable("The answers could not be compared.", code="looper_failed") from None
        return Grounded(answers)
    kept = _kept(scores, settings)
    shown = {
        "reference": against,
        "policy": settings.policy,
        "scores": [
            {"model": said.model, "score": round(score, 4), "dropped": place not in kept}
            for place, (said, score) in enumerate(zip(answers, scores, strict=True))
        ],
    }
    return Grounded([answers[place] for place in kept], _notes(scores, against, settings), shown)


def source_of(task: Task) -> str:
    """What the request brings to hold an answer against: system messages and results of tools."""
    return "\n".join(task.texts(("system", "developer", "tool", "function"))).strip()


def parts_of(text: str, most: int) -> list[str]:
    """Sentences, short ones with the next, and neighbours together where there are more than `most`."""
    parts: list[str] = []
    short = ""
    for sentence in _SENTENCE.split(excerpt(text, _READ)):
        short = f"{short} {sentence.strip()}".strip()
        if len(short) >= _SHORTEST:
            parts.append(short)
            short = ""
    if short:
        parts.append(short)
    size = -(-len(parts) // most)
    return [" ".join(parts[first : first + size]) for first in range(0, len(parts), size)] if parts else []


def support(own: Vectors, reference: Vectors) -> float:
    """Rows are unit vectors of sentences."""
    if not len(own) or not len(reference):
        return 0.0
    return float(np.clip((own @ reference.T).max(axis=1), 0.0, 1.0).mean())


async def _supports(run: Run, answers: Sequence[Said], context: str) -> list[float]:
    """context empty: by one another. Raises VSRError."""
    texts = [parts_of(said.content or said.reasoning, _PARTS) for said in answers]
    texts.append(parts_of(context, _CONTEXT_PARTS))
    deadline = asyncio.get_running_loop().time() + _SECONDS
    made = iter(await run.task.aids.vectors([part for parts in texts for part in parts], deadline=deadline))
    *vectors, reference = [np.array([next(made) for _ in parts], dtype=np.float32) for parts in texts]
    if context:
        return [support(own, reference) for own in vectors]
    return [
        sum(support(own, peer) for peer in vectors if peer is not own) / (len(vectors) - 1) for own in vectors
    ]


def _kept(scores: Sequence[float], settings: Grounding) -> list[int]:
    """Places, in their order."""
    if settings.policy != "filter":
        return list(range(len(scores)))
    best = sorted(range(len(scores)), key=lambda place: -scores[place])[: max(1, settings.min_keep)]
    return [place for place, score in enumerate(scores) if score >= settings.min_score or place in best]


def _notes(scores: Sequence[float], against: str, settings: Grounding) -> str:
    if settings.policy == "filter":
        return ""
    lines = "\n".join(f"- response {number}: {score:.2f}" for number, score in enumerate(scores, 1))
    return _NOTES.format(reference=_AGAINST[against], scores=lines) + (
        _WEIGH if settings.policy == "weight" else ""
    )
