"""Rounds of parallel calls, each seeing the round before, and one synthesis (after PaCoRe,
arXiv:2601.05593, over a mixture of models)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from vsr.config.policy import ModelRef, Remom
from vsr.errors import RequestError
from vsr.loopers.calls import Said
from vsr.loopers.outcome import Closing, Outcome, responses
from vsr.loopers.prompts import SYNTHESIS, filled, quoted
from vsr.loopers.run import Run


async def remom(run: Run, settings: Remom) -> Outcome:
    task = run.task
    shuffled = random.Random(settings.seed)
    answers: list[Said] = []
    rounds: list[dict[str, Any]] = []
    for number, breadth in enumerate(settings.breadth, 1):
        extra = _told(run, answers, settings, shuffled)
        asks = [
            task.intermediate(
                ref,
                extra,
                temperature=settings.temperature,
                max_completion_tokens=settings.max_completion_tokens,
            )
            for ref in distribute(task.refs, breadth, settings)
        ]
        try:
            heard = await run.panel(
                asks,
                on_error=settings.on_error,
                concurrent=settings.max_concurrent,
                quorum=settings.quorum,
                seconds=settings.round_timeout,
            )
        except RequestError:
            if not answers or settings.on_error == "fail":
                raise
            break  # a later round that fails leaves what the earlier ones said
        answers = heard[: settings.most_answers]
        rounds.append({"round": number, "breadth": breadth, "responses": responses(heard)})
    judge = task.ref(settings.synthesis_model) if settings.synthesis_model else task.refs[0]
    ask = task.closing(
        judge,
        _told(run, answers, settings, shuffled),
        temperature=settings.temperature,
        max_completion_tokens=settings.max_completion_tokens,
    )
    longest = max(answers, key=lambda said: len(said.content))
    return Closing(
        ask,
        instead=longest if settings.on_error == "skip" else None,
        shown={"rounds": rounds} if settings.reveal else {},
    )


def distribute(refs: Sequence[ModelRef], breadth: int, settings: Remom) -> list[ModelRef]:
    """Which model makes each of the calls of a round."""
    if settings.distribution == "first_only":
        return [refs[0]] * breadth
    if settings.distribution == "weighted" and any(ref.weight for ref in refs):
        return _by_weight(refs, breadth)
    return [refs[place % len(refs)] for place in range(breadth)]


def _by_weight(refs: Sequence[ModelRef], breadth: int) -> list[ModelRef]:
    """Shares in proportion to weights; what is left after rounding down goes to the largest remainders."""
    total = sum(ref.weight for ref in refs)
    exact = [breadth * ref.weight / total for ref in refs]
    counts = [int(share) for share in exact]
    largest = sorted(range(len(refs)), key=lambda place: counts[place] - exact[place])
    for place in largest[: breadth - sum(counts)]:
        counts[place] += 1
    return [ref for ref, count in zip(refs, counts, strict=True) for _ in range(count)]


def _told(run: Run, answers: Sequence[Said], settings: Remom, shuffled: random.Random) -> str:
    """The last message of a call: what the round before said, in an order that favours no model."""
    if not answers:
        return ""
    order = list(answers)
    shuffled.shuffle(order)
    text = quoted(order, reasoning=settings.include_reasoning, kept_tokens=settings.kept_tokens)
    template = settings.synthesis_template or SYNTHESIS
    return filled(template, original=run.task.question(), responses=text)
