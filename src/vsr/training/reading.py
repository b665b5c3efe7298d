"""Reads texts with the server's own encoder, so that what is measured is what is served."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from vsr.content import Content
from vsr.encoder.bundle import load_bundle
from vsr.encoder.encoder import Encoder
from vsr.facts import Leaf, Passage, Readings, Role

AT_ONCE = 64
QUEUE_TOKENS = 50_000_000
"""Nobody else waits here, so long texts may queue."""


def read_texts(bundle: Path, texts: Sequence[str], role: Role = "user") -> list[Readings]:
    """One Readings per text, each text a request of one passage."""
    return asyncio.run(_read(bundle, texts, role))


async def _read(bundle: Path, texts: Sequence[str], role: Role) -> list[Readings]:
    encoder = await Encoder.start(load_bundle(bundle), queue_tokens=QUEUE_TOKENS)
    try:
        readings: list[Readings] = []
        for start in range(0, len(texts), AT_ONCE):
            part = texts[start : start + AT_ONCE]
            readings += await asyncio.gather(*(_one(encoder, text, role) for text in part))
        return readings
    finally:
        await encoder.aclose()


async def _one(encoder: Encoder, text: str, role: Role) -> Readings:
    passage = Passage(role, Content(text), (Leaf(0, len(text), ("text",)),))
    return await encoder.read([passage], [0], deadline=asyncio.get_running_loop().time() + 600)
