"""Vectors from an OpenAI-compatible endpoint: `POST {url}/embeddings`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsr.encoder.remote.answers import unit_vector
from vsr.encoder.remote.http import HTTPService
from vsr.encoder.remote.limits import Nonsense

BATCH = 64
"""Texts in one call."""


class HTTPEmbedder:
    """An `Embedder`. Without a known dimension make it by `start`, which asks the endpoint for one vector.
    shorten: ask the endpoint for vectors of the dimension, which is not every model's own."""

    def __init__(self, service: HTTPService, model: str, dimension: int, *, shorten: bool = False) -> None:
        self._service = service
        self._model = model
        self._dimension = dimension
        self._options = {"dimensions": dimension} if shorten else {}

    @classmethod
    async def start(cls, service: HTTPService, model: str, *, deadline: float | None = None) -> HTTPEmbedder:
        embedder = cls(service, model, 0)
        (vector,) = await embedder.embed(["hello"], deadline=deadline)
        return cls(service, model, len(vector))

    @property
    def name(self) -> str:
        return self._service.name

    @property
    def dimension(self) -> int:
        return self._dimension

    async def embed(self, texts: Sequence[str], *, deadline: float | None) -> list[NDArray[np.float32]]:
        vectors: list[NDArray[np.float32]] = []
        for first in range(0, len(texts), BATCH):
            vectors += await self._part(texts[first : first + BATCH], deadline)
        return vectors

    async def aclose(self) -> None:
        await self._service.aclose()

    async def _part(self, texts: Sequence[str], deadline: float | None) -> list[NDArray[np.float32]]:
        body = {"model": self._model, "input": list(texts), "encoding_format": "float", **self._options}
        return await self._service.post(
            "embeddings", body, lambda answer: self._vectors(answer, len(texts)), deadline
        )

    def _vectors(self, answer: Any, count: int) -> list[NDArray[np.float32]]:
        rows = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Nonsense("its answer has no data")
        found = {row.get("index", place): row.get("embedding") for place, row in enumerate(rows)}
        if set(found) != set(range(count)):
            raise Nonsense(f"its answer does not number {count} texts")
        return [unit_vector(found[index], self._dimension or None) for index in range(count)]
