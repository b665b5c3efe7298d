"""A view is what the larger trunk's sixth layer makes of a text, standardised over all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra `train`")
transformers = pytest.importorskip("transformers", reason="training needs the extra `train`")
pytest.importorskip("nncf", reason="training needs the extra `train`")

from tests.encoder.tiny_bundle import tokenizer_file  # noqa: E402
from vsr.errors import EvaluationError  # noqa: E402
from vsr.training import distil as module  # noqa: E402
from vsr.training.distil import LONGEST, distil, read_views  # noqa: E402
from vsr.training.rows import Row, write_rows  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # tracing warns of what it does not know

WORDS = ("john", "smith", "the", "word", "text")
TEXTS = [" ".join(WORDS[number % 5 :]) + f" {WORDS[number // 5 % 5]}" * (number % 7) for number in range(35)]


def row(text: str, number: int, stratum: str = "natural/x") -> Row:
    return Row(text, "test", "own", f"g{number}", "en", stratum)


def test_views_are_the_sixth_layers_means_standardised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(5)
    config = transformers.BertConfig(
        vocab_size=2100, hidden_size=32, num_hidden_layers=7, num_attention_heads=2, intermediate_size=32
    )
    trunk = transformers.BertModel(config, add_pooling_layer=False).eval()
    tokenizer = tokenizer_file()
    monkeypatch.setattr(module, "weights_file", lambda: tmp_path)
    monkeypatch.setattr(module, "read_e5", lambda _: (trunk, tokenizer))
    rows = [row("the word", 0, "dictionary"), row("word " * LONGEST, 1)]
    rows += [row(text, number) for number, text in enumerate(TEXTS, start=2)]
    write_rows(tmp_path / "train.jsonl", rows)
    distil(tmp_path, seed=7)
    views = read_views(tmp_path)
    assert views.keys() == set(range(2, len(rows)))

    tokenizer.no_padding()
    expected = []
    for text in TEXTS:
        ids = torch.tensor([tokenizer.encode(text).ids])
        with torch.inference_mode():
            states = trunk(ids, output_hidden_states=True).hidden_states
        expected.append(states[6][0].mean(dim=0).numpy())
    wanted = (np.stack(expected) - np.mean(expected, axis=0)) / np.std(expected, axis=0)
    found = np.stack([views[place] for place in range(2, len(rows))]).astype(np.float32)
    assert abs(found.mean(axis=0)).max() < 1e-2
    assert np.corrcoef(wanted.ravel(), found.ravel())[0, 1] > 0.9


def test_views_of_other_rows_are_refused(tmp_path: Path) -> None:
    write_rows(tmp_path / "train.jsonl", [row("the word", 0)])
    np.savez(tmp_path / module.VIEWS, rows=np.arange(1), views=np.zeros((1, 4), np.float16), of="another")
    with pytest.raises(EvaluationError, match=r"is of other rows: run vsr train --stage distil"):
        read_views(tmp_path)
