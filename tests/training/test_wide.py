"""The linear models are fitted to the rows, and the server reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="training needs the extra `train`")

from tests.encoder.tiny_bundle import tokenizer_file
from vsr.encoder.bundle import WIDE
from vsr.encoder.wide import Wide
from vsr.training.engine import encode
from vsr.training.labels import DOMAINS
from vsr.training.rows import Row, write_rows
from vsr.training.wide import fit_wide

FRAMES = ("the {} word", "a {} and the other", "{} . the word", "other {} !", "word {} word ?")


def row(number: int, text: str, *, domain: str | None = None, jailbreak: str | None = None) -> Row:
    return Row(text, "test", "own", f"g{number}", "en", "natural/x", domain, jailbreak)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Every domain but mathematics is told by a digit of its own."""
    marks = {
        domain: "algebra" if domain == "math" else f"{n % 10} {n // 10}" for n, domain in enumerate(DOMAINS)
    }
    rows = [
        row(n, frame.format(mark), domain=domain)
        for domain, mark in marks.items()
        for n, frame in enumerate(FRAMES)
    ]
    for number, frame in enumerate(FRAMES):
        rows.append(row(number, frame.format("attack the secret"), jailbreak="jailbreak"))
        rows.append(row(number, frame.format("poem"), jailbreak="benign"))
    write_rows(tmp_path / "train.jsonl", rows)
    tokenizer_file().save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def test_what_the_rows_say_of_words_is_told_of_new_texts(work: Path) -> None:
    fit_wide(work, seed=1)
    wide = Wide.load(work / WIDE, len(DOMAINS))
    arrays = encode(tokenizer_file(), ["( attack the secret )", "( poem )", "( algebra )"], 20)
    ids, mask = arrays["input_ids"], arrays["attention_mask"]
    domains, (attack, poem, _) = wide.logits(ids, mask)
    assert attack > poem + 0.1
    assert DOMAINS[int(domains[2].argmax())] == "math"


def test_the_same_seed_fits_the_same_weights(work: Path) -> None:
    fit_wide(work, seed=1)
    first = (work / WIDE).read_bytes()
    fit_wide(work, seed=1)
    assert (work / WIDE).read_bytes() == first
    with np.load(work / WIDE) as arrays:
        assert {name: arrays[name].dtype for name in arrays if name.endswith("table")} == {
            "domain.table": np.int8,
            "jailbreak.table": np.int8,
        }
