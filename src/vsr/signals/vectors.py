"""Texts as vectors by the bundle's own encoder, in the seat of any other embedder; and what is kept."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from vsr.content import Content
from vsr.encoder.classifiers import Embedder
from vsr.encoder.encoder import Encoder
from vsr.errors import VSRError
from vsr.facts import Passage, Readings
from vsr.signals.prototypes import Vector

_AT_ONCE: Final = 32
"""Texts handed to the encoder's queue, or to a server, together."""
_KEPT: Final = 2_048


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


class KeptVectors:
    """The latest vectors, by a digest of their text. A conversation asks for the same ones at every turn, and
    a server may be paid by the token."""

    def __init__(self) -> None:
        self._vectors: OrderedDict[bytes, Vector] = OrderedDict()

    async def embed(
        self, embedder: Embedder, texts: Sequence[str], deadline: float | None
    ) -> tuple[dict[str, Vector], str]:
        """Vectors by text, and why the rest could not be made."""
        keys = {text: hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts}
        found = {text: self._vectors[key] for text, key in keys.items() if key in self._vectors}
        missing = [text for text in keys if text not in found]
        error = ""
        for start in range(0, len(missing), _AT_ONCE):
            some = missing[start : start + _AT_ONCE]
            try:
                found |= zip(some, await embedder.embed(some, deadline=deadline), strict=True)
            except VSRError as failure:
                error = type(failure).__name__
                break
        for text, vector in found.items():
            self._vectors[keys[text]] = vector
            self._vectors.move_to_end(keys[text])
        while len(self._vectors) > _KEPT:
            self._vectors.popitem(last=False)
        return found, error
