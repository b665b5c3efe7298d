"""`vsr config schema`, `diff` and `convert`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest

from tests.cli.command import vsr
from tests.scripted import ScriptedEncoder
from vsr.cli import config_diff
from vsr.config.load import load_policy
from vsr.config.policy import Policy
from vsr.encoder.encoder import Encoder
from vsr.generation import Generation
from vsr.telemetry import Metrics

ROOT = Path(__file__).parents[2]
MINIMAL = ROOT / "config" / "minimal.yaml"


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    result = vsr(capsys, "config", "schema")
    assert result.code == 0
    assert result.json()["properties"]["version"]["const"] == "v0.3"


def test_a_difference_is_told_and_equal_files_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(MINIMAL.read_text().replace("default_model: general", "default_model: mathematician"))
    result = vsr(capsys, "config", "diff", str(MINIMAL), str(other))
    assert (result.code, result.out) == (0, "~ default_model: general → mathematician\n")
    assert "do the same" in vsr(capsys, "config", "diff", str(MINIMAL), str(MINIMAL)).out


def test_a_difference_says_what_needs_a_restart(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(MINIMAL.read_text() + "listeners: [{port: 9999}]\n")
    report = vsr(capsys, "config", "diff", str(MINIMAL), str(other), "--json").json()
    assert "restart" in report["restart_needed"][0]
    assert report["rerouted"] is None


@pytest.mark.parametrize(
    ("door", "old", "new", "expected"),
    [
        ("--envoy", "127.0.0.1:9001", "127.0.0.1:9002", "Envoy, which this router started"),
        ("--extproc", "version: v0.3", "version: v0.3\nglobal: {limits: {max_body_bytes: 60MiB}}", "raised"),
    ],
)
def test_a_difference_says_what_the_door_fixes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, door: str, old: str, new: str, expected: str
) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(MINIMAL.read_text().replace(old, new))
    arguments = ("config", "diff", str(MINIMAL), str(other), "--json")
    assert vsr(capsys, *arguments).json()["restart_needed"] == []
    (sentence,) = vsr(capsys, *arguments, door).json()["restart_needed"]
    assert expected in sentence


@pytest.mark.parametrize("door", ["--envoy", "--extproc"])
def test_the_first_decision_of_several_models_needs_a_restart_behind_envoy(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, door: str
) -> None:
    loopers, without = ROOT / "config" / "loopers.yaml", tmp_path / "without.yaml"
    without.write_text(loopers.read_text().partition("  decisions:")[0])
    arguments = ("config", "diff", str(without), str(loopers), "--json")
    assert vsr(capsys, *arguments).json()["restart_needed"] == []
    assert "use the first one" in vsr(capsys, *arguments, door).json()["restart_needed"][-1]


def test_prompts_that_go_elsewhere_are_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    other, prompts = tmp_path / "other.yaml", tmp_path / "prompts.jsonl"
    other.write_text(MINIMAL.read_text().replace("default_model: general", "default_model: mathematician"))
    lines = [
        {"id": "greeting", "text": "Good morning, how are you?"},
        {"id": "sum", "text": "Solve x^2 = 4."},
    ]
    prompts.write_text("".join(json.dumps(line) + "\n" for line in lines))
    report = vsr(
        capsys, "config", "diff", str(MINIMAL), str(other), "--prompts", str(prompts), "--json"
    ).json()
    assert [one["id"] for one in report["rerouted"]] == ["greeting"]
    assert report["rerouted"][0]["after"].startswith("forward to mathematician")


async def test_both_configurations_are_closed_when_their_prompts_were_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closed: list[int] = []
    policy = load_policy(MINIMAL, {})
    first = Generation(policy, cast(Encoder, ScriptedEncoder()), Metrics())

    async def start(policy: Policy, **options: object) -> Generation:
        return first

    async def aclose(generation: Generation) -> None:
        closed.append(generation.number)

    monkeypatch.setattr(Generation, "start", start)
    monkeypatch.setattr(Generation, "aclose", aclose)
    monkeypatch.setattr("vsr.cli.batch.read_lines", lambda file, model: [])
    assert await config_diff._rerouted(Path("prompts.jsonl"), policy, policy, None) == []
    assert closed == [2, 1]


def test_conversion_keeps_comments_and_tells_what_it_leaves_out(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    flat = tmp_path / "flat.yaml"
    flat.write_text(
        (ROOT / "config" / "flat-v0.yaml")
        .read_text()
        .replace("default_model: phi4", "default_model: phi4 # d")
        + "\n# the last word\n"
    )
    result = vsr(capsys, "config", "convert", str(flat))
    assert result.code == 0
    assert "default_model: phi4 # d\n" in result.out
    assert "# the last word" in result.out
    assert result.err == ""
    assert vsr(capsys, "config", "convert", str(flat), "--json").json()["dropped"] == []
