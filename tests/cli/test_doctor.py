from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.cli.command import vsr
from vsr.cli import checks
from vsr.errors import VSRError


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
