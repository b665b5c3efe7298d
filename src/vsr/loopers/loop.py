"""One run from start to end: the algorithm, then its answer, within the run's time.

What a model is, how it is called and who may ask are the exchange's and the door's business.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from vsr.config.policy import Confidence, Fusion, Looper, Prompt, Ratings, Remom, Workflows
from vsr.errors import BackendTimeout, RequestError
from vsr.loopers.answers import Arriving, choices_of, plain, streamed
from vsr.loopers.calls import CallModel, Response, Said
from vsr.loopers.confidence import confidence
from vsr.loopers.fusion import fusion
from vsr.loopers.ledger import Ledger
from vsr.loopers.outcome import Closing, Held, Outcome
from vsr.loopers.prompt import prompt
from vsr.loopers.ratings import ratings
from vsr.loopers.remom import remom
from vsr.loopers.run import Run, is_success
from vsr.loopers.task import Task
from vsr.loopers.workflows import workflows

logger = logging.getLogger(__name__)


class Loop:
    """`run` once. The ledger tells what it cost, also after a failure."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self.ledger = Ledger(task.limits, kept=int(_closes(task.looper)))
        self._answering = ""
        self._seconds = 0.0

    async def run(self, call: CallModel) -> Response:
        """The answer, or its beginning if the client wants a stream. Close it in any case. Raises a
        RequestError if there is none; when cancelled, every call that runs is cancelled first."""
        started = time.perf_counter()
        limits = self._task.limits
        end = asyncio.get_running_loop().time() + limits.seconds
        try:
            async with asyncio.timeout_at(end):
                run = Run(self._task, call, self.ledger)
                return await self._answer(run, await _algorithm(run), end)
        except TimeoutError:
            raise BackendTimeout(
                f"Looper execution failed: no answer within {limits.seconds:g} s.", code="looper_timeout"
            ) from None
        finally:
            self._seconds = time.perf_counter() - started

    async def _answer(self, run: Run, outcome: Outcome, end: float) -> Response:
        if isinstance(outcome, Held):
            return self._held(outcome.answers, outcome.shown)
        try:
            if outcome.ask.stream or outcome.relayed:
                return await self._open(run, outcome, end)
            said = await run.ask(outcome.ask, closing=True)
        except RequestError as error:
            if outcome.instead is None:
                raise
            logger.warning("%s answers without its last call: %s", self.algorithm, error.error_code)
            said = outcome.instead
        return self._held((said,), outcome.shown)

    async def _open(self, run: Run, closing: Closing, end: float) -> Response:
        """The last call's own answer, as it comes, with the bill of all."""
        ask = closing.ask
        response = await run.open(ask, closing=True, any_status=closing.relayed)
        self._answering = ask.model
        if not is_success(response.status):
            return response
        if ask.stream:
            limit = self._task.limits.response_bytes
            return Arriving(response, ask.model, self.ledger, end=end, limit=limit)
        return self._held((await run.hear(ask, response),), closing.shown)

    def _held(self, answers: tuple[Said, ...], shown: dict[str, object]) -> Response:
        first = answers[0].completion
        self._answering = answers[0].model
        choices = choices_of(answers, logprobs=self._task.body.get("logprobs") is True)
        if len(answers) == 1:  # a client that asked one model for several choices gets them
            choices = [*choices, *first["choices"][1:]]
        if self._task.stream:
            return streamed(first, choices, self.ledger)
        more = {"looper": {"algorithm": self.algorithm, **shown}} if shown and self._task.reveal else {}
        return plain(first, choices, self.ledger, **more)

    @property
    def algorithm(self) -> str:
        return self._task.looper.name

    @property
    def body(self) -> Mapping[str, Any]:
        """What its calls are made of: masked, and with the decision's system prompt."""
        return self._task.body

    def headers(self, *, debug: bool = False) -> dict[str, str]:
        """For the client, once `run` has returned. What a stream will have cost is not known yet."""
        ledger = self.ledger
        headers = {
            "x-vsr-looper-algorithm": self.algorithm,
            "x-vsr-looper-models-used": ",".join(ledger.models),
            "x-vsr-looper-iterations": str(ledger.calls),
        }
        if ledger.fallbacks:
            headers["x-vsr-looper-fallback"] = ",".join(ledger.fallbacks)
        if debug:
            headers["x-vsr-looper-model"] = self._answering
            headers["x-vsr-looper-latency-ms"] = str(round(self._seconds * 1000))
            if not self._task.stream:
                usage = ledger.usage()
                for kind in ("prompt", "completion", "total"):
                    headers[f"x-vsr-looper-{kind}-tokens"] = str(usage[f"{kind}_tokens"])
        return headers


def _closes(looper: Looper) -> bool:
    """Whether it ends with a call of its own."""
    if isinstance(looper, Workflows):
        return looper.dynamic or bool(looper.final)
    return not isinstance(looper, Ratings)


async def _algorithm(run: Run) -> Outcome:
    match run.task.looper:
        case Confidence() as settings:
            return await confidence(run, settings)
        case Ratings() as settings:
            return await ratings(run, settings)
        case Remom() as settings:
            return await remom(run, settings)
        case Fusion() as settings:
            return await fusion(run, settings)
        case Workflows() as settings:
            return await workflows(run, settings)
        case Prompt() as settings:
            return await prompt(run, settings)
