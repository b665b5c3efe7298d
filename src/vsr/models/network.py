"""A checkpoint as a torch module of two inputs and one output, loaded by the real transformers classes.

Sequence and token models give logits, embedding models unit vectors. An adapter is merged into its
base. Nothing is converted or compared here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
)

from vsr.encoder.imported.manifest import Specials, Task
from vsr.errors import BundleError
from vsr.models.source import Source, read_json

CLASSES = {
    "sequence": AutoModelForSequenceClassification,
    "token": AutoModelForTokenClassification,
    "embedding": AutoModel,
}
ATTENTION = "eager"
"""Traced as plain matrix products, which OpenVINO fuses itself; every architecture has it."""
HARMLESS = ("position_ids", "lm_head", "predictions")
"""Weights that may be missing: computed, or not part of the answer, as a pooler is for all but sequences."""


class Classifier(nn.Module):
    """(B, T), (B, T) -> logits (B, labels) or (B, T, labels)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        logits: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


class Embedding(nn.Module):
    """(B, T), (B, T) -> unit vectors (B, H): the mean over real tokens, or the first one's state."""

    def __init__(self, model: nn.Module, pooling: str) -> None:
        super().__init__()
        self.model = model
        self.pooling = pooling

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        states = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        if self.pooling == "cls":
            pooled = states[:, 0]
        else:
            mask = attention_mask[:, :, None].to(states.dtype)
            pooled = (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1.0)
        return nn.functional.normalize(pooled, dim=1)


def load_network(source: Source, task: Task, labels: int) -> nn.Module:
    """In float32, ready to be traced. Raises BundleError if the checkpoint has no such head."""
    options: dict[str, Any] = {} if task == "embedding" else {"num_labels": labels}
    try:
        model, report = CLASSES[task].from_pretrained(
            source.model,
            attn_implementation=ATTENTION,
            use_safetensors=True,
            local_files_only=True,
            dtype=torch.float32,
            ignore_mismatched_sizes=source.adapter is not None,  # the adapter brings a head of its own
            output_loading_info=True,
            **options,
        )
    except RuntimeError as error:
        if "size mismatch" in str(error).lower() or "mismatch" in str(error).lower():
            raise BundleError(f"{source.model} has another number of labels than {labels}") from None
        raise
    missing = {*report["missing_keys"], *(name for name, *_ in report["mismatched_keys"])}
    harmless = HARMLESS if task == "sequence" else (*HARMLESS, "pooler.")
    lost = sorted(name for name in missing if not any(part in name for part in harmless))
    if source.adapter is not None:
        model = _with_adapter(model, source.adapter, task, lost)
    elif lost:
        raise BundleError(
            f"{source.model} has no trained {task} head (no weights for {lost[0]}): it is not a checkpoint "
            "for this task; fine-tune it with `vsr train --task`"
        )
    model.eval()
    return Embedding(model, pooling_of(source.model)) if task == "embedding" else Classifier(model)


def load_tokenizer(source: Source) -> Any:
    """A fast tokenizer: of the adapter if it brings one, else of the base."""
    own = source.own
    folder = own if (own / "tokenizer.json").is_file() or own == source.model else source.model
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, local_files_only=True)
    except (OSError, ValueError, ImportError) as error:
        raise BundleError(f"{folder} has no usable tokenizer: {type(error).__name__}") from None
    if not tokenizer.is_fast:
        raise BundleError(f"{folder} has no fast tokenizer (tokenizer.json); save one with transformers")
    return tokenizer


def specials_of(tokenizer: Any) -> Specials:
    """What the tokenizer itself puts around a text."""
    around = tokenizer("")["input_ids"]
    if len(around) != 2 or tokenizer.pad_token is None:
        raise BundleError("the tokenizer must put one token before and one after a text, and know padding")
    cls, sep = tokenizer.convert_ids_to_tokens(around)
    return Specials(cls, sep, tokenizer.pad_token)


def positions_of(folder: Path) -> int:
    """How many tokens the model has positions for, special tokens included."""
    config = read_json(folder / "config.json")
    positions = int(config.get("max_position_embeddings") or 512)
    if config.get("model_type") in ("roberta", "xlm-roberta"):
        # positions are counted from the padding index on
        positions -= int(config.get("pad_token_id", 1)) + 1
    return positions


def pooling_of(folder: Path) -> str:
    """As sentence-transformers recorded it: mean, unless it says cls."""
    if (folder / "modules.json").is_file():
        text = (folder / "modules.json").read_text(encoding="utf-8")
        if "Dense" in text:
            raise BundleError(f"{folder} has dense layers after pooling, which are not supported")
    if not (folder / "1_Pooling" / "config.json").is_file():
        return "mean"
    config = read_json(folder / "1_Pooling" / "config.json")
    if config.get("pooling_mode_cls_token"):
        return "cls"
    if config.get("pooling_mode_mean_tokens", True):
        return "mean"
    raise BundleError(f"{folder}: only mean and cls pooling are supported")


def _with_adapter(model: nn.Module, adapter: Path, task: Task, missing: Sequence[str]) -> nn.Module:
    """missing: weights that the base lacks, which the adapter must bring, or they would be random."""
    from peft import PeftModel  # slow to import, and only adapters need it
    from safetensors import safe_open

    with safe_open(adapter / "adapter_model.safetensors", framework="pt") as file:
        names = list(file.keys())
    lost = [name for name in missing if not any(brought.endswith(f".{name}") for brought in names)]
    if lost:
        raise BundleError(
            f"{adapter} has no trained {task} head beside its LoRA weights (neither it nor the base has "
            f"{lost[0]}): import it merged"
        )
    return PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
