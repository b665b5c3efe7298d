"""What an inference engine must offer: one pass over a padded batch that answers for every head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class HeadOutputs:
    """Outputs for a batch of b windows of t tokens ([CLS], [SEP] and padding included).

    domain (b, classes), jailbreak (b, labels) and pii (b, t, tags) are logits; embedding (b, dim) is
    made of unit vectors. Of each token (b, t): types, the likeliest entity type (its index);
    probabilities, the calibrated P(B-) + P(I-) of that type; begins, whether beginning a span is at
    least as likely as continuing one. asks: logits (b, labels) by name of each further head about the ask.
    """

    domain: Floats
    jailbreak: Floats
    pii: Floats
    types: NDArray[np.uint8]
    probabilities: Floats
    begins: NDArray[np.bool_]
    embedding: Floats
    asks: Mapping[str, Floats] = field(default_factory=dict)


class Backend(Protocol):
    """Computes on one or more lanes side by side; each is called from one thread at a time."""

    @property
    def lanes(self) -> int:
        """Lane 0 takes batches of any size, with all cores; the others full ones only, with their share."""
        ...

    def sizes(self, width: int) -> Sequence[int]:
        """How many windows of up to this width it takes in one call, ascending from 1."""
        ...

    def infer(self, ids: Ids, mask: Ids, lane: int = 0) -> HeadOutputs:
        """`ids` and `mask` have shape (b, t), with b one of `sizes`; the mask is 0 over padding. The arrays
        returned belong to the backend and hold until the lane's next call; they may be padded to more
        tokens."""
        ...

    def warm_up(self, rows: int, width: int) -> None:
        """Lets the engine prepare itself for batches of this shape."""
        ...
