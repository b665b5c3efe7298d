"""From the graph's raw outputs to what is kept of each window: compact, calibrated, memoisable.

Values of one window only; `spans` and `encoder` put the windows of a request together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsr.encoder.backend import Floats, HeadOutputs
from vsr.encoder.manifest import Heads

Halves = NDArray[np.float16]
OBJECT_BYTES = 900
"""What Python itself spends on a WindowReading with its five arrays and its place in the memo."""
ARRAY_BYTES = 120
"""What it spends on each array more."""


@dataclass(frozen=True, slots=True)
class TokenTypes:
    """Per content token: the likeliest entity type (index), its probability P(B-) + P(I-), and whether
    beginning a span is likelier than continuing one."""

    types: NDArray[np.uint8]
    probabilities: Floats | Halves
    begins: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.types)

    def part(self, start: int, end: int) -> TokenTypes:
        return TokenTypes(self.types[start:end], self.probabilities[start:end], self.begins[start:end])


@dataclass(frozen=True, slots=True)
class WindowReading:
    """Everything the heads said about one window. domain: logits; risk: P(jailbreak); asks: logits of the
    further heads about the ask, in the order of `Heads.asks`."""

    domain: Floats
    risk: float
    pii: TokenTypes
    embedding: Halves
    asks: tuple[Floats, ...] = ()

    @property
    def nbytes(self) -> int:
        of_asks = sum(ARRAY_BYTES + logits.nbytes for logits in self.asks)
        return OBJECT_BYTES + self.domain.nbytes + self.embedding.nbytes + 6 * len(self.pii) + of_asks


class HeadReader:
    """Applies the calibration of a bundle's heads."""

    def __init__(self, heads: Heads) -> None:
        self._domain_temperature = heads.domain.temperature
        self._jailbreak_temperature = heads.jailbreak.temperature
        self._positive = heads.jailbreak.labels.index(heads.jailbreak.positive)
        self._pii_temperature = heads.pii.temperature
        self._asks = heads.asks

    def read(self, outputs: HeadOutputs, lengths: Sequence[int]) -> list[WindowReading]:
        """One reading per row; `lengths` are the rows' content tokens. Raises FloatingPointError for numbers
        that are none: a risk of that kind is over no threshold, and would pass for harmless."""
        asks = [outputs.asks[name] for name in self._asks]
        told = (outputs.domain, outputs.jailbreak, outputs.probabilities, outputs.embedding, *asks)
        # a sum is finite only if all are
        if not all(np.isfinite(values.sum()) for values in told):
            raise FloatingPointError("a head's outputs are not finite")
        return [
            WindowReading(
                # copies, since what is given belongs to the backend
                domain=outputs.domain[row].copy(),
                risk=self._risk(outputs.jailbreak[row]),
                pii=TokenTypes(
                    outputs.types[row, 1 : length + 1].copy(),
                    outputs.probabilities[row, 1 : length + 1].copy(),
                    outputs.begins[row, 1 : length + 1].copy(),
                ),
                embedding=outputs.embedding[row].astype(np.float16),
                asks=tuple(logits[row].copy() for logits in asks),
            )
            for row, length in enumerate(lengths)
        ]

    def _risk(self, logits: Floats) -> float:
        return shares(logits.tolist(), self._jailbreak_temperature)[self._positive]

    def domains(self, outputs: HeadOutputs) -> Floats:
        """Probabilities of the classes per row."""
        return softmax(outputs.domain, self._domain_temperature)

    def risks(self, outputs: HeadOutputs) -> Floats:
        """P(jailbreak) per row."""
        return softmax(outputs.jailbreak, self._jailbreak_temperature)[:, self._positive]

    def asks(self, outputs: HeadOutputs) -> dict[str, Floats]:
        """Probabilities of the labels per row, by further head about the ask."""
        return {name: softmax(outputs.asks[name], head.temperature) for name, head in self._asks.items()}

    def tags(self, outputs: HeadOutputs) -> Floats:
        """Probabilities of the BIO tags, shaped like the logits."""
        return softmax(outputs.pii, self._pii_temperature)


def shares(logits: Sequence[float], temperature: float) -> list[float]:
    """Softmax of a few logits, in plain Python: right after a pass of the graph numpy's code is out of
    the processor's caches, and fetching it costs more than the arithmetic."""
    highest = max(logits)
    powers = [math.exp((logit - highest) / temperature) for logit in logits]
    total = sum(powers)
    return [power / total for power in powers]


def softmax(logits: Floats, temperature: float) -> Floats:
    """Over the last axis."""
    scaled = logits / np.float32(temperature)
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    result: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return result
