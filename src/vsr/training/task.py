"""One task fine-tuned on any supported Hugging Face base with LoRA, merged, and ready to import:

    vsr train --task domain --base DIR_OR_HUB_ID --data rows.jsonl --out DIR [--import NAME]

Leaves in DIR: `adapter/` (adapter_model.safetensors), `model/` (the merged model.safetensors, its
configuration with the labels' names, the tokenizer) and `report.json` (settings and held-out figures).
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from rich.console import Console
from rich.progress import Progress
from torch import nn

from vsr.errors import BundleError
from vsr.evaluation.report import demand_writable
from vsr.models.directory import default_directory, model_path
from vsr.models.importing import Wish, import_model
from vsr.models.labels import risky_labels
from vsr.models.network import positions_of, tokenizer_in
from vsr.models.quiet import quieten
from vsr.models.source import base_directory
from vsr.training.task_data import TaskExample, TaskName, class_weights, labels_of, read_examples, split
from vsr.training.task_measure import measure
from vsr.training.task_model import adapted, task_loss


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """rate: the highest learning rate, after a short warm-up and before a cosine to zero. tokens: where
    longer texts are cut. held: the share of examples that is measured on and not trained on."""

    task: TaskName
    base: str
    data: tuple[str, ...]
    rank: int = 16
    epochs: int = 3
    batch: int = 16
    rate: float = 3e-4
    tokens: int = 256
    held: float = 0.1
    seed: int = 7


def fine_tune(
    settings: TaskSettings, out: Path, console: Console | None = None, positive: Sequence[str] | None = None
) -> Path:
    """The directory of the merged model. positive: the labels that mean risk, or none if their names say so,
    of a jailbreak model that is to be imported. Raises BundleError, or EvaluationError if `out` cannot be
    written."""
    console = console or Console(stderr=True)
    report_file = out / "report.json"
    demand_writable(report_file)
    if any(out.iterdir()):
        raise BundleError(f"{out} is not empty; choose another --out")
    base = base_directory(settings.base)
    examples = read_examples(settings.data, settings.task)
    labels = labels_of(examples, settings.task)
    if settings.task != "embedding" and len(labels) < 2:
        raise BundleError(f"the data has only one label, {', '.join(labels)}; there is nothing to learn")
    if positive is not None:
        risky_labels(labels, positive)
    kept, held = split(examples, settings.held, settings.seed)
    console.print(f"{len(kept)} examples to train on, {len(held)} held out, {len(labels)} labels")

    torch.manual_seed(settings.seed)
    tokenizer = tokenizer_in(base, base)
    model = adapted(base, settings.task, labels, settings.rank)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    tokens = min(settings.tokens, positions_of(base))
    figures = _train(model, tokenizer, kept, held, labels, settings, tokens, console)

    adapter, merged = out / "adapter", out / "model"
    model.save_pretrained(str(adapter))
    model.merge_and_unload().to("cpu").save_pretrained(str(merged))
    for folder in (adapter, merged):
        tokenizer.save_pretrained(str(folder))
    if labels:
        # an adapter has no configuration of its own to keep the names in
        names = json.dumps(_mapping(labels), ensure_ascii=False)
        (adapter / "label_mapping.json").write_text(names, encoding="utf-8")
    report = {"settings": asdict(settings), "labels": labels, "held_out": figures}
    report_file.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return merged


def _train(
    model: Any,
    tokenizer: Any,
    kept: Sequence[TaskExample],
    held: Sequence[TaskExample],
    labels: Sequence[str],
    settings: TaskSettings,
    tokens: int,
    console: Console,
) -> dict[str, float | None]:
    """Prints the held-out figures after every epoch; the last ones. Raises BundleError as soon as there is
    nothing left to save."""
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=settings.rate, weight_decay=0.01)
    steps = settings.epochs * math.ceil(len(kept) / settings.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _shape(step, steps))
    weights = torch.tensor(class_weights(kept, labels), device=model.device)
    figures: dict[str, float | None] = {}
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task(settings.task, total=steps)
        for epoch in range(1, settings.epochs + 1):
            model.train()
            for examples in _batches(kept, settings.batch, settings.seed + epoch):
                with torch.autocast(model.device.type, torch.bfloat16, enabled=model.device.type == "cuda"):
                    loss = task_loss(model, tokenizer, examples, settings.task, labels, weights, tokens)
                loss.backward()
                norm = nn.utils.clip_grad_norm_(learning, 1.0)
                if not math.isfinite(loss.item()) or not math.isfinite(norm.item()):
                    raise BundleError(
                        f"loss or gradient is not finite any more in epoch {epoch}; try a lower --rate"
                    )
                optimiser.step()
                optimiser.zero_grad()
                schedule.step()
                progress.advance(bar)
            figures = measure(model, tokenizer, held, settings.task, labels, tokens)
            known = [f"{name} {value:.3f}" for name, value in figures.items() if value is not None]
            told = ", ".join(known) or "nothing"
            console.print(f"epoch {epoch}: loss of the last batch {loss.item():.3f}; held out: {told}")
    return figures


def _batches(examples: Sequence[TaskExample], size: int, seed: int) -> Iterator[list[TaskExample]]:
    order = list(examples)
    random.Random(seed).shuffle(order)
    for first in range(0, len(order), size):
        yield order[first : first + size]


def _shape(step: int, steps: int) -> float:
    warm = max(1, steps // 20)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _mapping(labels: Sequence[str]) -> dict[str, dict[str, str]]:
    return {"id_to_label": {str(index): label for index, label in enumerate(labels)}}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="vsr train", description="Fine-tune one task on a Hugging Face base."
    )
    parser.add_argument("--task", choices=get_args(TaskName), required=True)
    parser.add_argument(
        "--base", required=True, metavar="DIR_OR_HUB_ID", help="BERT, RoBERTa, DeBERTa, ModernBERT"
    )
    parser.add_argument(
        "--data",
        required=True,
        nargs="+",
        metavar="NAME_OR_FILE",
        help=".jsonl, .csv, or names for `datasets`",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    for name, default in (("rank", 16), ("epochs", 3), ("batch", 16), ("tokens", 256)):
        parser.add_argument(f"--{name}", type=_count, default=default)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--held", type=_share, default=0.1, help="share of examples to measure on, below 1")
    parser.add_argument("--import", dest="name", metavar="NAME", help="import the result under this name")
    parser.add_argument(
        "--positive",
        action="append",
        default=[],
        metavar="LABEL",
        help="a label that means risk, to import a jailbreak model whose labels do not say it; repeatable",
    )
    given = vars(parser.parse_args())
    out, name, positive = given.pop("out"), given.pop("name"), tuple(given.pop("positive"))
    risky = bool(name) and given["task"] == "jailbreak"
    if positive and not risky:
        parser.error("--positive is for --task jailbreak with --import")
    place = model_path(default_directory(), name) if name else None
    if place and place.exists():
        raise BundleError(f"{place} exists; remove it, or choose another name for --import")
    quieten()
    settings = TaskSettings(**{**given, "data": tuple(given["data"])})
    merged = fine_tune(settings, out, positive=positive if risky else None)
    print(merged)
    if place:
        print(import_model(Wish(str(merged), given["task"], name, positive=positive), place).path)


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0.0 <= value < 1.0:
        raise argparse.ArgumentTypeError("from 0, to measure on none, to below 1")
    return value


if __name__ == "__main__":
    main()
