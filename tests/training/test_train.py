"""Training that was cut off goes on as if it had not been; what has no label teaches nothing."""

from __future__ import annotations

import platform
import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra `train`")
pytest.importorskip("peft", reason="training needs the extra `train`")
transformers = pytest.importorskip("transformers", reason="training needs the extra `train`")

from rich.progress import Progress  # noqa: E402

from tests.encoder.tiny_bundle import tokenizer_file  # noqa: E402
from vsr.errors import EvaluationError  # noqa: E402
from vsr.training import train as module  # noqa: E402
from vsr.training.checkpoint import save, trained_state  # noqa: E402
from vsr.training.examples import NOTHING, Example  # noqa: E402
from vsr.training.model import Network  # noqa: E402
from vsr.training.rows import write_rows  # noqa: E402
from vsr.training.train import Batch, Stage, collate, task_losses  # noqa: E402

ANCHORS = np.eye(4, 16, dtype=np.float16)
ORDER = [[number % 6, (number + 1) % 6] for number in range(6)]
STAGE = Stage("joint", {}, rate=1e-2, embedding_rate=1e-2)


class Killed(Exception):
    """What ends a run in the middle."""


def network() -> Network:
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=20,
        hidden_size=16,
        num_hidden_layers=6,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=16,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return Network(config)


def example(number: int, fact_check: int = NOTHING, feedback: int = NOTHING) -> Example:
    return Example(
        ids=np.array([2, 5 + number, 3], np.int32),
        task="feedback",
        domain=number,
        jailbreak=number % 2,
        anchor=NOTHING,
        fact_check=fact_check,
        feedback=feedback,
        tags=None,
        free=None,
    )


MADE = [example(number, fact_check=number % 2, feedback=number % 5) for number in range(6)]


def run(made: Network, partial: Path, order: list[list[int]] = ORDER, origin: str = "rows") -> None:
    torch.manual_seed(1)  # the heads have dropout
    module.run_stage(made, MADE, order, ANCHORS, STAGE, partial, origin, Progress(disable=True))


def test_a_run_that_was_killed_ends_as_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHECKPOINT_STEPS", 2)
    whole = network()
    run(whole, tmp_path / "whole.part.pt")

    cut, calls = network(), []

    def killed_at_the_fifth(outputs: object, batch: object) -> object:
        calls.append(batch)
        if len(calls) == 5:
            raise Killed
        return task_losses(outputs, batch)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(module, "task_losses", killed_at_the_fifth)
        with pytest.raises(Killed):
            run(cut, tmp_path / "cut.part.pt")
    resumed = network()
    run(resumed, tmp_path / "cut.part.pt")

    expected, found = trained_state(whole), trained_state(resumed)
    assert all(torch.allclose(value, found[name], atol=1e-6) for name, value in expected.items())
    start = trained_state(network())
    assert not all(torch.allclose(value, start[name]) for name, value in expected.items())


def test_a_checkpoint_of_other_rows_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECKPOINT_STEPS", 1)
    partial = tmp_path / "joint.part.pt"
    without = network()
    run(without, tmp_path / "none.part.pt")
    for order, origin in ((ORDER[:3], "rows"), (ORDER, "other rows")):
        run(network(), partial, order, origin)
        with_it = network()
        run(with_it, partial)
        found = trained_state(with_it)
        assert all(torch.allclose(value, found[name]) for name, value in trained_state(without).items())


def test_a_loss_that_is_no_number_ends_training_before_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ruined(outputs: object, batch: object) -> object:
        return tuple(loss * float("nan") for loss in task_losses(outputs, batch))  # type: ignore[arg-type]

    monkeypatch.setattr(module, "CHECKPOINT_STEPS", 1)
    monkeypatch.setattr(module, "task_losses", ruined)
    with pytest.raises(EvaluationError, match="joint: a gradient is not finite at step 1 of 6"):
        run(network(), tmp_path / "joint.part.pt")
    assert not (tmp_path / "joint.part.pt").exists()


def test_what_went_on_from_a_stage_that_is_trained_anew_is_trained_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []
    monkeypatch.setattr(module, "adapted_network", lambda *_: network())
    monkeypatch.setattr(module, "read_anchors", lambda _: ({}, ANCHORS))
    monkeypatch.setattr(module, "run_stage", lambda *given: trained.append(given[4].name))
    tokenizer_file().save(str(tmp_path / "tokenizer.json"))
    write_rows(tmp_path / "train.jsonl", [])
    stages = [replace(STAGE, name=name) for name in ("align", "joint", "finish")]
    for name in ("align.pt", "finish.part.pt", "finish.pt"):
        save(trained_state(network()), tmp_path / name)
    module.train(tmp_path, tmp_path, 1, stages)
    assert trained == ["joint", "finish"]
    assert not (tmp_path / "finish.part.pt").exists()


def test_a_stage_begins_alike_whether_the_one_before_it_has_just_ended_or_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "adapted_network", lambda *_: network())
    monkeypatch.setattr(module, "read_anchors", lambda _: ({}, ANCHORS))
    drawn: list[float] = []
    monkeypatch.setattr(module, "run_stage", lambda *_: drawn.append(float(torch.rand(7)[6])))
    tokenizer_file().save(str(tmp_path / "tokenizer.json"))
    write_rows(tmp_path / "train.jsonl", [])
    stages = [replace(STAGE, name=name) for name in ("joint", "finish")]
    module.train(tmp_path, tmp_path, 1, stages)
    (tmp_path / "finish.pt").unlink()
    module.train(tmp_path, tmp_path, 1, stages)
    assert len(drawn) == 3
    assert drawn[2] == drawn[1] != drawn[0]


def test_rows_without_a_label_teach_the_heads_about_the_ask_nothing() -> None:
    made = network()
    batch = collate([example(0), example(1)], ANCHORS)
    *_, facts, feedback = task_losses(made(batch.ids, batch.mask), batch)
    assert facts.item() == feedback.item() == 0.0


def test_ordinary_prompts_weigh_less_in_feedback_than_its_own_rows() -> None:
    made = network().eval()
    own = collate([example(0, feedback=0)], ANCHORS)
    other = collate([replace(example(0, feedback=0), task="natural")], ANCHORS)
    losses = [task_losses(made(b.ids, b.mask), b)[-1].item() for b in (own, other)]
    assert losses[1] == pytest.approx(module.FEEDBACK_WEIGHT_OF_OTHER_TASKS * losses[0])


def test_the_trunk_never_learns_what_is_kept_for_a_head() -> None:
    assert not [stage.name for stage in module.STAGES if "unseen" in stage.budget]


def test_all_of_a_batch_goes_to_the_device_that_trains() -> None:
    batch = collate([MADE[0], replace(MADE[1], tags=np.array([NOTHING, 0, NOTHING], np.int16))], ANCHORS)
    moved = batch.to(torch.device("meta"))
    assert {getattr(moved, name).device.type for name in Batch.__dataclass_fields__} == {"meta"}


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt, and nothing is promised elsewhere"
)
def test_memory_that_a_step_frees_is_there_for_the_next() -> None:
    assert module.keep_freed_memory()
    for _ in range(4):  # the first ones grow the heap
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(16 * 2**20)  # 64 MiB, more than glibc ever keeps by itself
        touched = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    assert touched < 1000  # of 16,384 pages


def test_another_allocator_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsr.training.train.ctypes.CDLL", lambda _: object())
    assert not module.keep_freed_memory()
