"""What an inference engine must offer: one pass over a padded batch that answers for every head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class HeadOutputs:
    """Raw outputs for a batch of b windows of t tokens ([CLS], [SEP] and padding included).

    domain (b, classes), jailbreak (b, labels) and pii (b, t, tags) are logits; embedding (b, dim) is
    made of unit vectors. asks: logits (b, labels) by name of each further head about the ask.
    """

    domain: Floats
    jailbreak: Floats
    pii: Floats
    embedding: Floats
    asks: Mapping[str, Floats] = field(default_factory=dict)


class Backend(Protocol):
    """Called from one thread at a time."""

    def infer(self, ids: Ids, mask: Ids) -> HeadOutputs:
        """`ids` and `mask` have shape (b, t); the mask is 0 over padding. The arrays returned belong to the
        backend and hold until the next call."""
        ...

    def warm_up(self, rows: int, width: int) -> None:
        """Lets the engine prepare itself for batches of this shape."""
        ...
