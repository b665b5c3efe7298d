"""Several worker processes that share the same ports: started, watched, replaced, stopped.

The parent serves nothing itself. A worker gets its options on the command line, says `ready` on its
standard output, and stops when its standard input closes, so that none outlives the parent.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping, Sequence

from vsr.errors import VSRError

logger = logging.getLogger(__name__)

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
_PATIENCE = 5.0
"""Seconds beyond the grace period that a worker gets before it is killed."""
_START_LIMIT = 300.0
"""Seconds that a worker may take to be ready; on a busy machine many of them load their models at once."""


class WorkerError(VSRError):
    """A worker did not come up; if it had words of its own, they are on stderr already."""


def worker_command(options_json: str) -> list[str]:
    return [sys.executable, "-m", "vsr.cli.worker", options_json]


class Supervisor:
    """Keeps `count` processes of one command running.

    env: added to the environment of the workers. died: told the process id of each that ended.
    """

    def __init__(
        self,
        command: Sequence[str],
        count: int,
        *,
        env: Mapping[str, str] | None = None,
        died: Callable[[int], None] = lambda pid: None,
        first_delay: float = FIRST_DELAY,
    ) -> None:
        self._command = command
        self._count = count
        self._env = {**os.environ, **(env or {})}
        self._died = died
        self._first_delay = first_delay
        self._running: set[Process] = set()
        self._ready: set[Process] = set()
        self._keepers: list[asyncio.Task[None]] = []

    @property
    def pids(self) -> set[int]:
        return {process.pid for process in self._running}

    async def start(self) -> None:
        """Returns when all workers are ready. WorkerError if one is not able to start."""
        started = await asyncio.gather(*(self._spawn() for _ in range(self._count)), return_exceptions=True)
        failures = [one for one in started if isinstance(one, BaseException)]
        if failures:
            await self.stop(0)
            raise failures[0]
        for process in started:
            assert isinstance(process, Process)
            self._keepers.append(asyncio.create_task(self._keep(process)))

    def reload(self) -> None:
        """Pass SIGHUP on. A worker that is starting has its handler by the time it is ready."""
        for process in self._ready:
            if process.returncode is None:
                process.send_signal(signal.SIGHUP)

    async def stop(self, grace: float) -> None:
        """Ask all workers to drain, and kill those that take longer than `grace` and a little."""
        for keeper in self._keepers:  # first, so that none starts another worker meanwhile
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        stopped = list(self._running)
        for process in stopped:
            if process.returncode is None:
                process.terminate()
        waiting = [asyncio.create_task(process.wait()) for process in stopped]
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=grace + _PATIENCE)
            for process in stopped if late else []:
                if process.returncode is None:
                    process.kill()
            await asyncio.gather(*waiting)
        for process in stopped:
            await _close_pipes(process)
            self._died(process.pid)
        self._running.clear()
        self._ready.clear()

    async def _spawn(self) -> Process:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, stdin=PIPE, stdout=PIPE, env=self._env, start_new_session=True
            )
        except OSError as error:  # no memory or no more processes, which may pass
            raise WorkerError(f"a worker could not be started: {error.strerror}") from None
        self._running.add(process)
        if failure := await _failure(process):
            await _close_pipes(process)
            self._running.discard(process)
            self._died(process.pid)
            raise WorkerError(failure)
        self._ready.add(process)
        return process

    async def _keep(self, process: Process) -> None:
        delay = self._first_delay
        while True:
            status = await process.wait()
            self._ready.discard(process)
            await _close_pipes(process)
            self._running.discard(process)
            self._died(process.pid)
            logger.error("worker %d ended with status %d; starting another", process.pid, status)
            replacement = None
            while replacement is None:
                await asyncio.sleep(delay)
                try:
                    replacement = await self._spawn()
                except WorkerError as error:
                    delay = min(delay * 2, LONGEST_DELAY)
                    logger.error("%s; next try in %g s", error, delay)
            process, delay = replacement, self._first_delay


async def _failure(process: Process) -> str:
    """Why it did not become ready; it has ended then. Empty if it is ready."""
    try:
        async with asyncio.timeout(_START_LIMIT):
            if await _ready(process):
                return ""
            return f"a worker ended with status {await process.wait()} before it was ready"
    except TimeoutError:
        if process.returncode is None:
            process.kill()
        await process.wait()
        return f"a worker was not ready within {_START_LIMIT:g} seconds"


async def _ready(process: Process) -> bool:
    """Whether it said so before it closed its output; a library may have printed something first."""
    assert process.stdout is not None
    async for line in process.stdout:
        if line == b"ready\n":
            return True
    return False


async def _close_pipes(process: Process) -> None:
    """Of a process that has ended: waiting for it does not wait for them."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    try:
        await process.stdin.wait_closed()
    except OSError:
        pass  # it was closed from the other side
    await process.stdout.read()
