"""How well the int8 graph agrees with the fp32 one, head by head, and the texts that set its ranges."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from vsr.errors import EvaluationError
from vsr.training.bundle import Output, softmax
from vsr.training.engine import ASKS, Arrays, Engine, encode
from vsr.training.labels import DOMAINS, FACT_CHECK, FEEDBACK, JAILBREAK
from vsr.training.rows import Row

RANGE_TEXTS = 300
COMPARED_TEXTS = 600
TOKENS = 126
LABELS = {"domain": DOMAINS, "jailbreak": JAILBREAK, "fact_check": FACT_CHECK, "feedback": FEEDBACK}
LEAST_SAME = 0.9
"""Of the labels of each head, and of tags: less is no rounding but a graph that came out wrong."""
LEAST_COSINE = 0.98


def calibration_batches(tokenizer: Tokenizer, texts: Sequence[str], seed: int) -> list[Arrays]:
    chosen = random.Random(seed).sample(list(texts), min(RANGE_TEXTS, len(texts)))
    return [encode(tokenizer, [text], TOKENS) for text in chosen]


def agreement(fp32: Path, int8: Path, rows: Sequence[Row], seed: int) -> dict[str, float]:
    """Over held-out rows: shares of equal arg-max, mean difference of probability, mean cosine, and the
    accuracy of both graphs where a row has the head's label."""
    chosen = random.Random(seed + 1).sample(list(rows), min(COMPARED_TEXTS, len(rows)))
    texts = [row.text for row in chosen]
    return compared(chosen, Engine(fp32, TOKENS).run(texts), Engine(int8, TOKENS).run(texts))


def compared(rows: Sequence[Row], before: Sequence[Output], after: Sequence[Output]) -> dict[str, float]:
    """What `agreement` tells, from the two graphs' outputs for the rows."""
    pairs = list(zip(before, after, strict=True))
    risks = [abs(softmax(a.jailbreak)[1] - softmax(b.jailbreak)[1]) for a, b in pairs]
    tags = np.concatenate([a.pii.argmax(axis=1) == b.pii.argmax(axis=1) for a, b in pairs])
    told = {
        "jailbreak_probability_difference": float(np.mean(risks)),
        "pii_tags_same": float(tags.mean()),
        "embedding_cosine": float(np.mean([np.dot(a.embedding, b.embedding) for a, b in pairs])),
    }
    for head, labels in LABELS.items():
        chosen = [(_chosen(a, head), _chosen(b, head)) for a, b in pairs]
        told[f"{head}_same"] = float(np.mean([a == b for a, b in chosen]))
        known = [(place, getattr(row, head)) for place, row in enumerate(rows) if getattr(row, head)]
        for number, graph in enumerate(("fp32", "int8")):
            right = [labels[chosen[place][number]] == label for place, label in known]
            if right:
                told[f"{head}_accuracy_{graph}"] = float(np.mean(right))
    return told


def check(agreed: Mapping[str, float]) -> None:
    """Raises EvaluationError if a head of the int8 graph says something else."""
    for name, value in agreed.items():
        least = LEAST_COSINE if name == "embedding_cosine" else LEAST_SAME if name.endswith("_same") else 0.0
        if not value >= least:
            raise EvaluationError(f"the int8 graph is not what it was in fp32: {name} {value:.3f} < {least}")


def _chosen(output: Output, head: str) -> int:
    logits = output.asks[head] if head in ASKS else getattr(output, head)
    return int(logits.argmax())
