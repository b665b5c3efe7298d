"""The base model's embeddings of all anchors: what the embedding head is held to.

Writes `anchors.npy` (float16, unit rows) and `anchors.json` (text -> row) into the work directory.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsr.training.engine import Engine
from vsr.training.export import convert, save
from vsr.training.model import base_network
from vsr.training.rows import Row, read_rows
from vsr.training.vocabulary import extend_tokenizer

LONGEST_ANCHOR = 300
"""Characters; longer texts add time, not directions."""


def base_engine(base: Path, work: Path) -> Engine:
    """The untouched base as a graph; its heads are random and unused."""
    folder = work / "base"
    if not (folder / "openvino_model.xml").exists():
        folder.mkdir(parents=True, exist_ok=True)
        size = extend_tokenizer(base / "tokenizer.json", (), folder / "tokenizer.json")
        save(convert(base_network(base, size, seed=0)), folder)
        shutil.copy(base / "config.json", folder / "config.json")
    return Engine(folder, tokens=126)


def teach(base: Path, work: Path) -> None:
    texts = sorted(set(_anchors(read_rows(work / "train.jsonl"))), key=len)
    outputs = base_engine(base, work).run(texts, batch=64)
    np.save(work / "anchors.npy", np.stack([o.embedding for o in outputs]).astype(np.float16))
    index = {text: row for row, text in enumerate(texts)}
    (work / "anchors.json").write_text(json.dumps(index, ensure_ascii=False), encoding="utf-8")


def read_anchors(work: Path) -> tuple[dict[str, int], NDArray[np.float16]]:
    index: dict[str, int] = json.loads((work / "anchors.json").read_text(encoding="utf-8"))
    return index, np.load(work / "anchors.npy")


def _anchors(rows: Iterable[Row]) -> Iterable[str]:
    return (row.anchor for row in rows if row.anchor and len(row.anchor) <= LONGEST_ANCHOR)
