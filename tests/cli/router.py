"""A whole router as a process of its own, on free ports, for the tests."""

from __future__ import annotations

import asyncio
import contextlib
import json
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.cli.command import free_port, running

READY_WITHIN = 60.0
"""Generous, since a test machine may be busy; nothing is measured by it."""


@dataclass(frozen=True)
class Router:
    """banner: what it printed until it was ready."""

    process: Process
    banner: str
    port: int
    management_port: int
    metrics_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def get(self, port: int, path: str) -> str:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}{path}") as response,
        ):
            return await response.text()

    async def ask(self, text: str, **fields: Any) -> tuple[int, Any]:
        """Status and body of one chat completion, on a connection of its own."""
        body = {"model": "auto", "messages": [{"role": "user", "content": text}], **fields}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}/v1/chat/completions", json=body) as response,
        ):
            return response.status, json.loads(await response.read())


@contextlib.asynccontextmanager
async def serving(*arguments: str, **env: str) -> AsyncIterator[Router]:
    """`vsr serve ARGUMENTS`, ready. Its simulated models have a free port, too."""
    port, management_port, metrics_port = (free_port() for _ in range(3))
    ports = {"port": port, "management-port": management_port, "metrics-port": metrics_port}
    ports |= {"extproc-port": free_port(), "loopback-port": free_port()}
    flags = [f"--{name}={number}" for name, number in ports.items()]
    command = ("serve", *flags, *arguments)
    async with running(*command, **{"VSR_SIMULATOR_PORT": str(free_port()), **env}) as process:
        banner = await asyncio.wait_for(_banner(process), READY_WITHIN)
        yield Router(process, banner, port, management_port, metrics_port)


async def _banner(process: Process) -> str:
    assert process.stdout is not None
    assert process.stderr is not None
    lines = []
    while line := (await process.stdout.readline()).decode():
        lines.append(line)
        if "Ctrl-C" in line:
            return "".join(lines)
    raise AssertionError("vsr serve ended: " + (await process.stderr.read()).decode())
