"""What a signal may ask of a model that is not a head of the bundle: labels, vectors or spans.

Imported models (`imported`) and remote services (`remote`, `mcp`) sit in these seats alike. Each needs
a pass or a call of its own, so callers ask only while a rule can still use the answer.

Every call reads all texts or raises: EncoderTimeout (the deadline passed, or the service's own limit),
EncoderFailed (it broke, answered nonsense, or is left alone after repeated failures) or Overloaded
(its queue is full). No message of these holds anything of a text. `deadline` is in seconds of the
event loop's clock; None means the model's own limit, never none at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vsr.encoder.spans import Span


class TextClassifier(Protocol):
    """Labels whole texts. `labels` are known before the first call; every answer names all of them,
    with probabilities that sum to one."""

    @property
    def name(self) -> str: ...

    @property
    def labels(self) -> tuple[str, ...]: ...

    async def classify(
        self, texts: Sequence[str], *, deadline: float | None
    ) -> list[Mapping[str, float]]: ...


class Embedder(Protocol):
    """Places texts in a space: unit vectors of `dimension` floats, whose dot product is the cosine. A text
    without anything that can be read may have zeros."""

    @property
    def name(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    async def embed(self, texts: Sequence[str], *, deadline: float | None) -> list[NDArray[np.float32]]: ...


class SpanFinder(Protocol):
    """Finds entities: per text, spans in characters, in order, of one of `types`."""

    @property
    def name(self) -> str: ...

    @property
    def types(self) -> tuple[str, ...]: ...

    async def find(self, texts: Sequence[str], *, deadline: float | None) -> list[list[Span]]: ...
