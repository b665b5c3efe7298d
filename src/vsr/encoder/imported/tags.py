"""Tags of any tagging scheme as types of entities: BIO, BIOES and BILOU, or a plain label per type."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vsr.encoder.backend import Floats
from vsr.encoder.heads import TokenTypes, softmax

OUTSIDE = "O"
BEGINS, CONTINUES = ("B-", "S-", "U-"), ("I-", "E-", "L-")


class TagReader:
    """Reads logits over `labels`, in their order; `types` are the entity types, in order of appearance."""

    def __init__(self, labels: Sequence[str]) -> None:
        kinds = {_kind(label): None for label in labels if label != OUTSIDE}
        self.types = tuple(kinds)
        self._begin = np.zeros((len(labels), len(kinds)), dtype=np.float32)
        self._inside = np.zeros_like(self._begin)
        for row, label in enumerate(labels):
            if label != OUTSIDE:
                side = self._begin if label.startswith(BEGINS) else self._inside
                side[row, self.types.index(_kind(label))] = 1.0

    def read(self, logits: Floats) -> TokenTypes:
        """(tokens, labels) -> the likeliest type per token."""
        probabilities = softmax(logits, 1.0)
        begin, inside = probabilities @ self._begin, probabilities @ self._inside
        either = begin + inside
        best = either.argmax(axis=1)
        rows = np.arange(len(best))
        return TokenTypes(
            best.astype(np.uint8),
            either[rows, best].astype(np.float16),
            begin[rows, best] > inside[rows, best],
        )


def _kind(label: str) -> str:
    return label[2:] if label.startswith((*BEGINS, *CONTINUES)) else label
