"""`vsr models import`: a Hugging Face checkpoint becomes a model that the router runs.

Source -> labels -> network -> graph -> (int8) -> compared with transformers -> golden outputs and
hashes -> a directory of its own, which appears whole or not at all.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from torch import nn

from vsr.encoder.batcher import pad
from vsr.encoder.bundle import GRAPH, TOKENIZER, WEIGHTS
from vsr.encoder.imported.folder import ImportedFolder, demand_single_label, file_hash, load_folder
from vsr.encoder.imported.golden import record
from vsr.encoder.imported.graph import INPUTS, ImportedGraph
from vsr.encoder.imported.manifest import FORMAT, MANIFEST, ImportedManifest, Kind, Specials, Task
from vsr.encoder.imported.tags import OUTSIDE
from vsr.encoder.manifest import WindowScheme
from vsr.encoder.schedule import SPECIALS, padded
from vsr.encoder.tokens import Ints, TextTokenizer
from vsr.errors import BundleError
from vsr.models import convert, parity
from vsr.models.labels import find_labels, risky_labels
from vsr.models.network import load_network, load_tokenizer, positions_of, specials_of
from vsr.models.samples import ALL, SHORT
from vsr.models.source import Source, find_source

logger = logging.getLogger(__name__)

WINDOW = 512
"""Tokens of a window, special tokens included, unless the model has fewer positions."""
STRIDE = 0.75
GOLDEN_TOLERANCE = {False: 0.02, True: 0.08}
"""By whether the graph is int8, whose results differ between processors."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be imported, and as what."""

    source: str
    kind: Kind
    name: str
    labels: Path | None = None
    positive: tuple[str, ...] = ()
    base: str | None = None
    window: int = WINDOW
    int8: bool = False


def import_model(wish: Wish, out: Path) -> ImportedFolder:
    """The model in the new directory `out`. Raises BundleError, and leaves nothing behind."""
    if out.exists():
        raise BundleError(f"{out} exists; remove it, or choose another --name or --out")
    if wish.positive and wish.kind != "jailbreak":
        raise BundleError(
            f"--positive is for --as jailbreak alone; no label of a {wish.kind} model means risk"
        )
    source = find_source(wish.source, wish.base)
    task = task_of(wish.kind)
    labels = () if task == "embedding" else _labels(source, wish, task)
    positive = risky_labels(labels, wish.positive) if wish.kind == "jailbreak" else ()
    network = load_network(source, task, len(labels))
    tokenizer = load_tokenizer(source)
    windows = _window_scheme(source, wish.window)
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        folder = Path(scratch) / "model"
        folder.mkdir()
        tokenizer.backend_tokenizer.save(str(folder / TOKENIZER))
        shutil.copy(source.model / "config.json", folder / "config.json")
        manifest = _converted(
            folder, network, source, wish, windows, specials_of(tokenizer), labels, positive
        )
        text = json.dumps(asdict(manifest), ensure_ascii=False, indent=1)
        (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
        load_folder(folder)
        folder.rename(out)
    return load_folder(out)


def task_of(kind: Kind) -> Task:
    return "token" if kind == "pii" else "embedding" if kind == "embedding" else "sequence"


def _labels(source: Source, wish: Wish, task: Task) -> tuple[str, ...]:
    demand_single_label(source.model / "config.json")
    folders = [source.own] if source.adapter is None else [source.adapter, source.model]
    labels = find_labels(folders, wish.kind, wish.labels)
    if len(labels) < 2:
        raise BundleError(f"the only label is {labels[0]}: there is nothing to choose from")
    if task == "token" and OUTSIDE not in labels:
        raise BundleError(
            f'a token model needs the label "O" for what is no entity; it has {", ".join(labels)}'
        )
    return labels


def _window_scheme(source: Source, wished: int) -> WindowScheme:
    tokens = min(wished, positions_of(source.model)) - SPECIALS
    if tokens < 1:
        raise BundleError(f"a window of {wished} tokens leaves no room for text")
    return WindowScheme(tokens, max(1, round(tokens * STRIDE)))


def _converted(
    folder: Path,
    network: nn.Module,
    source: Source,
    wish: Wish,
    windows: WindowScheme,
    specials: Specials,
    labels: Sequence[str],
    positive: Sequence[str],
) -> ImportedManifest:
    """Writes the graph into `folder`; what is known about it then."""
    task = task_of(wish.kind)
    tokenizer = TextTokenizer(folder / TOKENIZER, (specials.cls, specials.sep, specials.pad))
    texts = [tokenizer.encode(text).ids[: windows.tokens] for text in ALL]
    model = convert.convert(network, _batch(texts[:2], tokenizer, windows))
    if wish.int8:
        # texts that the ranges were taken from agree better than others; English and Chinese take turns
        ranges = [text for number, text in enumerate(texts) if number // 2 % 2]
        texts = [text for number, text in enumerate(texts) if not number // 2 % 2]
        batches = [_batch([text], tokenizer, windows) for text in (*ranges, _full(ranges, windows))]
        model = convert.quantise(model, batches)
    convert.save(model, folder)
    graph = ImportedGraph(folder, specials, windows.tokens + SPECIALS)
    full = _full(texts, windows)
    expected = parity.truth(network, graph, [*texts, full])
    # the full window by itself: a batch as wide would take its memory for every text
    found = [*graph.run(texts), *graph.run([full])]
    agreement = parity.compare(expected, found, task, int8=wish.int8)
    short = [text for text in SHORT if len(tokenizer.encode(text)) <= windows.tokens]
    return ImportedManifest(
        format=FORMAT,
        name=wish.name,
        kind=wish.kind,
        task=task,
        architecture=source.architecture,
        source=source.name,
        engine="openvino-int8" if wish.int8 else "openvino-fp32",
        labels=tuple(labels),
        positive=tuple(positive),
        dimension=len(expected[0]) if task == "embedding" else 0,
        windows=windows,
        specials=specials,
        files={name: file_hash(folder / name) for name in (GRAPH, WEIGHTS, TOKENIZER, "config.json")},
        golden=tuple(record(short, graph, task, labels)),
        golden_tolerance=GOLDEN_TOLERANCE[wish.int8],
        parity=agreement,
    )


def _full(texts: Sequence[Ints], windows: WindowScheme) -> Ints:
    """All the texts, again and again until the window is full."""
    return np.resize(np.concatenate(texts), windows.tokens)


def _batch(texts: Sequence[Ints], tokenizer: TextTokenizer, windows: WindowScheme) -> convert.Batch:
    width = min(max(padded(len(text)) for text in texts), windows.tokens + SPECIALS)
    ids, mask = pad(texts, width, tokenizer)
    return dict(zip(INPUTS, (ids.astype(np.int64), mask), strict=True))
