from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from tests.cli.command import free_port, vsr
from tests.doors.backend import Connection, Received, ScriptedBackend, response
from vsr.cli import checks
from vsr.cli.checks import Check, configuration
from vsr.errors import VSRError

MINIMAL = Path(__file__).parents[2] / "config" / "minimal.yaml"


def test_a_healthy_machine_is_exit_code_0(capsys: pytest.CaptureFixture[str]) -> None:
    result = vsr(capsys, "doctor", "--no-ports", "--json")
    assert result.code == 0, result.out
    report = result.json()
    assert report["healthy"] is True
    assert {"versions", "packages", "processor", "memory", "envoy", "bundle"} == {
        check["name"] for check in report["checks"]
    }


def test_a_damaged_bundle_is_exit_code_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    result = vsr(capsys, "doctor", "--no-ports", "--bundle", str(tmp_path))
    assert result.code == 1
    assert "bad  bundle" in result.out


def test_a_port_in_use_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        monkeypatch.setattr("vsr.cli.ports.wanted", lambda policy, options: {"metrics": ("127.0.0.1", port)})
        found = checks.free_ports()
    assert [check.state for check in found] == ["doubtful"]
    assert str(port) in found[0].finding


def test_the_ports_are_those_of_the_file_and_of_the_variables_of_serve(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in [name for name in os.environ if name.startswith("VSR_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("VSR_EXTPROC_PORT", str(free_port()))
    monkeypatch.setenv("VSR_MANAGEMENT_PORT", str(free_port()))
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        listener, metrics = (server.getsockname()[1] for server in (one, other))
        monkeypatch.setenv("VSR_METRICS_PORT", str(metrics))
        file = tmp_path / "router.yaml"
        file.write_text(f"{MINIMAL.read_text()}listeners: [{{port: {listener}}}]\n")
        found = checks.free_ports(file)
    assert [check.state for check in found] == ["doubtful", "doubtful"]
    assert f"127.0.0.1:{listener}:" in found[0].finding
    assert f"127.0.0.1:{metrics}:" in found[1].finding


def test_a_variable_that_serve_refuses_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VSR_METRICS_PORT", "many")
    (found,) = checks.free_ports()
    assert (found.name, found.state) == ("ports", "bad")
    assert "--metrics-port" in found.finding


def test_a_file_that_cannot_be_used_leaves_the_ports_of_the_built_in_one_to_look_at(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    looked_at: list[Path | None] = []

    def free_ports(config: Path | None = None) -> list[Check]:
        looked_at.append(config)
        return []

    monkeypatch.setattr(checks, "encoder", lambda path: Check("bundle", "good", ""))
    monkeypatch.setattr(checks, "free_ports", free_ports)
    checks.all_checks(None, tmp_path / "missing.yaml")
    assert looked_at == [None]


def test_without_envoy_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Path:
        raise VSRError("Envoy is not installed.")

    monkeypatch.setattr(checks, "find_envoy", missing)
    assert checks.envoy().state == "doubtful"


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("flags\t: fpu avx2 avx512_vnni\n", "good"),
        ("Features\t: fp asimd asimddp\n", "good"),
        ("flags\t: fpu avx2\n", "doubtful"),
        ("nothing of that kind\n", "good"),
    ],
)
def test_a_processor_without_int8_is_doubtful(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, state: str
) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(text)
    flags = checks.cpu_flags(file)
    monkeypatch.setattr(checks, "cpu_flags", lambda: flags)
    assert checks.processor().state == state


def test_a_system_without_cpuinfo_is_no_error(tmp_path: Path) -> None:
    assert checks.cpu_flags(tmp_path / "missing") == frozenset()


def test_a_wrong_configuration_is_bad_and_says_where(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("version: v0.3\nprovders: {}\n")
    report = vsr(capsys, "doctor", "--no-ports", "--json", "--config", str(wrong))
    assert report.code == 1
    found = next(check for check in report.json()["checks"] if check["name"] == "configuration")
    assert found["state"] == "bad"
    assert str(wrong) in found["finding"]


@pytest.mark.parametrize(
    ("status", "answer", "state"),
    [
        ("200 OK", b'{"ready":true,"configuration":"rejected"}', "bad"),
        ("200 OK", b"{", ""),
        ("200 OK", b'{"status":"ok"}', ""),
        ("503 Service Unavailable", b'{"ready":false}', "doubtful"),
        ("503 Service Unavailable", b"{}", ""),
        ("404 Not Found", b'{"ready":false}', ""),
    ],
)
async def test_a_router_that_serves_something_else_than_its_file_is_bad_and_nothing_else_is_taken_for_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: str, answer: bytes, state: str
) -> None:
    async def script(request: Received, connection: Connection) -> None:
        await connection.send(response(answer, status))

    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")  # not asked about this machine
    monkeypatch.delenv("no_proxy", raising=False)
    async with ScriptedBackend(script) as router:
        file = tmp_path / "router.yaml"
        file.write_text(
            "version: v0.3\nproviders:\n  defaults: {default_model: m}\n"
            '  models: [{name: m, backend_refs: [{endpoint: "127.0.0.1:9001"}]}]\n'
            f"global: {{services: {{management_api: {{port: {router.port}}}}}}}\n"
        )
        found = await asyncio.to_thread(configuration, file)
    assert [check.state for check in found] == ["good", *([state] if state else [])]


@pytest.mark.parametrize(("kibibytes", "state"), [(700_000, "good"), (600_000, "doubtful")])
def test_memory_that_holds_only_caches_counts_as_free(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kibibytes: int, state: str
) -> None:
    file = tmp_path / "meminfo"
    file.write_text(f"MemTotal: 9000000 kB\nMemFree: 1 kB\nMemAvailable: {kibibytes} kB\n")
    available = checks.available_memory(file)
    monkeypatch.setattr(checks, "available_memory", lambda: available)
    assert checks.memory().state == state
