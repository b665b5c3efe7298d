from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from vsr.cli.supervisor import Supervisor, WorkerError

READY = "import sys; print('ready', flush=True); sys.stdin.read()"
STUBBORN = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + READY


def supervisor(code: str, count: int = 2, **options: object) -> Supervisor:
    return Supervisor([sys.executable, "-c", code], count, first_delay=0.0, **options)  # type: ignore[arg-type]


async def test_all_workers_are_ready_when_start_returns() -> None:
    several = supervisor(READY, 3)
    await several.start()
    assert len(several.pids) == 3
    await several.stop(5)
    assert several.pids == set()


async def test_a_worker_that_dies_is_replaced_and_reported() -> None:
    births: asyncio.Queue[int] = asyncio.Queue()
    deaths: asyncio.Queue[int] = asyncio.Queue()

    async def note_birth(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        births.put_nowait(int(await reader.read()))
        writer.close()

    server = await asyncio.start_server(note_birth, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    report = f"import os, socket; socket.create_connection(('127.0.0.1', {port})).send(b'%d' % os.getpid()); "
    async with server, asyncio.timeout(20):
        several = supervisor(report + READY, died=deaths.put_nowait)
        await several.start()
        first = {await births.get(), await births.get()}
        assert several.pids == first
        victim = min(first)
        os.kill(victim, signal.SIGKILL)
        assert await deaths.get() == victim
        assert await births.get() not in first
        await several.stop(5)


async def test_a_worker_that_cannot_start_ends_the_start() -> None:
    several = supervisor("raise SystemExit(3)")
    with pytest.raises(WorkerError, match="status 3"):
        await several.start()
    assert several.pids == set()


async def test_a_worker_that_does_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsr.cli.supervisor._PATIENCE", 0.1)
    several = supervisor(STUBBORN, 1)
    await several.start()
    await asyncio.wait_for(several.stop(0), 10)
    assert several.pids == set()


async def test_a_worker_that_is_starting_is_stopped_and_none_takes_its_place(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    births: asyncio.Queue[int] = asyncio.Queue()

    async def note_birth(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        births.put_nowait(int(await reader.read()))
        writer.close()

    first_only_is_ready = (
        "import os, socket, sys\n"
        f"with socket.socket(socket.AF_UNIX) as here:\n    here.connect({str(tmp_path / 'births')!r})\n"
        "    here.send(b'%d' % os.getpid())\n"
        f"if os.path.exists({str(tmp_path / 'second')!r}): sys.stdin.read()\n"
        f"open({str(tmp_path / 'second')!r}, 'w').close()\n"
        "print('ready', flush=True)\n"
    )
    async with await asyncio.start_unix_server(note_birth, tmp_path / "births"), asyncio.timeout(60):
        several = supervisor(first_only_is_ready, 1)
        await several.start()
        await births.get()
        second = await births.get()
        await several.stop(5)
        assert several.pids == set()
        assert "next try" not in caplog.text
        with pytest.raises(ProcessLookupError):
            os.kill(second, 0)


async def test_workers_see_the_environment_they_are_given() -> None:
    code = "import os, sys; sys.exit(0) if os.environ['X'] != '1' else None; " + READY
    several = supervisor(code, 1, env={"X": "1"})
    await several.start()
    await several.stop(5)


async def test_a_worker_that_is_not_ready_in_time_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsr.cli.supervisor._START_LIMIT", 0.05)
    several = supervisor("import sys; sys.stdin.read()", 1)
    with pytest.raises(WorkerError, match=r"not ready within 0\.05 seconds"):
        await several.start()
    assert several.pids == set()


async def test_a_command_that_cannot_be_run_is_an_error_of_the_worker() -> None:
    with pytest.raises(WorkerError, match="could not be started: No such file"):
        await Supervisor(["/no/such/program"], 1).start()


async def test_a_machine_without_room_for_a_process_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    births: asyncio.Queue[int] = asyncio.Queue()
    refusals: list[OSError] = []
    create = asyncio.create_subprocess_exec

    async def create_if_there_is_room(*command: str, **options: Any) -> asyncio.subprocess.Process:
        if refusals:
            raise refusals.pop()
        process = await create(*command, **options)
        births.put_nowait(process.pid)
        return process

    monkeypatch.setattr("asyncio.create_subprocess_exec", create_if_there_is_room)
    async with asyncio.timeout(20):
        several = supervisor(READY, 1)
        await several.start()
        first = await births.get()
        refusals.append(BlockingIOError(errno.EAGAIN, "no more processes"))
        os.kill(first, signal.SIGKILL)
        assert await births.get() != first
        assert not refusals
        await several.stop(5)
