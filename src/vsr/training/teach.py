"""The base model's embeddings of all anchors: what the embedding head is held to.

Writes `anchors.npy` (float16, unit rows) and `anchors.json` (text -> row) into the work directory.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import openvino as ov
import torch
from numpy.typing import NDArray
from rich.progress import Progress

from vsr.training.engine import Engine, by_length
from vsr.training.export import convert, save
from vsr.training.model import base_network
from vsr.training.replacing import replacing
from vsr.training.rows import Row, read_rows
from vsr.training.vocabulary import extend_tokenizer

LONGEST_ANCHOR = 300
"""Characters; longer texts add time, not directions."""
TOKENS = 126
BATCH = 32


def base_engine(base: Path, work: Path) -> Engine:
    """The untouched base as a graph; its heads are random and unused."""
    folder = work / "base"
    if not (folder / "openvino_model.xml").exists():
        folder.mkdir(parents=True, exist_ok=True)
        size = extend_tokenizer(base / "tokenizer.json", (), folder / "tokenizer.json")
        save(convert(base_network(base, size, seed=0)), folder)
        shutil.copy(base / "config.json", folder / "config.json")
    return Engine(folder, tokens=TOKENS)


def teach(base: Path, work: Path, progress: Progress | None = None) -> None:
    texts = sorted(set(_anchors(read_rows(work / "train.jsonl"))))
    tokenizer = base_engine(base, work).tokenizer
    embed = _embedder(work / "base" / "openvino_model.xml")
    anchors = np.empty((len(texts), embed.output("embedding").partial_shape[1].get_length()), np.float16)
    progress = progress or Progress(disable=True)
    batches = by_length(tokenizer, texts, TOKENS, BATCH)
    for places, batch in progress.track(batches, total=-(-len(texts) // BATCH), description="teach"):
        anchors[places] = embed(batch)["embedding"]
    np.save(work / "anchors.npy", anchors)
    index = {text: row for row, text in enumerate(texts)}
    with replacing(work / "anchors.json") as part:
        part.write_text(json.dumps(index, ensure_ascii=False), encoding="utf-8")


def _embedder(graph: Path) -> ov.CompiledModel:
    """The embedding alone, in bf16 where the processor has it: twice as quick, and a cosine of .99999 to what
    float32 gives."""
    core = ov.Core()
    whole = core.read_model(graph)
    alone = ov.Model([whole.output("embedding")], whole.get_parameters())
    return core.compile_model(
        alone, "CPU", {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    )


def read_anchors(work: Path) -> tuple[dict[str, int], NDArray[np.float16]]:
    index: dict[str, int] = json.loads((work / "anchors.json").read_text(encoding="utf-8"))
    return index, np.load(work / "anchors.npy")


def _anchors(rows: Iterable[Row]) -> Iterable[str]:
    return (row.anchor for row in rows if row.anchor and len(row.anchor) <= LONGEST_ANCHOR)
