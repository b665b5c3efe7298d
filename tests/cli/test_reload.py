"""A running `vsr serve` whose file changes, as an operator sees it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
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


async def served_by(router: Router) -> set[str]:
    """The models of ten answers, each over a connection of its own: the kernel chooses the worker."""
    answers = [await router.ask("hello") for _ in range(10)]
    assert {status for status, _ in answers} == {200}
    return {answer["model"] for _, answer in answers}


async def said(router: Router, words: str, times: int) -> None:
    """Until so many workers have logged it."""
    assert router.process.stderr is not None
    async with asyncio.timeout(60):
        while times:
            line = await router.process.stderr.readline()
            assert line, "the router ended"
            times -= words in line.decode()


async def hash_of(router: Router) -> str:
    return str(json.loads(await router.get(router.management_port, "/config/hash"))["hash"])


async def test_a_changed_file_is_followed_by_all_workers_and_a_wrong_one_by_none(tmp_path: Path) -> None:
    port, file = free_port(), tmp_path / "router.yaml"
    file.write_text(document("first", port))
    async with serving("--config", str(file), "--simulate", "--workers", "2") as router:
        assert await served_by(router) == {"first"}
        file.write_text(document("second", port))
        await said(router, "in use (generation 2)", 2)
        assert await served_by(router) == {"second"}
        before = await hash_of(router)
        file.write_text("version: v0.3\nprovders: {}\n")
        router.process.send_signal(signal.SIGHUP)
        await said(router, "did you mean 'providers'?", 2)
        metrics = await router.get(router.metrics_port, "/metrics")
        assert "vsr_config_last_reload_successful 0" in metrics
        assert await hash_of(router) == before
        assert await served_by(router) == {"second"}
        router.process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(router.process.communicate(), 60)
        assert router.process.returncode == 0


async def test_sighup_is_passed_on_to_every_worker(tmp_path: Path) -> None:
    code = (
        "import os, signal, socket, sys\n"
        "def told(*_):\n"
        "    with socket.socket(socket.AF_UNIX) as here:\n"
        f"        here.connect({str(tmp_path / 'told')!r})\n"
        "        here.sendall(str(os.getpid()).encode())\n"
        "signal.signal(signal.SIGHUP, told)\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    heard: asyncio.Queue[int] = asyncio.Queue()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.put_nowait(int(await reader.read()))
        writer.close()

    async with await asyncio.start_unix_server(hear, tmp_path / "told"):
        several = Supervisor([sys.executable, "-c", code], 2)
        await several.start()
        several.reload()
        async with asyncio.timeout(60):
            assert {await heard.get(), await heard.get()} == several.pids
        await several.stop(5)
