"""Features of many prompts by the server's own encoder, kept in a cache: reading is the slow part."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vsr.content import Content
from vsr.encoder.bundle import Bundle, load_bundle
from vsr.encoder.encoder import Encoder
from vsr.facts import Leaf, Passage, Readings
from vsr.selection.learned.predict import feature_row
from vsr.selection.surface import features
from vsr.training.outcomes import Row
from vsr.training.replacing import replacing

logger = logging.getLogger(__name__)

AT_ONCE: Final = 64
QUEUE_TOKENS: Final = 50_000_000
"""Nobody else waits here, so long texts may queue."""
SECONDS: Final = 600.0

Progress = Callable[[int, int], None]
"""Called with how many of how many are read."""


@dataclass(frozen=True, slots=True)
class Features:
    """rows: shape (prompts, dimension + domains + surface). tokens: of each prompt."""

    rows: NDArray[np.float32]
    tokens: NDArray[np.int64]
    dimension: int
    domains: tuple[str, ...]
    bundle: str

    def __getitem__(self, chosen: NDArray[np.bool_]) -> Features:
        """Those of some prompts."""
        return replace(self, rows=self.rows[chosen], tokens=self.tokens[chosen])


def cache_directory() -> Path:
    """A folder of the user's."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vsr" / "selection"


def read_features(
    rows: Sequence[Row], bundle: Path, cache: Path, progress: Progress = lambda done, total: None
) -> Features:
    """Raises BundleError. The cache is keyed by bundle and texts; it holds what the encoder read, no text."""
    loaded = load_bundle(bundle)
    domains = tuple(loaded.manifest.heads.domain.labels)
    digest = hashlib.sha256(repr((loaded.digest, domains)).encode())
    for row in rows:
        digest.update(hashlib.sha256(row.prompt.encode("utf-8", "surrogatepass")).digest())
    file = cache / f"{digest.hexdigest()[:32]}.npz"
    if file.exists():
        with np.load(file, allow_pickle=False) as stored:
            read, tokens = stored["read"], stored["tokens"]
    else:
        readings = asyncio.run(_read(loaded, rows, progress))
        read = np.array([_features(one, domains) for one in readings])
        tokens = np.array([one.coverage.tokens for one in readings], np.int64)
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with replacing(file) as part:
                np.savez(part, read=read, tokens=tokens)
        except OSError as error:
            logger.warning("what the encoder read is not kept: %s", error)
    surface = np.array([features(row.prompt) for row in rows], np.float32)
    table = np.hstack([read, surface])
    return Features(table, tokens, loaded.manifest.heads.embedding.dimension, domains, loaded.digest)


def _features(readings: Readings, domains: tuple[str, ...]) -> NDArray[np.float32]:
    assert readings.embedding is not None, "every row has a prompt"
    return feature_row(readings.embedding, readings.domain, domains, ())


async def _read(bundle: Bundle, rows: Sequence[Row], progress: Progress) -> list[Readings]:
    encoder = await Encoder.start(bundle, queue_tokens=QUEUE_TOKENS)
    try:
        readings: list[Readings] = []
        for start in range(0, len(rows), AT_ONCE):
            part = rows[start : start + AT_ONCE]
            readings += await asyncio.gather(*(_one(encoder, row.prompt) for row in part))
            progress(len(readings), len(rows))
        return readings
    finally:
        await encoder.aclose()


async def _one(encoder: Encoder, text: str) -> Readings:
    passage = Passage("user", Content(text), (Leaf(0, len(text), ("text",)),))
    return await encoder.read([passage], [0], deadline=asyncio.get_running_loop().time() + SECONDS)
