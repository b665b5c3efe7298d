"""How well the int8 graph agrees with the fp32 one, head by head, and the texts that set its ranges."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from vsr.training.bundle import softmax
from vsr.training.engine import Arrays, Engine, encode

RANGE_TEXTS = 300
COMPARED_TEXTS = 600
TOKENS = 126


def calibration_batches(tokenizer: Tokenizer, texts: Sequence[str], seed: int) -> list[Arrays]:
    chosen = random.Random(seed).sample(list(texts), min(RANGE_TEXTS, len(texts)))
    return [encode(tokenizer, [text], TOKENS) for text in chosen]


def agreement(fp32: Path, int8: Path, texts: Sequence[str], seed: int) -> dict[str, float]:
    """Shares of equal arg-max, mean difference of probability, mean cosine; over held-out texts."""
    chosen = random.Random(seed + 1).sample(list(texts), min(COMPARED_TEXTS, len(texts)))
    before, after = Engine(fp32, TOKENS).run(chosen), Engine(int8, TOKENS).run(chosen)
    pairs = list(zip(before, after, strict=True))
    risks = [abs(softmax(a.jailbreak)[1] - softmax(b.jailbreak)[1]) for a, b in pairs]
    tags = np.concatenate([a.pii.argmax(axis=1) == b.pii.argmax(axis=1) for a, b in pairs])
    asks = {
        f"{name}_same": float(np.mean([a.asks[name].argmax() == b.asks[name].argmax() for a, b in pairs]))
        for name in before[0].asks
    }
    return {
        **asks,
        "domain_same": float(np.mean([a.domain.argmax() == b.domain.argmax() for a, b in pairs])),
        "jailbreak_same": float(np.mean([a.jailbreak.argmax() == b.jailbreak.argmax() for a, b in pairs])),
        "jailbreak_probability_difference": float(np.mean(risks)),
        "pii_tags_same": float(tags.mean()),
        "embedding_cosine": float(np.mean([np.dot(a.embedding, b.embedding) for a, b in pairs])),
    }
