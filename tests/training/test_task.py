"""A small base of every architecture is fine-tuned, merged, imported, verified, and classifies right."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

import torch
from rich.console import Console

from tests.models.checkpoints import ARCHITECTURES, write_checkpoint
from vsr.encoder.imported.manifest import Kind
from vsr.encoder.imported.model import (
    ImportedClassifier,
    ImportedEmbedder,
    ImportedSpanFinder,
    start,
)
from vsr.errors import BundleError, EvaluationError
from vsr.models.directory import verify
from vsr.models.importing import Wish, import_model
from vsr.training import task_measure, task_model
from vsr.training.task import TaskSettings, fine_tune, main
from vsr.training.task_data import TaskExample, TaskName
from vsr.training.task_model import adapted, task_loss

pytestmark = pytest.mark.filterwarnings("ignore")  # tracing warns of what it does not know

QUIET = Console(quiet=True)
WORDS = {
    "law": ["court", "contract", "law", "damages", "法院", "律师", "违约", "合同"],
    "math": ["equation", "derivative", "integral", "function", "积分", "微积分"],
}
FILLERS = ["the", "and", "of", "this", "in", "find", "what", "is", "my", "from", "may", "under"]


def trained(base: Path, task: TaskName, rows: list[dict[str, object]], out: Path, epochs: int = 10) -> Path:
    data = out.parent / "rows.jsonl"
    data.write_text("\n".join(json.dumps(row) for row in rows))
    settings = TaskSettings(
        task, str(base), (str(data),), rank=8, epochs=epochs, batch=8, rate=1e-2, tokens=62
    )
    return fine_tune(settings, out, QUIET)


async def imported(source: Path, kind: Kind, out: Path) -> Path:
    folder = await asyncio.to_thread(import_model, Wish(str(source), kind, "mine"), out)
    await asyncio.to_thread(verify, folder.path)
    return folder.path


@pytest.mark.parametrize("architecture", ARCHITECTURES)
async def test_a_fine_tuned_classifier_is_right_at_run_time(architecture: str, tmp_path: Path) -> None:
    base = write_checkpoint(tmp_path / "base", architecture, "embedding")
    merged = trained(base, "domain", class_rows(), tmp_path / "out")
    assert (tmp_path / "out" / "adapter" / "adapter_model.safetensors").is_file()
    assert json.loads((tmp_path / "out" / "report.json").read_text())["held_out"]["accuracy"] > 0.9
    model = await start(await imported(merged, "domain", tmp_path / "merged"), threads=1)
    bare = await start(
        await imported(tmp_path / "out" / "adapter", "domain", tmp_path / "adapter"), threads=1
    )
    assert isinstance(model, ImportedClassifier)
    assert isinstance(bare, ImportedClassifier)
    texts = ["find integral 积分 and derivative function", "the court 合同 damages under contract"]
    try:
        answers = await model.classify(texts, deadline=None)
        by_adapter = await bare.classify(texts, deadline=None)
    finally:
        await model.aclose()
        await bare.aclose()
    assert [max(answer, key=answer.__getitem__) for answer in answers] == ["math", "law"]
    for answer, other in zip(answers, by_adapter, strict=True):
        assert answer == pytest.approx(other, abs=1e-3)


async def test_fine_tuned_tags_become_spans(tmp_path: Path) -> None:
    base = write_checkpoint(tmp_path / "base", "bert", "embedding")
    merged = trained(base, "pii", span_rows(), tmp_path / "out", epochs=12)
    finder = await start(await imported(merged, "pii", tmp_path / "mine"), threads=1)
    assert isinstance(finder, ImportedSpanFinder)
    text = "my name is john smith from london"
    try:
        (spans,) = await finder.find([text], deadline=None)
    finally:
        await finder.aclose()
    assert [(span.type, text[span.start : span.end]) for span in spans] == [
        ("PERSON", "john smith"),
        ("GPE", "london"),
    ]


async def test_fine_tuned_embeddings_bring_like_texts_together(tmp_path: Path) -> None:
    base = write_checkpoint(tmp_path / "base", "modernbert", "embedding")
    rows = [
        {"text": row["text"], "positive": other["text"]}
        for row, other in zip(class_rows(), class_rows(seed=2), strict=True)
    ]
    merged = trained(base, "embedding", rows, tmp_path / "out", epochs=4)
    embedder = await start(await imported(merged, "embedding", tmp_path / "mine"), threads=1)
    assert isinstance(embedder, ImportedEmbedder)
    try:
        law, other, maths = await embedder.embed(
            ["court contract law", "law damages contract", "integral derivative function"], deadline=None
        )
    finally:
        await embedder.aclose()
    assert float(law @ other) > float(law @ maths) + 0.1


def test_a_jailbreak_model_knows_which_label_means_risk(tmp_path: Path) -> None:
    base = write_checkpoint(tmp_path / "base", "roberta", "embedding")
    names = {"law": "benign", "math": "jailbreak"}
    rows = [{**row, "label": names[str(row["label"])]} for row in class_rows()]
    merged = trained(base, "jailbreak", rows, tmp_path / "out", epochs=1)
    folder = import_model(Wish(str(merged), "jailbreak", "mine"), tmp_path / "mine")
    assert folder.manifest.positive == ("jailbreak",)


def test_a_base_with_a_head_for_other_labels_gets_a_new_one(tmp_path: Path) -> None:
    base = write_checkpoint(tmp_path / "base", "bert", "sequence", ("three", "other", "labels"))
    merged = trained(base, "domain", class_rows(), tmp_path / "out", epochs=1)
    assert json.loads((merged / "config.json").read_text())["id2label"] == {"0": "law", "1": "math"}


@pytest.mark.parametrize(
    ("architecture", "new"),
    [
        ("bert", ["classifier"]),
        ("roberta", ["classifier"]),
        ("deberta-v2", ["classifier", "pooler.dense"]),
        ("modernbert", ["classifier", "head.dense", "head.norm"]),
    ],
)
def test_what_the_base_lacks_is_trained_whole_and_kept_with_the_adapter(
    architecture: str, new: list[str], tmp_path: Path
) -> None:
    base = write_checkpoint(tmp_path / "base", architecture, "embedding")
    model = adapted(base, "domain", ("law", "math"), rank=2)
    assert set(model.peft_config["default"].modules_to_save) - {"score"} == set(new)
    targets = model.peft_config["default"].target_modules
    assert targets
    assert not any(target.startswith(tuple(new)) for target in targets)


def test_a_name_that_is_taken_is_told_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VSR_MODELS", str(tmp_path))
    (tmp_path / "taken").mkdir()
    flags = "--task domain --base none --data none.jsonl --out none --import taken"
    monkeypatch.setattr("sys.argv", ["vsr train", *flags.split()])
    with pytest.raises(BundleError, match="taken exists; remove it"):
        main()


def test_a_place_that_cannot_be_written_is_told_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EvaluationError, match="cannot be written"):
        fine_tune(TaskSettings("domain", "none", ("none.jsonl",)), tmp_path / "file" / "out", QUIET)


@pytest.mark.parametrize("flag", ["rank", "epochs", "batch", "tokens"])
@pytest.mark.parametrize("count", ["0", "-1"])
def test_counts_below_one_are_refused(
    flag: str, count: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = f"--task domain --base none --data none.jsonl --out none --{flag} {count}"
    monkeypatch.setattr("sys.argv", ["vsr train", *flags.split()])
    with pytest.raises(SystemExit):
        main()
    assert f"argument --{flag}: at least 1" in capsys.readouterr().err


def test_labels_that_do_not_say_which_means_risk_are_told_before_training(tmp_path: Path) -> None:
    base = write_checkpoint(tmp_path / "base", "bert", "embedding")
    data = tmp_path / "rows.jsonl"
    data.write_text("\n".join(json.dumps({"text": f"text {label}", "label": label}) for label in (0, 1)))
    settings = TaskSettings("jailbreak", str(base), (str(data),))
    with pytest.raises(BundleError, match="Name them with --positive: 0, 1"):
        fine_tune(settings, tmp_path / "out", QUIET, positive=())
    assert not any((tmp_path / "out").iterdir())


def test_labels_that_mean_risk_are_named_for_the_import_of_a_jailbreak_model_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wishes: list[Wish] = []
    checked: list[object] = []

    def tuned(settings: TaskSettings, out: Path, positive: object) -> Path:
        checked.append(positive)
        return out

    def taken(wish: Wish, out: Path) -> SimpleNamespace:
        wishes.append(wish)
        return SimpleNamespace(path=out)

    monkeypatch.setenv("VSR_MODELS", str(tmp_path))
    monkeypatch.setattr("vsr.training.task.quieten", lambda: None)
    monkeypatch.setattr("vsr.training.task.fine_tune", tuned)
    monkeypatch.setattr("vsr.training.task.import_model", taken)
    flags = "--base none --data none.jsonl --out none --positive 1"
    monkeypatch.setattr("sys.argv", ["vsr train", *f"--task jailbreak --import mine {flags}".split()])
    main()
    assert (checked, [wish.positive for wish in wishes]) == ([("1",)], [("1",)])
    for others in ("--task jailbreak", "--task domain --import mine"):
        monkeypatch.setattr("sys.argv", ["vsr train", *f"{others} {flags}".split()])
        with pytest.raises(SystemExit):
            main()
        assert "--positive is for --task jailbreak with --import" in capsys.readouterr().err


def test_a_loss_that_is_not_finite_is_told_and_nothing_is_saved(tmp_path: Path) -> None:
    base = write_checkpoint(tmp_path / "base", "bert", "embedding")
    data = tmp_path / "rows.jsonl"
    data.write_text("\n".join(json.dumps(row) for row in class_rows()))
    settings = TaskSettings("domain", str(base), (str(data),), rank=2, epochs=1, rate=1e30, tokens=62)
    with pytest.raises(BundleError, match="not finite any more in epoch 1; try a lower --rate"):
        fine_tune(settings, tmp_path / "out", QUIET)
    assert not any((tmp_path / "out").iterdir())


def test_a_figure_that_the_held_out_labels_do_not_give_is_null_in_the_report(tmp_path: Path) -> None:
    base = write_checkpoint(tmp_path / "base", "bert", "embedding")
    rows = [row for row in class_rows() if row["label"] == "law"][:20]
    trained(base, "domain", [*rows, {"text": "integral", "label": "math"}], tmp_path / "out", epochs=1)
    held_out = json.loads((tmp_path / "out" / "report.json").read_text())["held_out"]
    assert held_out["auc"] is None
    assert held_out["accuracy"] is not None


def test_the_nearest_of_many_positives_are_found_without_comparing_all_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []
    multiply = torch.Tensor.__matmul__

    def noted(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        made = multiply(one, other)
        sizes.append(made.numel())
        return made

    def circle(tokenizer: object, texts: Sequence[str], tokens: int) -> torch.Tensor:
        angles = torch.tensor([int(text) for text in texts]) * torch.pi / count
        return torch.stack([angles.cos(), angles.sin()], dim=1)

    count = 2 * task_measure.COMPARED + 1
    monkeypatch.setattr(task_measure, "encode", circle)
    monkeypatch.setattr(task_measure, "to_device", lambda batch, model: batch)
    monkeypatch.setattr(task_measure, "embed", lambda model, batch: batch)
    examples = [TaskExample(str(number), "", positive=str(number)) for number in range(count - 1)]
    examples.append(TaskExample(str(count - 1), "", positive="0"))
    monkeypatch.setattr(torch.Tensor, "__matmul__", noted)
    figures = task_measure.measure(torch.nn.Identity(), None, examples, "embedding", (), 0)
    assert figures == {"nearest": round((count - 1) / count, 4)}
    assert max(sizes) == task_measure.COMPARED * count


def test_one_label_is_nothing_to_learn(tmp_path: Path) -> None:
    base = write_checkpoint(tmp_path / "base", "bert", "embedding")
    with pytest.raises(BundleError, match="only one label, law"):
        trained(base, "domain", [{"text": "court", "label": "law"}], tmp_path / "out")


def class_rows(seed: int = 1) -> list[dict[str, object]]:
    chance = random.Random(seed)
    rows: list[dict[str, object]] = []
    for number in range(160):
        label = ("law", "math")[number % 2]
        words = chance.sample(WORDS[label], 4) + chance.sample(FILLERS, 2)
        chance.shuffle(words)
        rows.append({"text": " ".join(words), "label": label})
    return rows


def span_rows() -> list[dict[str, object]]:
    chance = random.Random(1)
    rows: list[dict[str, object]] = []
    for _ in range(120):
        parts = [("john smith", "PERSON"), ("john", "PERSON"), ("london", "GPE"), ("jane", "PERSON")]
        parts = chance.sample(parts, 2) + [(word, "") for word in chance.sample(FILLERS, 4)]
        chance.shuffle(parts)
        text, spans = "", []
        for word, kind in parts:
            start = len(text)
            text += word + " "
            if kind:
                spans.append([start, start + len(word), kind])
        rows.append({"text": text.strip() + " the", "spans": spans})
    return rows


def shared_positives(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> list[TaskExample]:
    """Three texts, each exactly like its positive, that of the first two being one."""
    monkeypatch.setattr(module, "encode", lambda _, texts, __: torch.eye(2)[[int(text) for text in texts]])
    monkeypatch.setattr(module, "to_device", lambda batch, model: batch)
    monkeypatch.setattr(module, "embed", lambda model, batch: batch)
    return [TaskExample(number, "", positive=number) for number in ("0", "0", "1")]


def test_a_positive_that_several_texts_share_is_found_by_each_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    examples = shared_positives(monkeypatch, task_measure)
    figures = task_measure.measure(torch.nn.Identity(), None, examples, "embedding", (), 0)
    assert figures == {"nearest": 1.0}


def test_a_positive_that_several_texts_share_counts_against_none_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    examples = shared_positives(monkeypatch, task_model)
    loss = task_loss(None, None, examples, "embedding", (), torch.ones(0), 0)
    assert loss < 1e-6
