"""Fits the heads for feedback and jailbreaks anew, to texts that the trunk has not been trained on.

The trunk learns the labels of its own rows by heart, and a head trained beside it learns to tell those
apart. From texts that the finished trunk has never met, a head learns what it makes of such ones. Some of
the trunk's rows stay among them, at a lower weight, and ordinary first questions.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress
from tokenizers import Tokenizer
from torch import Tensor, nn

from vsr.errors import EvaluationError
from vsr.training.checkpoint import load_trained, save
from vsr.training.engine import by_length
from vsr.training.examples import task_of, without_cut_attacks
from vsr.training.labels import FEEDBACK, JAILBREAK
from vsr.training.model import HIDDEN, SMALL_HIDDEN, Network, SequenceHead
from vsr.training.rows import Row, read_rows
from vsr.training.train import adapted_network, merged

REFITTED = "refit.pt"
TOKENS = 126
BATCH = 128
RATE = 1e-3
DECAY = 0.1
SMOOTHING = 0.05


@dataclass(frozen=True, slots=True)
class Head:
    """task: of the rows that the trunk learnt it from. known, ordinary: so many of these and of other rows;
    a row weighs as much beside one that is unseen. scale: of the logits, since the wide part's are added."""

    name: str
    labels: Sequence[str]
    hidden: int
    task: str
    known: int
    known_weight: float
    ordinary: int
    ordinary_weight: float
    epochs: int
    scale: float = 1.0


HEADS = (
    Head(
        "feedback",
        FEEDBACK,
        SMALL_HIDDEN,
        task="feedback",
        known=10_000,
        known_weight=0.5,
        ordinary=3_000,
        ordinary_weight=1.0,
        epochs=12,
    ),
    Head(
        "jailbreak",
        JAILBREAK,
        HIDDEN,
        task="guard",
        known=12_000,
        known_weight=0.25,
        ordinary=1_500,
        ordinary_weight=0.5,
        epochs=8,
        scale=0.75,
    ),
)


def refit(base: Path, work: Path, trained: Path, seed: int, progress: Progress | None = None) -> None:
    """REFITTED in `work`: the heads for the trunk that `trained` holds. Raises EvaluationError if `work` was
    prepared without rows for them."""
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    network = adapted_network(base, tokenizer.get_vocab_size(), seed)
    load_trained(network, trained)
    network = merged(network).eval()
    rows = without_cut_attacks(tokenizer, list(read_rows(work / "train.jsonl")), TOKENS)
    progress = progress or Progress(disable=True)
    state: dict[str, object] = {}
    for head in HEADS:
        chosen = chosen_rows(rows, head, seed)
        features = _features(network, tokenizer, chosen, progress, head.name)
        fitted = fit(features, chosen, head, seed)
        state |= {f"{head.name}.{name}": value for name, value in fitted.state_dict().items()}
    save(state, work / REFITTED)


def chosen_rows(rows: Iterable[Row], head: Head, seed: int) -> list[Row]:
    """All that are unseen, a draw of the known (strata by the root of their size, labels alike) and of
    ordinary ones."""
    unseen: list[Row] = []
    known: list[Row] = []
    ordinary: list[Row] = []
    for row in rows:
        if getattr(row, head.name):
            kind = {"unseen": unseen, head.task: known}.get(task_of(row), ordinary)
            kind.append(row)
    if not unseen:
        raise EvaluationError(
            f"train.jsonl keeps no rows for the {head.name} head: make it with this version's `prepare` stage"
        )
    chance = np.random.default_rng(seed)
    sizes = Counter(row.stratum for row in known)
    shares = np.array([sizes[row.stratum] ** -0.5 for row in known])
    labels = np.array([head.labels.index(getattr(row, head.name)) for row in known], dtype=int)
    shares /= np.bincount(labels, shares)[labels]
    count = min(head.known, len(known))
    drawn = chance.choice(len(known), count, replace=False, p=shares / shares.sum()) if count else ()
    rest = random.Random(seed).sample(ordinary, min(head.ordinary, len(ordinary)))
    return [*unseen, *(known[place] for place in drawn), *rest]


def fit(features: Tensor, rows: Sequence[Row], head: Head, seed: int) -> SequenceHead:
    """The head that tells the rows' labels from features (rows, F)."""
    torch.manual_seed(seed)
    fitted = SequenceHead(features.shape[1], len(head.labels), head.hidden)
    wanted = torch.tensor([head.labels.index(getattr(row, head.name)) for row in rows])
    weight = {"unseen": 1.0, head.task: head.known_weight}
    weights = torch.tensor([weight.get(task_of(row), head.ordinary_weight) for row in rows])
    optimiser = torch.optim.AdamW(fitted.parameters(), lr=RATE, weight_decay=DECAY)
    steps = head.epochs * -(-len(rows) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(head.epochs):
        for part in torch.randperm(len(rows)).split(BATCH):
            losses = nn.functional.cross_entropy(
                fitted(features[part]), wanted[part], reduction="none", label_smoothing=SMOOTHING
            )
            (losses * weights[part]).mean().backward()
            optimiser.step()
            optimiser.zero_grad()
            schedule.step()
    with torch.no_grad():
        fitted.outer.weight *= head.scale
        fitted.outer.bias *= head.scale
    fitted.eval()
    return fitted


def _features(
    network: Network, tokenizer: Tokenizer, rows: Sequence[Row], progress: Progress, head: str
) -> Tensor:
    """(rows, F): what the heads of whole texts read."""
    network.feedback = nn.Identity()  # the last output is then what that head reads
    found: dict[int, Tensor] = {}
    batches = by_length(tokenizer, [row.text for row in rows], TOKENS, BATCH)
    for places, arrays in progress.track(batches, total=-(-len(rows) // BATCH), description=f"refit {head}"):
        ids, mask = (torch.from_numpy(arrays[name]) for name in ("input_ids", "attention_mask"))
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            *_, read = network(ids, mask)
        found.update(zip(places, read.float(), strict=True))
    return torch.stack([found[place] for place in range(len(rows))])
