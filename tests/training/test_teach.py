"""Anchors are what the untouched base says of each text, however it was computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra `train`")
transformers = pytest.importorskip("transformers", reason="training needs the extra `train`")

from tests.encoder.tiny_bundle import tokenizer_file  # noqa: E402
from vsr.training.export import convert, save  # noqa: E402
from vsr.training.model import Network  # noqa: E402
from vsr.training.rows import Row, write_rows  # noqa: E402
from vsr.training.teach import BATCH, LONGEST_ANCHOR, base_engine, read_anchors, teach  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # tracing warns of what it does not know

WORDS = ("john", "smith", "the", "word", "text")


def row(number: int, anchor: str | None) -> Row:
    return Row(f"text {number}", "test", "own", f"g{number}", "en", "natural/x", anchor=anchor)


def test_anchors_are_the_bases_embeddings_of_all_but_long_texts(tmp_path: Path) -> None:
    torch.manual_seed(5)
    config = transformers.BertConfig(
        vocab_size=2100, hidden_size=32, num_hidden_layers=6, num_attention_heads=2, intermediate_size=32
    )
    (tmp_path / "base").mkdir()
    save(convert(Network(config).eval()), tmp_path / "base")
    tokenizer_file().save(str(tmp_path / "base" / "tokenizer.json"))
    texts = [" ".join(WORDS[n % 5 :]) + f" {WORDS[n // 5 % 5]}" * (n % 7) for n in range(BATCH + 3)]
    anchors = [None, "word " * LONGEST_ANCHOR, *texts, *texts]
    write_rows(tmp_path / "train.jsonl", (row(number, anchor) for number, anchor in enumerate(anchors)))
    teach(tmp_path, tmp_path)
    index, vectors = read_anchors(tmp_path)
    assert index.keys() == set(texts)
    own = base_engine(tmp_path, tmp_path).run(list(index))
    cosines = np.stack([one.embedding for one in own]) @ vectors[list(index.values())].astype(np.float32).T
    assert cosines.diagonal().min() > 0.999
    assert (cosines.diagonal() >= cosines.max(axis=1) - 1e-3).all()
    assert np.median(cosines) < 0.99, "the texts are too much alike to tell a wrong order"
