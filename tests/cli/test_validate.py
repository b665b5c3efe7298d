from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import vsr
from vsr.config.load import DEFAULT_FILE

WRONG = """\
version: v0.3
providers:
  defalts: {}
"""


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    file = tmp_path / "wrong.yaml"
    file.write_text(WRONG)
    return file


def test_a_right_file_is_said_to_be_right(capsys: pytest.CaptureFixture[str]) -> None:
    result = vsr(capsys, "validate", str(DEFAULT_FILE))
    assert result.code == 0
    assert "is valid" in result.out


def test_a_wrong_file_is_exit_code_2_with_the_line_and_the_nearest_name(
    capsys: pytest.CaptureFixture[str], wrong: Path
) -> None:
    result = vsr(capsys, "validate", str(wrong))
    assert result.code == 2
    assert f"{wrong}:3: " in result.err
    assert "defaults" in result.err


def test_json_lists_the_problems(capsys: pytest.CaptureFixture[str], wrong: Path) -> None:
    result = vsr(capsys, "validate", str(wrong), "--json")
    assert result.code == 2
    assert result.json()["valid"] is False
    assert result.json()["errors"][-1]["line"] == 3
    assert vsr(capsys, "validate", str(DEFAULT_FILE), "--json").json()["valid"] is True


@pytest.mark.parametrize("command", [("validate",), ("config", "envoy"), ("config", "convert")])
def test_a_missing_file_is_one_sentence(capsys: pytest.CaptureFixture[str], command: tuple[str, ...]) -> None:
    result = vsr(capsys, *command, "/nowhere.yaml")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "/nowhere.yaml" in result.err


def test_config_envoy_prints_yaml_with_the_ports_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    result = vsr(capsys, "config", "envoy", str(DEFAULT_FILE), "--extproc-port", "50077")
    assert result.code == 0
    assert "static_resources:" in result.out
    assert "50077" in result.out


def test_config_convert_writes_a_file_that_is_right(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    flat = Path(__file__).parents[2] / "config" / "flat-v0.yaml"
    converted = vsr(capsys, "config", "convert", str(flat))
    assert "\nversion: v0.3\n" in converted.out
    file = tmp_path / "new.yaml"
    file.write_text(converted.out)
    assert vsr(capsys, "validate", str(file)).code == 0


def test_config_convert_of_a_file_that_is_not_flat_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    result = vsr(capsys, "config", "convert", str(DEFAULT_FILE))
    assert result.code == 2
    assert "flat" in result.err
