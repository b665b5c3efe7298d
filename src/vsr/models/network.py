"""A checkpoint as a torch module of two inputs and one output, loaded by the real transformers classes.

Sequence and token models give logits, embedding models unit vectors. An adapter is merged into its
base. Nothing is converted or compared here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
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
VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
"""One of these holds a tokenizer's words. Without any, transformers makes a tokenizer that knows none."""
FEWEST_WORDS = 0.5
"""Of the words that the model knows; a model may have some rows of embeddings that no word uses."""
POINTER = b"version https://git-lfs.github.com/spec/"
"""How a file begins that Git LFS left in the place of the real one."""
MODULES = frozenset({"Transformer", "Pooling", "Normalize"})
"""Of sentence-transformers: what `Embedding` does."""


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
        with readable(source.model):
            model, report = CLASSES[task].from_pretrained(
                source.model,
                attn_implementation=ATTENTION,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,  # else it may ask at the terminal
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
        model = _with_adapter(model, source.adapter, task, labels, lost)
    elif lost:
        raise BundleError(
            f"{source.model} has no trained {task} head (no weights for {lost[0]}): it is not a checkpoint "
            "for this task; fine-tune it with `vsr train --task`"
        )
    model.eval()
    return Embedding(model, pooling_of(source.model)) if task == "embedding" else Classifier(model)


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """Around the reading of weights: a BundleError says which files are not there as they should be."""
    try:
        yield
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise BundleError(
            f"the weights in {folder} cannot be read ({type(error).__name__}): "
            + (_pointer(folder) or "a file is damaged or cut off, or a part or its index is missing")
        ) from None


def load_tokenizer(source: Source) -> Any:
    """A fast tokenizer: of the adapter if it brings one, else of the base."""
    own = source.own
    folder = own if (own / "tokenizer.json").is_file() or own == source.model else source.model
    return tokenizer_in(folder, source.model)


def tokenizer_in(folder: Path, model: Path) -> Any:
    """A fast tokenizer that knows the words of the checkpoint `model`. Raises BundleError."""
    if not any(file for pattern in VOCABULARIES for file in folder.glob(pattern)):
        raise BundleError(f"{folder} has no tokenizer: none of {', '.join(VOCABULARIES)}")
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, use_fast=True, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # noqa: BLE001 - the library under it raises nothing more special
        why = _pointer(folder) or type(error).__name__
        raise BundleError(f"{folder} has no usable tokenizer: {why}") from None
    if not tokenizer.is_fast:
        raise BundleError(f"{folder} has no fast tokenizer (tokenizer.json); save one with transformers")
    known = int(read_json(model / "config.json").get("vocab_size") or 0)
    if len(tokenizer) < FEWEST_WORDS * known:
        raise BundleError(
            f"the tokenizer in {folder} has {len(tokenizer)} tokens, the model {known}: it is another's, or "
            "files of it are missing"
        )
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
    place = folder / "1_Pooling"
    for kind, path in _modules(folder):
        if kind not in MODULES:
            raise BundleError(f"{folder} has a module {kind} beside its transformer, which is not supported")
        if kind == "Pooling":
            place = folder / path
    if not (place / "config.json").is_file():
        return "mean"
    config = read_json(place / "config.json")
    given = {key: value for key, value in config.items() if key.startswith("pooling_mode")}
    # one mode or several by name, or, before that, a switch for each: `pooling_mode_cls_token`
    modes = given.get("pooling_mode") or [
        key.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token")
        for key, on in given.items()
        if on
    ]
    modes = [modes] if isinstance(modes, str) else modes
    if not given or modes == ["mean"]:
        return "mean"
    if modes == ["cls"]:
        return "cls"
    raise BundleError(f"{folder}: only mean and cls pooling are supported, and one of them at a time")


def _modules(folder: Path) -> list[tuple[str, str]]:
    """Kind and directory of what a model of sentence-transformers consists of; none if it is not one."""
    path = folder / "modules.json"
    if not path.is_file():
        return []
    try:
        modules = json.loads(path.read_text(encoding="utf-8"))
        return [(module["type"].rpartition(".")[2], str(module["path"])) for module in modules]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{path} does not list modules: {type(error).__name__}") from None


def _pointer(folder: Path) -> str:
    """What to do about the first file that Git LFS has not fetched; empty if all are there."""
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        with path.open("rb") as file:
            if file.read(len(POINTER)) == POINTER:
                return f"{path.name} is a pointer of Git LFS, not the file: fetch it with git lfs pull"
    return ""


def _with_adapter(
    model: nn.Module, adapter: Path, task: Task, labels: int, missing: Sequence[str]
) -> nn.Module:
    """missing: weights that the base lacks, which the adapter must bring, or they would be random."""
    from peft import PeftModel  # slow to import, and only adapters need it
    from safetensors import safe_open

    with readable(adapter), safe_open(adapter / "adapter_model.safetensors", framework="pt") as file:
        names = list(file.keys())
    lost = [name for name in missing if not any(brought.endswith(f".{name}") for brought in names)]
    if lost:
        raise BundleError(
            f"{adapter} has no trained {task} head beside its LoRA weights (neither it nor the base has "
            f"{lost[0]}): import it merged"
        )
    try:
        return PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    except (RuntimeError, ValueError):
        other = f"another number of labels than {labels}, or " if labels else ""
        raise BundleError(f"{adapter} does not fit the base: it is for {other}another base") from None
