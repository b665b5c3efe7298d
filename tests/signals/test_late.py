"""MCP servers that are asked by classifier signals: a real one, run as a child process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("mcp.server.mcpserver")

import tests.encoder.remote.mcp_server as script
from tests.config.documents import policy
from tests.signals.test_seats import asked, running
from vsr.config.policy_services import MCPServer
from vsr.encoder.failures import EncoderFailed, EncoderTimeout
from vsr.signals.late import LateMCP

pytestmark = pytest.mark.filterwarnings("ignore")  # of the SDK's own

SERVER = MCPServer("classes", "classify_text", sys.executable, (str(Path(script.__file__)),), timeout=60)
RULE = "classifiers: [{name: topic, type: mcp%s}]"
MATHS = "{name: maths, modelRefs: [{model: b}], rules: {type: classifier, name: topic, label: math}}"


def configured(labels: str = "") -> str:
    server = (
        f"{{enabled: true, command: '{SERVER.command}', args: ['{SERVER.args[0]}'], timeout_seconds: 60}}"
    )
    return (
        f"routing: {{signals: {{{RULE % labels}}}, decisions: [{MATHS}]}}\n"
        f"global: {{model_catalog: {{modules: {{classifier: {{mcp: {server}}}}}}},"
        " timeouts: {judge: 60s}}\n"
    )


async def test_an_mcp_server_decides_where_a_request_goes() -> None:
    async with running(configured()) as generation:
        model, signals = await asked(generation, "solve this integral")
        assert model == "b"
        assert signals["classifier", "topic"].labels["math"] == pytest.approx(0.8)
        model, _ = await asked(generation, "write a poem")
        assert model == "a"


async def test_a_server_without_a_label_of_the_rule_is_not_asked() -> None:
    async with running(configured(", labels: [math, physics]")) as generation:
        model, signals = await asked(generation, "solve this integral")
    assert (model, signals["classifier", "topic"].error) == ("a", "EncoderFailed")


async def test_a_server_that_cannot_be_run_is_an_error_until_it_can(tmp_path: Path) -> None:
    command = tmp_path / "server"
    late = LateMCP(MCPServer("classes", "classify_text", str(command), timeout=60), (), pause=0.0)
    try:
        with pytest.raises(EncoderFailed):
            await late.classify(["an integral"], deadline=None)
        command.write_text(f"#!/bin/sh\nexec {SERVER.command} {SERVER.args[0]}\n")
        command.chmod(0o755)
        (answer,) = await late.classify(["an integral"], deadline=None)
        assert answer["math"] == pytest.approx(0.8)
        assert late.labels == ("law", "math", "other")
    finally:
        await late.aclose()


async def test_nobody_waits_for_a_connection_beyond_the_deadline_and_it_is_made_nevertheless() -> None:
    late = LateMCP(SERVER, ())
    try:
        with pytest.raises(EncoderTimeout):
            await late.classify(["an integral"], deadline=0.0)
        (answer,) = await late.classify(["an integral"], deadline=None)
        assert answer["math"] == pytest.approx(0.8)
    finally:
        await late.aclose()
    with pytest.raises(EncoderFailed, match="is closed"):
        await late.classify(["an integral"], deadline=None)


async def test_the_environment_of_a_server_is_secret() -> None:
    given = configured().replace("command:", "env: {API_KEY: '${K}'}, command:")
    one = policy(given, {"K": "k-77"})
    (rule,) = one.signals.classifiers
    assert rule.server is not None
    assert rule.server.env[0][1].reveal() == "k-77"
    assert "k-77" not in repr(one)
