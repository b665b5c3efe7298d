"""Runs the `vsr` command in this process, or as one of its own, for the tests."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import typer.main

from vsr.cli.main import build, run


def _commands(command: Any, name: str = "vsr") -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", {})
    if not children:
        yield name, command
    for child, group in children.items():
        yield from _commands(group, f"{name} {child}")


COMMANDS = tuple(_commands(typer.main.get_command(build())))
"""Full name and command, for everything that `vsr` can do."""


class Result:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    def json(self) -> Any:
        return json.loads(self.out)


def vsr(capsys: pytest.CaptureFixture[str], *arguments: str) -> Result:
    code = run(arguments)
    captured = capsys.readouterr()
    return Result(code, captured.out, captured.err)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def environment(**extra: str) -> dict[str, str]:
    """This environment without what would change a router's configuration."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VSR_", "OPENAI_"))}
    return {**kept, "PYTHONUNBUFFERED": "1", **extra}


@contextlib.asynccontextmanager
async def running(*arguments: str, **env: str) -> AsyncIterator[Process]:
    """`vsr ARGUMENTS` as a process, killed at the end if it is still there."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "vsr.cli", *arguments, stdout=PIPE, stderr=PIPE, env=environment(**env)
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
