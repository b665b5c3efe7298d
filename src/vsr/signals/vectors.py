"""Texts as vectors by the bundle's own encoder, in the seat of any other embedder."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from vsr.content import Content
from vsr.encoder.encoder import Encoder
from vsr.facts import Passage, Readings
from vsr.signals.prototypes import Vector

_AT_ONCE: Final = 32
"""Texts handed to the encoder's queue together; its batches are smaller."""


@dataclass(frozen=True, slots=True)
class BundleEmbedder:
    """Equal to any other of the same encoder, since their vectors are."""

    encoder: Encoder

    @property
    def name(self) -> str:
        return "bundle"

    @property
    def dimension(self) -> int:
        return self.encoder.bundle.manifest.heads.embedding.dimension

    async def embed(self, texts: Sequence[str], *, deadline: float | None) -> list[Vector]:
        found: list[Vector] = []
        for start in range(0, len(texts), _AT_ONCE):
            some = texts[start : start + _AT_ONCE]
            readings = await asyncio.gather(*(self._read(text, deadline) for text in some))
            found += [self._vector(reading) for reading in readings]
        return found

    async def _read(self, text: str, deadline: float | None) -> Readings:
        return await self.encoder.read((Passage("user", Content(text), ()),), (0,), deadline=deadline)

    def _vector(self, readings: Readings) -> Vector:
        """Zeros for a text without a token, which is near to nothing."""
        if readings.embedding is None:
            return np.zeros(self.dimension, np.float32)
        return readings.embedding
