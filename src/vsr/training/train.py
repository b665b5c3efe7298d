"""Fine-tuning: LoRA on all linear layers of the trunk, new embeddings and heads in full.

Three stages, one loop. `align` teaches the new characters from the dictionary and generated pairs;
`joint` trains all heads on batches that mix the tasks; `finish` goes on at a lower rate with half of its
texts from PII; a stage that was cut off goes on from its last checkpoint. Losses per text: cross entropy for
domain, jailbreak, fact check and feedback; for PII the probability of all tags that a partly annotated token
may carry; for the embedding the cosine distance to the anchor plus a contrast over the batch.
"""

from __future__ import annotations

import ctypes
import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from peft import LoraConfig, PeftModel, get_peft_model
from rich.progress import Progress
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from vsr.errors import EvaluationError
from vsr.training.checkpoint import go_on_after, keep_trained, origin_of, resume, save, snapshot
from vsr.training.examples import NOTHING, Example, batches, draw, examples
from vsr.training.labels import TAGS
from vsr.training.model import Network, Outputs, base_network
from vsr.training.rows import read_rows
from vsr.training.teach import read_anchors

logger = logging.getLogger(__name__)

BASE_VOCABULARY = 30522
RANK = 32
LORA_MODULES = (
    "query",
    "key",
    "value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
)
GUARD_WEIGHT_OF_OTHER_TASKS = 0.1
"""Questions and requests are benign too, but drawn so often that they would drown the guard's own."""
FEEDBACK_WEIGHT_OF_OTHER_TASKS = 0.1
"""Ordinary prompts are no feedback, and a hundred times as many."""
ASKS_WEIGHT = 0.5
EMBEDDING_WEIGHT = 8.0
"""At half of it the trunk leaves the base's space so far that medical questions are told apart less well."""
CHECKPOINT_STEPS = 500

GLIBC_KEEPS = ((-4, 0), (-1, 2**31 - 1), (-2, 2**28))
"""mallopt(3): M_MMAP_MAX none, M_TRIM_THRESHOLD 2 GiB, M_TOP_PAD 256 MiB."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One pass over the data. budget: texts per task. Rates: of adapters and heads, of new embeddings."""

    name: str
    budget: Mapping[str, int]
    rate: float
    embedding_rate: float
    tokens: int = 4096
    texts: int = 96

    @property
    def checkpoints(self) -> tuple[str, str]:
        """The names of its state amid the stage, and of what it leaves."""
        return f"{self.name}.part.pt", f"{self.name}.pt"


STAGES = (
    Stage(
        "align",
        {"dictionary": 115_000, "generated": 20_000, "natural": 10_000},
        rate=8e-4,
        embedding_rate=6e-3,
        texts=192,
    ),
    Stage(
        "joint",
        {
            "dictionary": 8_000,
            "generated": 34_000,
            "natural": 41_000,
            "request": 8_000,
            "exam": 75_000,
            "guard": 50_000,
            "pii": 44_000,
            "asks": 4_000,
            "feedback": 8_000,
        },
        rate=1e-3,
        embedding_rate=1e-3,
    ),
    Stage(
        "finish",
        {
            "dictionary": 500,
            "generated": 2_500,
            "natural": 3_000,
            "request": 600,
            "exam": 7_000,
            "guard": 4_500,
            "pii": 20_000,
            "asks": 300,
            "feedback": 800,
        },
        rate=4e-4,
        embedding_rate=4e-4,
    ),
)


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded tensors; (B, T) but labels and weights (B,), free (B, tags) and anchors (B, H)."""

    ids: Tensor
    mask: Tensor
    domain: Tensor
    jailbreak: Tensor
    guard_weight: Tensor
    fact_check: Tensor
    feedback: Tensor
    feedback_weight: Tensor
    tags: Tensor
    free: Tensor
    anchored: Tensor
    anchors: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(**{part.name: getattr(self, part.name).to(device) for part in fields(self)})


def train(
    base: Path,
    work: Path,
    seed: int,
    stages: Sequence[Stage] = STAGES,
    rank: int = RANK,
    progress: Progress | None = None,
) -> None:
    """Runs the stages that have no checkpoint yet, on a CUDA device if there is one; each leaves its name
    with `.pt` in `work`. What went on from a stage that is run again is thrown away."""
    keep_freed_memory()
    torch.manual_seed(seed)
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    on_gpu = torch.cuda.is_available()
    # plain attention on a CPU: the backward pass of the fused one is slower there for short texts
    attention = "sdpa" if on_gpu else "eager"
    network = adapted_network(base, tokenizer.get_vocab_size(), seed, rank, attention)
    network.to("cuda" if on_gpu else "cpu")
    rows = list(read_rows(work / "train.jsonl"))
    index, anchors = read_anchors(work)
    made = examples(tokenizer, rows, index, seed)
    origin = origin_of(work, seed)
    for number, stage in enumerate(stages):
        partial, checkpoint = (work / name for name in stage.checkpoints)
        if checkpoint.exists():
            go_on_after(network, checkpoint)
            continue
        for name in (name for later in stages[number + 1 :] for name in later.checkpoints):
            (work / name).unlink(missing_ok=True)
        drawn = draw(made, rows, stage.budget, seed + number)
        order = batches(made, drawn, stage.tokens, stage.texts, seed + number)
        run_stage(network, made, order, anchors, stage, partial, origin, progress or Progress(disable=True))
        keep_trained(network, checkpoint)
        partial.unlink(missing_ok=True)


def keep_freed_memory() -> bool:
    """Tells glibc to keep what is freed, and says whether it does; where there is no glibc, nothing happens.

    A step frees and asks again for a gigabyte; by default the system takes large pieces back and clears every
    page when it is touched anew, a tenth of the step.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(mallopt(what, value) for what, value in GLIBC_KEEPS)


def adapted_network(
    base: Path,
    vocabulary: int,
    seed: int,
    rank: int = RANK,
    attention: str = "sdpa",
    layers: int | None = None,
    upper: int | None = None,
) -> Network:
    """The base, or its first `layers` layers, with adapters in all of them or in the last `upper`; only
    adapters, new embedding rows and heads learn."""
    network = base_network(base, vocabulary, seed, attention, layers)
    depth = network.trunk.config.num_hidden_layers
    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        target_modules=list(LORA_MODULES),
        layers_to_transform=None if upper is None else list(range(depth - upper, depth)),
        layers_pattern=None if upper is None else "layer",
        trainable_token_indices={"word_embeddings": list(range(BASE_VOCABULARY, vocabulary))},
    )
    network.trunk = get_peft_model(network.trunk, config)
    return network


def merged(network: Network, adapter: Path | None = None) -> Network:
    """The network with its adapters folded into the trunk; the adapter is saved to `adapter` first."""
    trunk = network.trunk
    assert isinstance(trunk, PeftModel)
    if adapter is not None:
        trunk.save_pretrained(str(adapter), save_embedding_layers=False)
    network.trunk = trunk.merge_and_unload()
    return network


def run_stage(
    network: Network,
    made: Sequence[Example],
    order: Sequence[Sequence[int]],
    anchors: NDArray[np.float16],
    stage: Stage,
    partial: Path,
    origin: str,
    progress: Progress,
) -> None:
    """One pass over `order`, the batches of one stage; its state amid the stage is kept in `partial`, which
    is gone on from if it is of the same `origin`. Raises EvaluationError if a loss is not finite."""
    embeddings, rest = _learning(network)
    groups = [{"params": rest, "lr": stage.rate}, {"params": embeddings, "lr": stage.embedding_rate}]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _shape(step, len(order)))
    network.train()
    device = rest[0].device
    done = resume(partial, network, optimiser, schedule, len(order), origin)
    bar = progress.add_task(stage.name, total=len(order), completed=done)
    started, running = time.monotonic(), np.zeros(6)
    for step, indices in enumerate(order[done:], start=done + 1):
        batch = collate([made[i] for i in indices], anchors).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            outputs = network(batch.ids, batch.mask)
        losses = task_losses(outputs, batch)
        torch.stack(losses).sum().backward()
        norm = nn.utils.clip_grad_norm_([*rest, *embeddings], 1.0)
        if not math.isfinite(norm.item()):
            raise EvaluationError(
                f"{stage.name}: a gradient is not finite at step {step} of {len(order)}: {partial.name} "
                "holds what was learnt before. Take an empty --work and another --seed, or a lower rate."
            )
        optimiser.step()
        optimiser.zero_grad()
        schedule.step()
        # a batch without a single row of a task has no loss of it
        running = 0.98 * running + 0.02 * np.nan_to_num([loss.item() for loss in losses])
        progress.advance(bar)
        if step % CHECKPOINT_STEPS == 0:
            save(snapshot(network, optimiser, schedule, step, len(order), origin), partial)
        if step % 100 == 0:
            pace = (time.monotonic() - started) / (step - done)
            logger.info(
                "%s %d/%d %.2f s/step losses %s", stage.name, step, len(order), pace, running.round(3)
            )


def _learning(network: Network) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The parameters that learn: new embedding rows, and all others."""
    embeddings: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            (embeddings if "word_embeddings" in name else rest).append(parameter)
    return embeddings, rest


def _shape(step: int, steps: int) -> float:
    """A short warm-up, then a cosine to zero."""
    warm = max(1, steps // 20)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def collate(part: Sequence[Example], anchors: NDArray[np.float16]) -> Batch:
    longest = max(len(e.ids) for e in part)
    ids = np.zeros((len(part), longest), np.int64)
    tags = np.full((len(part), longest), NOTHING, np.int64)
    free = np.zeros((len(part), len(TAGS)), bool)
    for row, example in enumerate(part):
        ids[row, : len(example.ids)] = example.ids
        if example.tags is not None and example.free is not None:
            tags[row, : len(example.tags)] = example.tags
            free[row] = example.free
    anchored = np.array([e.anchor for e in part])
    return Batch(
        ids=torch.from_numpy(ids),
        mask=torch.from_numpy((ids != 0).astype(np.int64)),
        domain=torch.tensor([e.domain for e in part]),
        jailbreak=torch.tensor([e.jailbreak for e in part]),
        guard_weight=torch.tensor([1.0 if e.task == "guard" else GUARD_WEIGHT_OF_OTHER_TASKS for e in part]),
        fact_check=torch.tensor([e.fact_check for e in part]),
        feedback=torch.tensor([e.feedback for e in part]),
        feedback_weight=torch.tensor(
            [1.0 if e.task in ("feedback", "asks") else FEEDBACK_WEIGHT_OF_OTHER_TASKS for e in part]
        ),
        tags=torch.from_numpy(tags),
        free=torch.from_numpy(free),
        anchored=torch.from_numpy(anchored >= 0),
        anchors=torch.from_numpy(anchors[np.maximum(anchored, 0)].astype(np.float32)),
    )


def task_losses(outputs: Outputs, batch: Batch) -> tuple[Tensor, ...]:
    """Domain, jailbreak, PII, embedding, fact-check and feedback loss, each summed over its texts and
    divided by all."""
    domain, jailbreak, pii, embedding, facts, feedback = (output.float() for output in outputs)
    texts = len(batch.ids)
    of_domain = functional.cross_entropy(
        domain, batch.domain, ignore_index=NOTHING, label_smoothing=0.05, reduction="sum"
    )
    each = functional.cross_entropy(jailbreak, batch.jailbreak, ignore_index=NOTHING, reduction="none")
    of_jailbreak = (each * batch.guard_weight).sum()
    of_facts = functional.cross_entropy(facts, batch.fact_check, ignore_index=NOTHING, reduction="sum")
    each = functional.cross_entropy(feedback, batch.feedback, ignore_index=NOTHING, reduction="none")
    of_feedback = (each * batch.feedback_weight).sum()
    return (
        of_domain / texts,
        of_jailbreak / texts,
        2.0 * pii_loss(pii, batch) / texts,
        embedding_loss(embedding, batch) / texts,
        ASKS_WEIGHT * of_facts / texts,
        ASKS_WEIGHT * of_feedback / texts,
    )


def pii_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Mean over the marked tokens of a batch, times the number of texts that have any."""
    marked = batch.tags != NOTHING
    count = marked.sum()
    if not count:
        return logits.sum() * 0.0
    rows = marked.nonzero()[:, 0]
    tags = batch.tags[marked]
    allowed = functional.one_hot(tags, len(TAGS)).bool() | ((tags == 0)[:, None] & batch.free[rows])
    logs = functional.log_softmax(logits[marked], dim=-1)
    each = -logs.masked_fill(~allowed, -1e4).logsumexp(dim=-1)
    return each.sum() / count * marked.any(dim=1).sum()


def embedding_loss(embedding: Tensor, batch: Batch) -> Tensor:
    """EMBEDDING_WEIGHT times the cosine distance to the anchor and a fortieth of a softmax over the batch's
    anchors."""
    if not batch.anchored.any():
        return embedding.sum() * 0.0
    mine, theirs = embedding[batch.anchored], batch.anchors[batch.anchored]
    distance = (1.0 - (mine * theirs).sum(dim=1)).sum()
    contrast = functional.cross_entropy(
        mine @ theirs.T / 0.05, torch.arange(len(mine), device=mine.device), reduction="sum"
    )
    return EMBEDDING_WEIGHT * (distance + contrast / 40)
