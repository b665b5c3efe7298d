"""A panel of models answers, a judge compares the answers and writes one."""

from __future__ import annotations

import logging
from typing import Any

from vsr.config.policy import Fusion, ModelRef, Override
from vsr.errors import RequestError
from vsr.loopers.calls import Ask
from vsr.loopers.grounding import Grounded, ground
from vsr.loopers.ledger import Spent
from vsr.loopers.outcome import Closing, Outcome, responses
from vsr.loopers.prompts import ANALYSIS, ONE_CALL, SYNTHESIS, WITH_ANALYSIS, filled, quoted, read_object
from vsr.loopers.run import Run
from vsr.loopers.task import Task
from vsr.selection.members import name_of

logger = logging.getLogger(__name__)

_TERMINAL = {"separate": SYNTHESIS, "one_call": ONE_CALL, "none": SYNTHESIS}


async def fusion(run: Run, settings: Fusion) -> Outcome:
    task = run.task
    panel = [task.ref(name) for name in settings.panel] or list(task.refs)
    judge = task.ref(settings.judge) if settings.judge else panel[0]
    heard = await run.panel(
        [_asking(task, ref, settings) for ref in panel],
        on_error=settings.on_error,
        concurrent=settings.max_concurrent,
        quorum=settings.quorum,
        seconds=settings.round_timeout,
    )
    grounded = await ground(run, heard, settings.grounding) if settings.grounding else Grounded(heard)
    answers = grounded.answers
    said = "\n\n".join(filter(None, (quoted(answers), grounded.notes)))
    analysis = await _analysis(run, judge, said, settings) if settings.mode == "separate" else ""
    template = settings.synthesis_template or (WITH_ANALYSIS if analysis else _TERMINAL[settings.mode])
    ask = task.closing(
        judge,
        filled(template, original=task.question(), responses=said, analysis=analysis),
        temperature=settings.temperature,
        max_completion_tokens=settings.max_completion_tokens,
    )
    return Closing(
        ask,
        instead=answers[0] if settings.on_error == "skip" else None,
        shown=_shown(grounded, analysis, settings),
    )


def _asking(task: Task, ref: ModelRef, settings: Fusion) -> Ask:
    own = settings.overrides.get(name_of(ref), Override())
    return task.intermediate(
        ref,
        temperature=settings.temperature if own.temperature is None else own.temperature,
        max_completion_tokens=own.max_completion_tokens or settings.max_completion_tokens,
    )


async def _analysis(run: Run, judge: ModelRef, said: str, settings: Fusion) -> str:
    """The judge's comparison; empty if it failed, since an answer needs none."""
    template = settings.analysis_template or ANALYSIS
    text = filled(template, original=run.task.question(), responses=said)
    ask = run.task.intermediate(
        judge,
        text,
        temperature=settings.temperature,
        max_completion_tokens=settings.max_completion_tokens,
    )
    try:
        return (await run.ask(ask)).content
    except Spent:
        return ""
    except RequestError as error:
        logger.warning("fusion goes on without an analysis: %s", error.error_code)
        return ""


def _shown(grounded: Grounded, analysis: str, settings: Fusion) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if settings.reveal:
        shown["responses"] = responses(grounded.answers)
    if settings.reveal_analysis and analysis:
        shown["analysis"] = read_object(analysis) or analysis
    if settings.reveal and grounded.shown:
        shown["grounding"] = grounded.shown
    return shown
