"""Runs a converted graph over texts, as the server would, for calibration and evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from tokenizers import Tokenizer

from vsr.encoder.bundle import WIDE
from vsr.encoder.wide import Wide
from vsr.training.bundle import Output
from vsr.training.labels import DOMAINS

ASKS = ("fact_check", "feedback")
OUTPUTS = ("domain", "jailbreak", "pii", "embedding", *ASKS)
Arrays = dict[str, NDArray[np.int64]]
AT_ONCE = 4096
"""Texts that are tokenised together."""


def encode(tokenizer: Tokenizer, texts: Sequence[str], tokens: int) -> Arrays:
    """One padded batch, cut at `tokens` content tokens."""
    tokenizer.enable_truncation(tokens + 2)
    tokenizer.enable_padding()
    encodings = tokenizer.encode_batch(list(texts))
    return {
        "input_ids": np.array([e.ids for e in encodings], dtype=np.int64),
        "attention_mask": np.array([e.attention_mask for e in encodings], dtype=np.int64),
    }


def by_length(
    tokenizer: Tokenizer, texts: Sequence[str], tokens: int, batch: int
) -> Iterator[tuple[list[int], Arrays]]:
    """Batches of texts that are as long as one another where there are such, and their places in `texts`:
    a graph prepares itself anew for every other shape, and what is padded costs as much as what is read."""
    tokenizer.enable_truncation(tokens + 2)
    tokenizer.no_padding()
    ids: list[NDArray[np.int64]] = []
    for start in range(0, len(texts), AT_ONCE):
        encodings = tokenizer.encode_batch(list(texts[start : start + AT_ONCE]))
        ids += (np.array(encoding.ids, np.int64) for encoding in encodings)
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    for start in range(0, len(order), batch):
        places = order[start : start + batch]
        found = np.zeros((len(places), len(ids[places[-1]])), np.int64)
        mask = np.zeros_like(found)
        for row, place in enumerate(places):
            found[row, : len(ids[place])] = ids[place]
            mask[row, : len(ids[place])] = 1
        yield places, {"input_ids": found, "attention_mask": mask}


class Engine:
    """A graph on this machine's CPU, with the wide part if that is beside it. Long texts are cut at `tokens`
    content tokens."""

    def __init__(self, folder: Path, tokens: int = 510) -> None:
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokens = tokens
        core = ov.Core()
        # f32 beside int8: bf16, the default on some processors, would blur what is measured
        settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 2}
        self._compiled = core.compile_model(folder / "openvino_model.xml", "CPU", settings)
        names = {name for output in self._compiled.outputs for name in output.get_names()}
        self._asks = [name for name in ASKS if name in names]
        wide = folder / WIDE
        self._wide = Wide.load(wide, len(DOMAINS)) if wide.exists() else None

    def run(self, texts: Sequence[str], batch: int = 16) -> list[Output]:
        """One Output per text, in order."""
        results: dict[int, Output] = {}
        for places, arrays in by_length(self.tokenizer, texts, self.tokens, batch):
            results.update(zip(places, self._batch(arrays), strict=True))
        return [results[place] for place in range(len(texts))]

    def _batch(self, arrays: Arrays) -> Iterator[Output]:
        answer = self._compiled(arrays)
        domain, jailbreak, pii, embedding = (np.array(answer[name]) for name in OUTPUTS[:4])
        asks = {name: np.array(answer[name]) for name in self._asks}
        if self._wide:
            of_words, risk = self._wide.logits(arrays["input_ids"], arrays["attention_mask"])
            domain += of_words
            jailbreak[:, 1] += risk
        for i, length in enumerate(arrays["attention_mask"].sum(axis=1)):
            of_text = {name: logits[i] for name, logits in asks.items()}
            yield Output(domain[i], jailbreak[i], pii[i, 1 : length - 1], embedding[i], of_text)
