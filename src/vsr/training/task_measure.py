"""How a fine-tuned model does on held-out examples: a few figures, for the log and the report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from vsr.evaluation.metrics import Share, auc, macro_f1, rounded
from vsr.training.task_data import TaskExample, TaskName
from vsr.training.task_model import NOTHING, embed, encode, tags, to_device

BATCH = 32
COMPARED = 256
"""Texts that are held against all positives at once: a matrix of all of them can be larger than memory."""


def measure(
    model: Any,
    tokenizer: Any,
    examples: Sequence[TaskExample],
    task: TaskName,
    labels: Sequence[str],
    tokens: int,
) -> dict[str, float | None]:
    """domain, jailbreak: accuracy and macro-F1, and of two labels the AUC, None if only one of them is held
    out. pii: F1 of the tags other than O. embedding: how often a text's nearest positive is its own, or
    reads as its own. Empty if nothing is held out."""
    if not examples:
        return {}
    model.eval()
    with torch.inference_mode():
        if task == "embedding":
            return _nearest(model, tokenizer, examples, tokens)
        if task == "pii":
            return _tags(model, tokenizer, examples, labels, tokens)
        return _classes(model, tokenizer, examples, labels, tokens)


def _classes(
    model: Any, tokenizer: Any, examples: Sequence[TaskExample], labels: Sequence[str], tokens: int
) -> dict[str, float | None]:
    logits = torch.cat(
        [
            model(**to_device(encode(tokenizer, [e.text for e in part], tokens), model)).logits.float().cpu()
            for part in _parts(examples)
        ]
    )
    truth = [example.label for example in examples]
    said = [labels[index] for index in logits.argmax(dim=1).tolist()]
    right = Share(sum(t == s for t, s in zip(truth, said, strict=True)), len(truth))
    figures = {"accuracy": right.value, "macro_f1": macro_f1(truth, said)}
    if len(labels) == 2:
        scores = torch.softmax(logits, dim=1)[:, 1].tolist()
        figures["auc"] = auc(scores, [label == labels[1] for label in truth])
    return {name: rounded(value) for name, value in figures.items()}


def _tags(
    model: Any, tokenizer: Any, examples: Sequence[TaskExample], labels: Sequence[str], tokens: int
) -> dict[str, float | None]:
    right = said = wanted = 0
    for part in _parts(examples):
        truth = tags(tokenizer, part, tokens, labels)
        found = (
            model(**to_device(encode(tokenizer, [e.text for e in part], tokens), model))
            .logits.argmax(-1)
            .cpu()
        )
        real = truth != NOTHING
        right += int(((found == truth) & (truth > 0) & real).sum())
        said += int(((found > 0) & real).sum())
        wanted += int(((truth > 0) & real).sum())
    return {"tag_f1": round(2 * right / max(1, said + wanted), 4)}


def _nearest(
    model: Any, tokenizer: Any, examples: Sequence[TaskExample], tokens: int
) -> dict[str, float | None]:
    sides = [
        torch.cat([embed(model, to_device(encode(tokenizer, part, tokens), model)) for part in _parts(texts)])
        for texts in ([e.text for e in examples], [e.positive for e in examples])
    ]
    nearest = torch.cat([(part @ sides[1].T).argmax(dim=1).cpu() for part in sides[0].split(COMPARED)])
    # several texts may share one positive, and of equal ones the first is found
    right = [examples[i].positive == one.positive for i, one in zip(nearest.tolist(), examples, strict=True)]
    return {"nearest": round(sum(right) / len(right), 4)}


def _parts(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for first in range(0, len(items), BATCH):
        yield items[first : first + BATCH]
