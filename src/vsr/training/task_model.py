"""A base with a head for one task and LoRA on all its linear layers; batches of it and their loss.

Shapes: B texts, T tokens, L labels, H hidden. The architecture is whatever transformers loads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, TaskType, get_peft_model
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from vsr.models.network import readable
from vsr.training.task_data import Span, TaskExample, TaskName

CLASSES = {
    "domain": (AutoModelForSequenceClassification, TaskType.SEQ_CLS),
    "jailbreak": (AutoModelForSequenceClassification, TaskType.SEQ_CLS),
    "pii": (AutoModelForTokenClassification, TaskType.TOKEN_CLS),
    "embedding": (AutoModel, TaskType.FEATURE_EXTRACTION),
}
NOTHING = -100
"""The tag of special tokens and padding, which the loss passes over."""
CONTRAST = 0.05
"""Temperature of the softmax over a batch's positives."""
HEADS = ("classifier", "score")
"""Modules that are the task's own even if the base has them."""


def adapted(base: Path, task: TaskName, labels: Sequence[str], rank: int, dropout: float = 0.05) -> Any:
    """The base in float32 with adapters; only these, the head and what else the base lacks weights for learn.
    All of these are saved with the adapter, or it could not be put on the base again."""
    made, kind = CLASSES[task]
    named = {"id2label": dict(enumerate(labels)), "label2id": {label: n for n, label in enumerate(labels)}}
    # whatever the base was for
    chosen = {"num_labels": len(labels), "problem_type": "single_label_classification"}
    options: dict[str, Any] = named | chosen if labels else {}
    with readable(base):
        model, loaded = made.from_pretrained(
            base,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,  # else it may ask at the terminal
            dtype=torch.float32,
            ignore_mismatched_sizes=True,  # a head for other labels
            output_loading_info=True,
            **options,
        )
    heads = new_modules(model, loaded) if labels else []
    config = LoraConfig(
        task_type=kind,
        r=rank,
        lora_alpha=2 * rank,
        lora_dropout=dropout,
        target_modules=linear_layers(model, heads),
        modules_to_save=heads or None,
    )
    return get_peft_model(model, config)


def new_modules(model: nn.Module, loaded: Mapping[str, Iterable[Any]]) -> list[str]:
    """The full names of the head and of all that was not in the base, by what transformers says it `loaded`:
    the dense layer before ModernBERT's classifier, DeBERTa's pooler."""
    missing = [*loaded["missing_keys"], *(key for key, *_ in loaded["mismatched_keys"])]
    names = {key.rpartition(".")[0] for key in missing} | {name for name in HEADS if hasattr(model, name)}
    return sorted(name for name in names if not any(_inside(name, other) for other in names - {name}))


def linear_layers(model: nn.Module, heads: Sequence[str]) -> list[str]:
    """The full names of all linear layers outside `heads`."""
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and not any(_inside(name, head) for head in heads)
    ]


def _inside(name: str, module: str) -> bool:
    return f"{name}.".startswith(f"{module}.")


def encode(tokenizer: Any, texts: Sequence[str], tokens: int) -> dict[str, Tensor]:
    """One padded batch of two tensors (B, T)."""
    made = tokenizer(list(texts), truncation=True, max_length=tokens, padding=True, return_tensors="pt")
    return {"input_ids": made["input_ids"], "attention_mask": made["attention_mask"]}


def tags(tokenizer: Any, examples: Sequence[TaskExample], tokens: int, labels: Sequence[str]) -> Tensor:
    """(B, T): the tag of each token, NOTHING where there is no text."""
    made = tokenizer(
        [example.text for example in examples],
        truncation=True,
        max_length=tokens,
        padding=True,
        return_offsets_mapping=True,
    )
    rows = []
    for example, offsets in zip(examples, made["offset_mapping"], strict=True):
        row, before = [], None
        for start, end in offsets:
            span = None if start == end else _span_at(example, start, end)
            name = "O" if span is None else f"{'I' if span == before else 'B'}-{span[2]}"
            row.append(NOTHING if start == end else labels.index(name))
            before = span
        rows.append(row)
    return torch.tensor(rows)


def task_loss(
    model: Any,
    tokenizer: Any,
    examples: Sequence[TaskExample],
    task: TaskName,
    labels: Sequence[str],
    weights: Tensor,
    tokens: int,
) -> Tensor:
    """Cross entropy over labels or tags; of an embedding, over which of the batch's positives is mine."""
    batch = to_device(encode(tokenizer, [example.text for example in examples], tokens), model)
    if task == "embedding":
        others = to_device(encode(tokenizer, [example.positive for example in examples], tokens), model)
        likeness = embed(model, batch) @ embed(model, others).T / CONTRAST
        own = torch.arange(len(examples), device=likeness.device)
        # a positive that several share is the wrong one for none of them
        numbers = {example.positive: number for number, example in enumerate(examples)}
        same = torch.tensor([numbers[example.positive] for example in examples], device=likeness.device)
        shared = (same[:, None] == same) & (own[:, None] != own)
        return functional.cross_entropy(likeness.masked_fill(shared, -torch.inf), own)
    logits = model(**batch).logits.float()
    if task == "pii":
        wanted = tags(tokenizer, examples, tokens, labels).to(logits.device)
        return functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=NOTHING)
    wanted = torch.tensor([labels.index(example.label) for example in examples], device=logits.device)
    return functional.cross_entropy(logits, wanted, weight=weights)


def embed(model: Any, batch: dict[str, Tensor]) -> Tensor:
    """(B, H) unit vectors: the mean over real tokens."""
    states = model(**batch).last_hidden_state.float()
    mask = batch["attention_mask"][:, :, None].float()
    mean = (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1.0)
    return functional.normalize(mean, dim=1)


def to_device(batch: dict[str, Tensor], model: Any) -> dict[str, Tensor]:
    return {name: tensor.to(model.device) for name, tensor in batch.items()}


def _span_at(example: TaskExample, start: int, end: int) -> Span | None:
    """The span a token touches; byte-level tokens may begin with the space before a word."""
    return next((span for span in example.spans if start < span[1] and end > span[0]), None)
