"""Checkpoints of every architecture and task become models that answer as transformers does."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

from tests.cli.command import vsr  # noqa: E402
from tests.models.checkpoints import ARCHITECTURES, write_checkpoint, write_mapping  # noqa: E402
from vsr.encoder.imported.model import (  # noqa: E402
    ImportedClassifier,
    ImportedEmbedder,
    ImportedSpanFinder,
    start,
)
from vsr.errors import BundleError  # noqa: E402
from vsr.models import convert, parity  # noqa: E402
from vsr.models.importing import Wish, import_model  # noqa: E402
from vsr.models.network import pooling_of  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # tracing warns of what it does not know

TAGS = ("O", "B-PERSON", "I-PERSON", "B-GPE", "I-GPE")
TEXT = "my name is john smith from london, 我叫张伟"


def wish(source: Path, kind: str = "domain", **more: object) -> Wish:
    return Wish(str(source), kind, "mine", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
async def test_a_sequence_classifier_answers_as_transformers_does(architecture: str, tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path / "source", architecture, "sequence", ("law", "math", "other"))
    folder = await asyncio.to_thread(import_model, wish(source), tmp_path / "mine")
    assert folder.manifest.parity.difference < 1e-3
    model = await start(folder.path, threads=1)
    assert isinstance(model, ImportedClassifier)
    try:
        (answer, again) = await model.classify([TEXT, "the court"], deadline=None)
    finally:
        await model.aclose()
    assert list(answer) == ["law", "math", "other"]
    assert list(answer.values()) == pytest.approx(by_transformers(source, TEXT), abs=1e-4)
    assert list(again.values()) == pytest.approx(by_transformers(source, "the court"), abs=1e-4)


def test_a_model_without_a_name_is_called_after_where_it_is_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_checkpoint(tmp_path / "court", "bert", "sequence", ("law", "math", "other"))
    models = tmp_path / "models"
    result = vsr(capsys, "models", "import", str(source), "--as", "domain", "--models-dir", str(models))
    assert result.code == 0
    assert (models / "court").is_dir()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
async def test_a_token_classifier_becomes_a_span_finder(architecture: str, tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path / "source", architecture, "token", TAGS)
    folder = await asyncio.to_thread(import_model, wish(source, "pii"), tmp_path / "mine")
    assert folder.manifest.parity.agreement == 1.0
    model = await start(folder.path, threads=1)
    assert isinstance(model, ImportedSpanFinder)
    assert model.types == ("PERSON", "GPE")
    try:
        (spans,) = await model.find([TEXT], deadline=None)
    finally:
        await model.aclose()
    assert all(0 <= span.start < span.end <= len(TEXT) for span in spans)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
async def test_an_embedding_is_the_mean_of_the_states(architecture: str, tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path / "source", architecture, "embedding")
    folder = await asyncio.to_thread(import_model, wish(source, "embedding"), tmp_path / "mine")
    assert folder.manifest.dimension == 32
    model = await start(folder.path, threads=1)
    assert isinstance(model, ImportedEmbedder)
    try:
        (vector,) = await model.embed([TEXT], deadline=None)
    finally:
        await model.aclose()
    assert float(vector @ mean_by_transformers(source, TEXT)) == pytest.approx(1.0, abs=1e-4)


def test_an_int8_model_is_smaller_and_within_its_tolerance(tmp_path: Path) -> None:
    pytest.importorskip("nncf")
    source = write_checkpoint(tmp_path / "source", "bert", "sequence", ("law", "math"))
    full = import_model(wish(source), tmp_path / "full")
    small = import_model(wish(source, int8=True), tmp_path / "small")
    assert small.manifest.engine == "openvino-int8"
    assert small.manifest.parity.probability <= parity.INT8_PROBABILITY
    size = [(folder.path / "openvino_model.bin").stat().st_size for folder in (full, small)]
    assert size[1] < size[0]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_adapter_is_merged_into_the_base_it_names(architecture: str, tmp_path: Path) -> None:
    base = write_checkpoint(tmp_path / "base", architecture, "sequence", ("for", "other", "labels"))
    adapter = write_adapter(base, tmp_path / "adapter")
    write_labels(adapter, "jailbreak_type_mapping.json")
    folder = import_model(wish(adapter, "jailbreak"), tmp_path / "mine")
    assert folder.manifest.labels == ("benign", "jailbreak")
    assert folder.manifest.positive == ("jailbreak",)
    assert folder.manifest.parity.difference < 1e-3


@pytest.mark.parametrize(
    ("architecture", "lost"), [("modernbert", r"head\.dense\.weight"), ("deberta-v2", r"pooler\.dense")]
)
def test_an_adapter_that_lacks_what_its_base_lacks_is_refused(
    architecture: str, lost: str, tmp_path: Path
) -> None:
    base = write_checkpoint(tmp_path / "base", architecture, "embedding")
    adapter = write_adapter(base, tmp_path / "adapter")
    write_labels(adapter, "jailbreak_type_mapping.json")
    with pytest.raises(BundleError, match=rf"neither it nor the base has {lost}.*import it merged"):
        import_model(wish(adapter, "jailbreak"), tmp_path / "mine")


def test_labels_come_from_the_originals_mapping_file(tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path / "source", "bert", "sequence", ("a", "b"))
    write_mapping(source, "category_mapping.json", "category", ("biology", "law"))
    assert import_model(wish(source), tmp_path / "mine").manifest.labels == ("biology", "law")


def test_a_checkpoint_without_a_head_for_the_task_is_refused(tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path / "source", "bert", "embedding")
    labels = tmp_path / "labels.json"
    labels.write_text('["law", "math"]')
    with pytest.raises(BundleError, match="no trained sequence head"):
        import_model(wish(source, labels=labels), tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_the_wrong_number_of_labels_is_told(tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path / "source", "bert", "sequence", ("law", "math"))
    labels = tmp_path / "labels.json"
    labels.write_text('["law", "math", "other"]')
    with pytest.raises(BundleError, match="another number of labels than 3"):
        import_model(wish(source, labels=labels), tmp_path / "mine")


def test_a_checkpoint_without_its_words_is_refused(tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path / "source", "bert", "sequence", ("law", "math"))
    for file in source.glob("*token*"):
        file.unlink()
    with pytest.raises(BundleError, match=r"has no tokenizer: none of tokenizer\.json, vocab\.txt"):
        import_model(wish(source), tmp_path / "mine")
    (source / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
    with pytest.raises(BundleError, match=r"has 5 tokens, the model \d+"):
        import_model(wish(source), tmp_path / "mine")


@pytest.mark.parametrize("problem", ["multi_label_classification", "regression"])
def test_a_model_that_does_not_choose_one_label_of_several_is_refused(problem: str, tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path / "source", "bert", "sequence", ("law", "math"))
    change(source / "config.json", problem_type=problem)
    with pytest.raises(BundleError, match=rf"is for {problem}.*chooses one label of several"):
        import_model(wish(source), tmp_path / "mine")


def test_a_model_of_one_label_is_refused(tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path / "source", "bert", "sequence", ("law", "math"))
    change(source / "config.json", id2label={"0": "toxic"}, label2id={"toxic": 0})
    with pytest.raises(BundleError, match="the only label is toxic"):
        import_model(wish(source), tmp_path / "mine")


def test_labels_that_mean_risk_are_refused_for_a_model_that_is_no_guard(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="--positive is for --as jailbreak alone"):
        import_model(wish(tmp_path, positive=("law",)), tmp_path / "mine")


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"embedding_dimension": 32, "pooling_mode": "cls"}, "cls"),
        ({"embedding_dimension": 32, "pooling_mode": ["mean"]}, "mean"),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, "mean"),
        ({"word_embedding_dimension": 32}, "mean"),
        ({"pooling_mode": "max"}, None),
        ({"pooling_mode": ["cls", "mean"]}, None),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}, None),
        ({"pooling_mode_mean_tokens": False, "pooling_mode_lasttoken": True}, None),
    ],
)
def test_pooling_is_what_sentence_transformers_recorded(
    config: dict[str, object], pooling: str | None, tmp_path: Path
) -> None:
    write_modules(tmp_path, "Transformer", "Pooling", "Normalize")
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(config))
    if pooling is None:
        with pytest.raises(BundleError, match="only mean and cls pooling are supported"):
            pooling_of(tmp_path)
    else:
        assert pooling_of(tmp_path) == pooling


def test_an_embedding_with_more_than_pooling_after_it_is_refused(tmp_path: Path) -> None:
    write_modules(tmp_path, "Transformer", "Pooling", "LayerNorm")
    with pytest.raises(BundleError, match="has a module LayerNorm"):
        pooling_of(tmp_path)


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("model.safetensors", POINTER.encode(), r"model\.safetensors is a pointer of Git LFS.*git lfs pull"),
        ("tokenizer.json", POINTER.encode(), r"tokenizer\.json is a pointer of Git LFS.*git lfs pull"),
        ("model.safetensors", b"\x08", "a file is damaged or cut off"),
        ("model-00001-of-00002.safetensors", None, "a part or its index is missing"),
        (
            "model.safetensors.index.json",
            b'{"metadata": {}, "weight_map": {"a": "model-00001-of-00002.safetensors"}}',
            "a part or its index is missing",
        ),
    ],
)
def test_files_that_are_not_there_as_they_should_be_are_told(
    name: str, content: bytes | None, told: str, tmp_path: Path
) -> None:
    source = write_checkpoint(tmp_path / "source", "bert", "sequence", ("law", "math"))
    if name.startswith("model") and name != "model.safetensors":
        (source / "model.safetensors").rename(source / "model-00002-of-00002.safetensors")
    if content is not None:
        (source / name).write_bytes(content)
    with pytest.raises(BundleError, match=told):
        import_model(wish(source), tmp_path / "mine")


def test_an_adapter_of_another_number_of_labels_or_cut_off_is_told(tmp_path: Path) -> None:
    base = write_checkpoint(tmp_path / "base", "bert", "sequence", ("for", "other", "labels"))
    adapter = write_adapter(base, tmp_path / "adapter")
    labels = tmp_path / "labels.json"
    labels.write_text('["law", "math", "other"]')
    with pytest.raises(BundleError, match="does not fit the base: it is for another number of labels than 3"):
        import_model(wish(adapter, labels=labels), tmp_path / "mine")
    (adapter / "adapter_model.safetensors").write_bytes(b"\x08")
    with pytest.raises(BundleError, match=r"weights in .*adapter cannot be read"):
        import_model(wish(adapter, labels=labels), tmp_path / "mine")


def test_a_vector_that_is_not_a_number_is_no_agreement_wherever_it_stands() -> None:
    right, wrong = np.array([1.0, 0.0], np.float32), np.array([np.nan, 0.0], np.float32)
    with pytest.raises(BundleError, match="differs from transformers by nan"):
        parity.compare([right, right], [right, wrong], "embedding", int8=False)


def test_a_quantised_model_is_compared_on_other_texts_than_its_ranges_come_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_checkpoint(tmp_path / "source", "bert", "sequence", ("law", "math"))
    seen: dict[str, set[bytes]] = {}

    def quantise(graph: object, batches: list[convert.Batch]) -> object:
        seen["ranges"] = {
            batch["input_ids"][0, 1 : int(batch["attention_mask"].sum()) - 1].astype(np.int32).tobytes()
            for batch in batches
        }
        return graph

    def truth(network: Any, graph: Any, windows: list[np.ndarray]) -> list[np.ndarray]:
        seen["compared"] = {window.tobytes() for window in windows}
        assert max(map(len, windows)) == 62
        return by_torch(network, graph, windows)

    by_torch = parity.truth
    monkeypatch.setattr(convert, "quantise", quantise)
    monkeypatch.setattr(parity, "truth", truth)
    assert import_model(wish(source, int8=True), tmp_path / "mine").manifest.parity.texts == 13
    assert len(seen["ranges"]) == 13
    assert not seen["ranges"] & seen["compared"]


def test_a_conversion_that_differs_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_checkpoint(tmp_path / "source", "bert", "sequence", ("law", "math"))
    monkeypatch.setattr(
        parity, "truth", lambda _n, _g, windows: [np.ones(2, np.float32) * 9 for _ in windows]
    )
    with pytest.raises(BundleError, match="differs from transformers by"):
        import_model(wish(source), tmp_path / "out" / "mine")
    assert list((tmp_path / "out").iterdir()) == []


def change(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def write_modules(folder: Path, *kinds: str) -> None:
    modules = [
        {"path": f"{number}_{kind}", "type": f"sentence_transformers.models.{kind}"}
        for number, kind in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))


def by_transformers(source: Path, text: str) -> list[float]:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(source)(text, return_tensors="pt")
    model = AutoModelForSequenceClassification.from_pretrained(source).eval()
    with torch.no_grad():
        logits = model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]).logits
    values: list[float] = torch.softmax(logits, -1)[0].tolist()
    return values


def mean_by_transformers(source: Path, text: str) -> np.ndarray:
    from transformers import AutoModel, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(source)(text, return_tensors="pt")
    model = AutoModel.from_pretrained(source).eval()
    with torch.no_grad():
        states = model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
    mean: np.ndarray = states.last_hidden_state[0].mean(0).numpy()
    unit: np.ndarray = mean / np.linalg.norm(mean)
    return unit


def write_adapter(base: Path, folder: Path) -> Path:
    """LoRA on all linear layers with random weights, so that merging changes every answer."""
    from peft import LoraConfig, TaskType, get_peft_model
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(
        base, num_labels=2, ignore_mismatched_sizes=True
    )
    adapted = get_peft_model(model, LoraConfig(task_type=TaskType.SEQ_CLS, r=4, target_modules="all-linear"))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.3)
    adapted.save_pretrained(str(folder))
    return folder


def write_labels(folder: Path, name: str) -> None:
    labels = {
        "label_to_idx": {"benign": 0, "jailbreak": 1},
        "idx_to_label": {"0": "benign", "1": "jailbreak"},
    }
    (folder / name).write_text(json.dumps(labels))
