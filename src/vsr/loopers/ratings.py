"""All models answer, and all answers go to the client as choices: the best rated model's first."""

from __future__ import annotations

from vsr.config.policy import ModelRef, Ratings
from vsr.loopers.outcome import Held, Outcome
from vsr.loopers.run import Run
from vsr.loopers.task import whole, without_tools


async def ratings(run: Run, settings: Ratings) -> Outcome:
    task = run.task

    def rating(ref: ModelRef) -> float:
        quality = task.candidate(ref).quality
        return -1.0 if quality is None else quality

    refs = sorted(task.refs, key=rating, reverse=True)
    asks = [whole(without_tools(task.closing(ref))) for ref in refs]
    answers = await run.panel(asks, on_error=settings.on_error, concurrent=settings.max_concurrent)
    return Held(tuple(answers))
