"""A running `vsr serve` whose file changes, as an operator sees it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.cli.command import free_port
from tests.cli.router import Router, serving
from vsr.cli.supervisor import Supervisor

CONFIG = """\
version: v0.3
providers:
  defaults: {default_model: NAME}
  models:
    - {name: first, backend_refs: [{endpoint: "127.0.0.1:PORT"}]}
    - {name: second, backend_refs: [{endpoint: "127.0.0.1:PORT"}]}
"""


def document(name: str, port: int) -> str:
    return CONFIG.replace("NAME", name).replace("PORT", str(port))


async def until_served_by(router: Router, model: str, times: int = 1) -> None:
    """Until so many answers in a row, each over a connection of its own, come from this model."""
    async with asyncio.timeout(60):
        row = 0
        while row < times:
            status, answer = await router.ask("hello")
            assert status == 200, answer
            row = row + 1 if answer["model"] == model else 0


async def hash_of(router: Router) -> str:
    return str(json.loads(await router.get(router.management_port, "/config/hash"))["hash"])


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110 # another process has no event
            await asyncio.sleep(0.05)


async def test_a_changed_file_is_followed_by_all_workers_and_a_wrong_one_by_none(tmp_path: Path) -> None:
    port, file = free_port(), tmp_path / "router.yaml"
    file.write_text(document("first", port))
    async with serving("--config", str(file), "--simulate", "--workers", "2") as router:

        async def rejected() -> bool:
            return "vsr_config_last_reload_successful 0" in await router.get(router.metrics_port, "/metrics")

        await until_served_by(router, "first")
        file.write_text(document("second", port))
        await until_served_by(router, "second", 10)
        before = await hash_of(router)
        file.write_text("version: v0.3\nprovders: {}\n")
        router.process.send_signal(signal.SIGHUP)
        await until(rejected)
        assert await hash_of(router) == before
        await until_served_by(router, "second", 5)
        router.process.send_signal(signal.SIGTERM)
        _, err = await asyncio.wait_for(router.process.communicate(), 60)
        assert b"did you mean 'providers'?" in err
        assert router.process.returncode == 0


async def test_sighup_is_passed_on_to_every_worker(tmp_path: Path) -> None:
    note = f"lambda *_: pathlib.Path({str(tmp_path)!r}, str(os.getpid())).touch()"
    code = (
        f"import os, pathlib, signal, sys; signal.signal(signal.SIGHUP, {note}); "
        "print('ready', flush=True); sys.stdin.read()"
    )
    several = Supervisor([sys.executable, "-c", code], 2)
    await several.start()
    several.reload()

    async def told() -> bool:
        return {int(name) for name in os.listdir(tmp_path)} == several.pids

    await until(told)
    await several.stop(5)
