"""What a larger, multilingual trunk makes of the training texts: what ours learns to say too.

A logistic regression on the sixth layer of multilingual-e5-small tells attacks of sources it has never met
better than our trunk does when it is trained whole, in Chinese above all. So the trunk also learns to say
that layer: the mean over a text's tokens, each of its numbers standardised over all texts. It has to be
learnt of all texts: of the guard's alone it brings nothing. Nothing of it is in the bundle.

Writes `views.npz` into the work directory: `rows` (n,), their places in `train.jsonl`, and `views` (n, VIEW)
in float16.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino as ov
import torch
from numpy.typing import NDArray
from rich.progress import Progress
from sklearn.linear_model import LogisticRegression
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import BertModel

from vsr.errors import EvaluationError
from vsr.training import export
from vsr.training.e5 import read_e5, weights_file
from vsr.training.engine import by_length, encode
from vsr.training.examples import task_of
from vsr.training.labels import JAILBREAK
from vsr.training.model import mean_pool
from vsr.training.rows import read_rows
from vsr.training.wide import importance

VIEWS = "views.npz"
LAYER = 6
LONGEST = 600
"""Characters; what is longer is cut to a window of our own tokens in training, so it has no view."""
TOKENS = 128
BATCH = 32
CALIBRATION_BATCHES = 150
STRENGTH = 27.0
"""The inverse of the penalty on the weights of `guard_of_views`, for all rows together."""


class Lower(nn.Module):
    """(B, T) ids and mask -> (B, H): the mean over real tokens of the state after LAYER layers."""

    def __init__(self, trunk: BertModel) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        bias = (1.0 - attention_mask[:, None, None, :].to(torch.float32)) * -1e4
        state: Tensor = self.trunk.embeddings(input_ids=input_ids)
        for layer in self.trunk.encoder.layer[:LAYER]:
            state = layer(state, bias)
        return mean_pool(state, attention_mask[:, :, None].to(torch.float32))


def distil(work: Path, seed: int, progress: Progress | None = None) -> None:
    """Raises EvaluationError if the larger trunk's weights are missing."""
    trunk, tokenizer = read_e5(weights_file())
    # a dictionary's entry is a word or two
    read = [
        (number, row.text)
        for number, row in enumerate(read_rows(work / "train.jsonl"))
        if task_of(row) != "dictionary" and len(row.text) <= LONGEST
    ]
    texts = [text for _, text in read]
    embed = _quantised(trunk, tokenizer, texts, seed)
    views = np.empty((len(texts), trunk.config.hidden_size), np.float32)
    progress = progress or Progress(disable=True)
    batches = by_length(tokenizer, texts, TOKENS, BATCH)
    for places, batch in progress.track(batches, total=-(-len(texts) // BATCH), description="distil"):
        views[places] = embed(batch)[0]
    views = (views - views.mean(axis=0)) / views.std(axis=0)
    rows = np.array([number for number, _ in read], np.int32)
    part_file = work / f"part-{VIEWS}"
    np.savez(part_file, rows=rows, views=views.astype(np.float16), of=_digest(work))
    part_file.replace(work / VIEWS)


def read_views(work: Path) -> dict[int, NDArray[np.float16]]:
    """The views (VIEW,) by their row's place in `train.jsonl`.

    Raises EvaluationError if that file is another than the one they were made of."""
    kept = np.load(work / VIEWS)
    if str(kept["of"]) != _digest(work):
        raise EvaluationError(f"{work / VIEWS} is of other rows: run vsr train --stage distil")
    return dict(zip(kept["rows"].tolist(), kept["views"], strict=True))


def guard_of_views(work: Path) -> tuple[NDArray[np.float32], float]:
    """Weights (VIEW,) and bias of the log-odds that a text is an attack, from its view: a logistic regression
    on what the larger trunk itself sees in the guard's rows, weighed as they are drawn."""
    views = read_views(work)
    numbered = [
        (number, row)
        for number, row in enumerate(read_rows(work / "train.jsonl"))
        if number in views and row.jailbreak and task_of(row) == "guard"
    ]
    wanted = np.array([JAILBREAK.index(row.jailbreak) for _, row in numbered if row.jailbreak])
    features = np.stack([views[number] for number, _ in numbered]).astype(np.float32)
    model = LogisticRegression(C=STRENGTH / len(numbered), max_iter=1000)
    model.fit(features, wanted, sample_weight=importance([row for _, row in numbered], wanted))
    return model.coef_[0].astype(np.float32), float(model.intercept_[0])


def _quantised(trunk: BertModel, tokenizer: Tokenizer, texts: Sequence[str], seed: int) -> ov.CompiledModel:
    """In int8: what our trunk learns of it is much further from it than this is from float32."""
    chance = np.random.default_rng(seed)
    starts = chance.integers(0, max(1, len(texts) - 4), CALIBRATION_BATCHES)
    ranges = [encode(tokenizer, texts[start : start + 4], TOKENS) for start in starts]
    graph = export.quantise(export.convert(Lower(trunk), ("view",)), ranges)
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    return ov.Core().compile_model(graph, "CPU", settings)


def _digest(work: Path) -> str:
    return hashlib.sha256((work / "train.jsonl").read_bytes()).hexdigest()
