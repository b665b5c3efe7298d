"""Does the converted graph say what transformers says? Compared on the built-in texts, window by window.

fp32 must agree in every logit within FP32_LOGIT and in every likeliest label; int8 in every probability
within INT8_PROBABILITY and in nine labels of ten; vectors by their cosine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from vsr.encoder.backend import Floats
from vsr.encoder.heads import softmax
from vsr.encoder.imported.graph import ImportedGraph
from vsr.encoder.imported.manifest import Parity, Task
from vsr.encoder.tokens import Ints
from vsr.errors import BundleError

FP32_LOGIT = 0.01
INT8_PROBABILITY = 0.15
FP32_COSINE_LOSS = 0.001
INT8_COSINE_LOSS = 0.03
FP32_AGREEMENT = 1.0
INT8_AGREEMENT = 0.9
TIE = 1e-4
"""Logits closer than this are equally likely."""


def truth(network: nn.Module, graph: ImportedGraph, windows: Sequence[Ints]) -> list[Floats]:
    """What transformers says, one text at a time, so that padding plays no part in it."""
    answers = []
    for window in windows:
        ids = np.concatenate([[graph.tokenizer.cls], window, [graph.tokenizer.sep]]).astype(np.int64)[None]
        with torch.no_grad():
            rows = network(torch.from_numpy(ids), torch.ones(ids.shape, dtype=torch.int64)).numpy()
        answers.append(rows[0] if rows.ndim == 2 else rows[0, 1:-1])
    return answers


def compare(expected: Sequence[Floats], found: Sequence[Floats], task: Task, *, int8: bool) -> Parity:
    """Raises BundleError if they differ by more than is allowed."""
    if task == "embedding":
        # Python's min would lose a NaN that is not the first
        loss = 1.0 - float(np.min([e @ f for e, f in zip(expected, found, strict=True)]))
        allowed = INT8_COSINE_LOSS if int8 else FP32_COSINE_LOSS
        parity = Parity(len(expected), loss, 0.0, 1.0, allowed)
        return _judged(parity, loss, 0.0)
    truth_rows, rows = (np.concatenate([np.atleast_2d(a) for a in side]) for side in (expected, found))
    difference = float(np.abs(truth_rows - rows).max())
    probability = float(np.abs(softmax(truth_rows, 1.0) - softmax(rows, 1.0)).max())
    # the likeliest label of one must be the other's, or as likely there
    chosen = np.take_along_axis(truth_rows, rows.argmax(axis=1)[:, None], axis=1)[:, 0]
    agreement = float((chosen >= truth_rows.max(axis=1) - TIE).mean())
    allowed = INT8_PROBABILITY if int8 else FP32_LOGIT
    parity = Parity(len(expected), difference, probability, agreement, allowed)
    return _judged(parity, probability if int8 else difference, INT8_AGREEMENT if int8 else FP32_AGREEMENT)


def _judged(parity: Parity, off: float, agreement: float) -> Parity:
    # written so that a NaN fails
    if not off <= parity.allowed or not parity.agreement >= agreement:
        raise BundleError(
            f"the converted model differs from transformers by {off:.4f} (allowed {parity.allowed}) and "
            f"agrees on {parity.agreement:.1%} of labels (needed {agreement:.0%}); nothing was written. "
            "An int8 model that fails may pass without --int8"
        )
    return parity
