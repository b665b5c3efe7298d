"""A real MCP server, run as a child process and over HTTP."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("mcp.server.mcpserver")

from tests.encoder.remote.mcp_server import CATEGORIES, server
from vsr.encoder.classifiers import TextClassifier
from vsr.encoder.failures import EncoderFailed, EncoderTimeout
from vsr.encoder.remote import mcp
from vsr.encoder.remote.limits import Limits
from vsr.encoder.remote.mcp import MCPClassifier, Stdio

pytestmark = pytest.mark.filterwarnings("ignore")  # of the SDK's own

STDIO = Stdio(sys.executable, [str(Path(__file__).with_name("mcp_server.py"))])
PATIENT = Limits(timeout=60)


@asynccontextmanager
async def over_http(**tools: str) -> AsyncIterator[str]:
    import uvicorn

    application = server(**tools).streamable_http_app()
    listening = socket.create_server(("127.0.0.1", 0))  # connections wait in its queue until it serves
    running = uvicorn.Server(uvicorn.Config(application, log_level="error"))
    task = asyncio.create_task(running.serve([listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
    finally:
        running.should_exit = True
        await task


async def test_a_child_process_classifies() -> None:
    classifier: TextClassifier = await MCPClassifier.start("classes", STDIO, limits=PATIENT)
    assert isinstance(classifier, MCPClassifier)
    try:
        assert classifier.labels == tuple(CATEGORIES)
        first, second = await classifier.classify(["an integral", "a poem"], deadline=None)
    finally:
        await classifier.aclose()
    assert first == pytest.approx({"law": 0.1, "math": 0.8, "other": 0.1})
    assert max(second, key=lambda label: second[label]) == "other"


async def test_a_server_over_http_classifies_and_its_errors_are_told_without_content() -> None:
    async with over_http() as url:
        classifier = await MCPClassifier.start("classes", url, limits=PATIENT)
        try:
            (answer,) = await classifier.classify(["an integral"], deadline=None)
            assert answer["math"] == pytest.approx(0.8)
            with pytest.raises(EncoderFailed, match="reports an error") as caught:
                await classifier.classify(["crash"], deadline=None)
            assert "secret" not in str(caught.value)
            with pytest.raises(EncoderFailed, match="not configured"):
                await classifier.classify(["odd"], deadline=None)
        finally:
            await classifier.aclose()


async def test_a_server_that_died_is_started_again_by_the_next_call() -> None:
    classifier = await MCPClassifier.start("classes", STDIO, limits=PATIENT)
    try:
        with pytest.raises(EncoderFailed):
            await classifier.classify(["exit"], deadline=None)
        (answer,) = await classifier.classify(["an integral"], deadline=None)
    finally:
        await classifier.aclose()
    assert answer["math"] == pytest.approx(0.8)


async def test_calls_that_meet_a_broken_connection_share_one_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Connection] = []

    class Connection:
        def __init__(self, server: object) -> None:
            self.broken = self.closed = False
            made.append(self)

        def give_up(self) -> None:
            self.broken = True

        async def client(self) -> Connection:
            return self

        async def call_tool(self, name: str, arguments: object) -> Any:
            await asyncio.sleep(0)
            if self is made[0]:
                raise OSError
            answer = {"class": "math", "confidence": 0.8}
            return SimpleNamespace(is_error=False, structured_content=answer, content=[])

        async def aclose(self) -> None:
            await asyncio.sleep(0)
            self.closed = True

    monkeypatch.setattr(mcp, "_Connection", Connection)
    classifier = MCPClassifier("classes", "http://127.0.0.1:9", "classify_text", Limits(failures=100))
    classifier._labels = ("math", "other")
    for result in (EncoderFailed, dict):
        calls = (classifier.classify(["text"], deadline=None) for _ in range(8))
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(one[0] if isinstance(one, list) else one, result) for one in answers)
    await classifier.aclose()
    assert [one.closed for one in made] == [True, True]


async def test_a_server_without_the_tool_is_refused() -> None:
    async with over_http(classify="label_text") as url:
        with pytest.raises(EncoderFailed, match="no tool classify_text"):
            await MCPClassifier.start("classes", url, limits=PATIENT)
        other = await MCPClassifier.start("classes", url, tool="label_text", limits=PATIENT)
        await other.aclose()


async def test_a_command_that_does_not_exist_and_one_that_says_nothing() -> None:
    with pytest.raises(EncoderFailed):
        await MCPClassifier.start("classes", Stdio("no-such-command"), limits=PATIENT)
    with pytest.raises(EncoderTimeout):
        await MCPClassifier.start("classes", Stdio("sleep", ["60"]), limits=Limits(timeout=0.5))
