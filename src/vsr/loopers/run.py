"""The calls of one run: counted, limited, at the same time where that is wanted, and never left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext

from vsr.config.policy_loopers import OnError
from vsr.errors import BackendTimeout, BadBackend, InvalidRequest, RequestError
from vsr.loopers.calls import Ask, CallModel, Rejected, Response, Said, read_completion
from vsr.loopers.ledger import Ledger, Spent
from vsr.loopers.task import Task


class Run:
    """Used by one algorithm, in one task. kept: calls that only the answer may make."""

    def __init__(self, task: Task, call: CallModel, ledger: Ledger) -> None:
        self.task = task
        self.ledger = ledger
        self._call = call
        self._slots = asyncio.Semaphore(task.limits.concurrent)
        self._late: set[asyncio.Task[Said]] = set()  # members of panels whose time is over

    async def ask(self, ask: Ask, *, closing: bool = False) -> Said:
        """One whole answer. Raises Spent, BadBackend (Rejected for an error status), BackendTimeout."""
        async with self._slots:
            return await self.hear(ask, await self.open(ask, closing=closing))

    async def hear(self, ask: Ask, response: Response) -> Said:
        """The rest of an answer that has begun well, paid for and closed."""
        try:
            said = read_completion(ask.ref, await response.read(self.task.limits.response_bytes))
        except (RequestError, asyncio.CancelledError) as error:
            self._lost(ask.model, error)
            raise
        finally:
            response.close()
        self.ledger.pay(ask.model, said.usage)
        return said

    async def open(self, ask: Ask, *, closing: bool = False, any_status: bool = False) -> Response:
        """An answer that has begun, and well unless `any_status`; the caller closes it and pays for it."""
        self.ledger.admit(ask.model, closing=closing)
        try:
            response = await self._call(ask)
        except (RequestError, asyncio.CancelledError) as error:
            self._lost(ask.model, error)
            raise
        if is_success(response.status):
            return response
        self.ledger.fail(ask.model)
        if any_status:
            return response
        response.close()
        raise Rejected(ask.model, response.status)

    async def panel(
        self,
        asks: Sequence[Ask],
        *,
        on_error: OnError,
        concurrent: int | None = None,
        quorum: int | None = None,
        seconds: float | None = None,
    ) -> list[Said]:
        """Answers to calls at the same time, in the order of `asks`: all of them, or `quorum` at least if
        some fail, or those that are there after `seconds`. What still runs then is cancelled."""
        gate = asyncio.Semaphore(concurrent) if concurrent else nullcontext()

        async def gated(ask: Ask) -> Said:
            async with gate:
                return await self.ask(ask)

        tasks = [asyncio.create_task(gated(ask)) for ask in asks]
        try:
            failures = await self._collect(tasks, on_error, quorum, seconds)
        finally:
            heard = [task.result() for task in tasks if _went_well(task)]
            await _cancel(tasks)
        if len(heard) < (quorum or 1):
            raise nobody_answered(failures, len(asks), len(heard))
        return heard

    def _lost(self, model: str, error: BaseException) -> None:
        """A model is not to blame for a call that was cancelled, unless the panel's time was over."""
        if isinstance(error, RequestError) or asyncio.current_task() in self._late:
            self.ledger.fail(model)
        else:
            self.ledger.cancel(model)

    async def _collect(
        self,
        tasks: Sequence[asyncio.Task[Said]],
        on_error: OnError,
        quorum: int | None,
        seconds: float | None,
    ) -> list[RequestError]:
        failures: list[RequestError] = []
        pending = set(tasks)
        loop = asyncio.get_running_loop()
        end = None if seconds is None else loop.time() + seconds
        wanted = quorum or len(tasks)
        while pending and sum(map(_went_well, tasks)) < wanted:
            left = None if end is None else max(0.0, end - loop.time())
            done, pending = await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                self._late |= pending
                failures.append(BackendTimeout(f"Models did not answer within {seconds:g} s."))
                if on_error == "fail":
                    raise failures[-1]
                break
            for task in done:
                error = task.exception()
                if error is None:
                    continue
                if not isinstance(error, RequestError) or on_error == "fail":
                    raise error
                failures.append(error)
        return failures


def is_success(status: int) -> bool:
    return 200 <= status < 300


def _went_well(task: asyncio.Task[Said]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


async def _cancel(tasks: Sequence[asyncio.Task[Said]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def nobody_answered(failures: Sequence[RequestError], asked: int, heard: int = 0) -> RequestError:
    """One error for all that went wrong: the client's fault only if every model says so."""
    code = "looper_failed"
    what = f"{heard} of the {asked} models that were asked have answered"
    statuses = {error.upstream if isinstance(error, Rejected) else 0 for error in failures}
    refused = statuses & {400, 413, 422}
    if len(statuses) == 1 and refused:
        (status,) = refused
        return InvalidRequest(
            f"Looper execution failed: every model refused the request with status {status}.",
            status=status,
            code=code,
        )
    if failures and all(isinstance(error, Spent) for error in failures):
        return failures[0]
    if failures and all(isinstance(error, BackendTimeout) for error in failures):
        return BackendTimeout(f"Looper execution failed: {what} in time.", code=code)
    return BadBackend(f"Looper execution failed: {what}.", code=code)
