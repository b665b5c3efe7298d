"""Rules from a piece of configuration, and the signals of one request under them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.config.documents import policy
from vsr.chat.request import parse_chat_request
from vsr.config.policy import Policy
from vsr.facts import Readings, Signal
from vsr.signals.authz import NOBODY, Caller
from vsr.signals.engine import SignalEngine, SignalMap
from vsr.signals.evidence import Evidence, evidence_of
from vsr.signals.seats import Seats

Vector = NDArray[np.float32]


def rules(signals: str, more: str = "") -> Policy:
    return policy(f"routing: {{signals: {signals}}}\n{more}")


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def evidence(
    messages: str | Sequence[Mapping[str, Any]],
    *,
    readings: Readings | None = None,
    caller: Caller = NOBODY,
    **fields: Any,
) -> Evidence:
    given = [user(messages)] if isinstance(messages, str) else list(messages)
    request = parse_chat_request({"model": "auto", "messages": given, **fields})
    return evidence_of(request, readings or Readings(), "", (), {}, caller, None)


def signals(policy: Policy, messages: str | Sequence[Mapping[str, Any]], **more: Any) -> SignalMap:
    """Without a model: what the encoder would say is `readings`."""
    seen = evidence(messages, **more)
    return asyncio.run(SignalEngine(policy).compute(policy, seen, everything=True))


def matched(policy: Policy, messages: str | Sequence[Mapping[str, Any]], **more: Any) -> set[str]:
    return {signal.name for signal in signals(policy, messages, **more).values() if signal.matched}


def only(policy: Policy, messages: str | Sequence[Mapping[str, Any]], **more: Any) -> Signal:
    (signal,) = signals(policy, messages, **more).values()
    return signal


class TopicEmbedder:
    """Texts are near if they share words; the vector of a text is the sum of those of its words."""

    name = "topics"
    dimension = 256

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.asked: list[str] = []

    async def embed(self, texts: Sequence[str], *, deadline: float | None) -> list[Vector]:
        if self.error is not None:
            raise self.error
        self.asked += texts
        return [vector(text) for text in texts]


def vector(text: str) -> Vector:
    made = np.zeros(TopicEmbedder.dimension, np.float32)
    for word in text.split():
        seed = int.from_bytes(hashlib.sha256(word.encode("utf-8", "surrogatepass")).digest()[:4], "big")
        made += np.random.default_rng(seed).standard_normal(TopicEmbedder.dimension).astype(np.float32)
    unit: Vector = made / max(float(np.linalg.norm(made)), 1e-9)
    return unit


async def by_vectors(
    policy: Policy, messages: str | Sequence[Mapping[str, Any]], *, seats: Seats | None = None, **more: Any
) -> SignalMap:
    """With the examples loaded, by vectors that the words give."""
    embedder = TopicEmbedder()
    engine = await SignalEngine.start(policy, None, replace(seats or Seats(), embedder=embedder))  # type: ignore[arg-type] # not asked
    return await engine.compute(policy, evidence(messages, **more), everything=True)
