"""Imported models of a few kilobytes, made without torch: every token votes by what it is.

The vocabulary is the tiny bundle's. `attack` and `bypass` are risky, `algebra` is mathematics, names
are persons.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from tests.encoder.tiny_bundle import PERSON_BEGINS, PERSON_INSIDE, WORDS, token, tokenizer_file
from vsr.encoder.backend import Floats
from vsr.encoder.imported.folder import file_hash
from vsr.encoder.imported.golden import record
from vsr.encoder.imported.graph import INPUTS, OUTPUT, ImportedGraph
from vsr.encoder.imported.manifest import (
    FORMAT,
    MANIFEST,
    ImportedManifest,
    Kind,
    Parity,
    Specials,
    Task,
)
from vsr.encoder.manifest import WindowScheme

LABELS: dict[Kind, tuple[str, ...]] = {
    "jailbreak": ("benign", "jailbreak"),
    "domain": ("math", "other"),
    "pii": ("O", "B-PERSON", "I-PERSON"),
    "embedding": (),
}
SPECIALS = Specials("[CLS]", "[SEP]", "[PAD]")
SURE = 8.0


def write_model(folder: Path, kind: Kind, *, tokens: int = 14, stride: int = 10) -> Path:
    """A complete model in the new directory."""
    folder.mkdir(parents=True)
    tokenizer_file().save(str(folder / "tokenizer.json"))
    task: Task = {"pii": "token", "embedding": "embedding"}.get(kind, "sequence")  # type: ignore[assignment]
    ov.save_model(_graph(_table(kind), task), folder / "openvino_model.xml", compress_to_fp16=False)
    graph = ImportedGraph(folder, SPECIALS, tokens + 2, 1)
    manifest = ImportedManifest(
        format=FORMAT,
        name=folder.name,
        kind=kind,
        task=task,
        architecture="bert",
        source="nowhere",
        engine="openvino-fp32",
        labels=LABELS[kind],
        positive=("jailbreak",) if kind == "jailbreak" else (),
        dimension=4 if kind == "embedding" else 0,
        windows=WindowScheme(tokens, stride),
        specials=SPECIALS,
        files={
            name: file_hash(folder / name)
            for name in ("openvino_model.xml", "openvino_model.bin", "tokenizer.json")
        },
        golden=tuple(record(["the algebra word", "john smith", ""], graph, task, LABELS[kind])),
        golden_tolerance=0.02,
        parity=Parity(3, 0.0, 0.0, 1.0, 0.01),
    )
    write_manifest(folder, asdict(manifest))
    return folder


def read_manifest(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    return document


def write_manifest(folder: Path, document: dict[str, Any]) -> None:
    (folder / MANIFEST).write_text(json.dumps(document))


def _table(kind: Kind) -> Floats:
    """(words, outputs): what each word says."""
    width = len(LABELS[kind]) or 4
    table = np.zeros((len(WORDS), width), dtype=np.float32)
    if kind == "embedding":
        table = np.random.default_rng(1).normal(size=table.shape).astype(np.float32)
    elif kind == "pii":
        table[:, 0] = SURE
        for place, names in ((1, PERSON_BEGINS), (2, PERSON_INSIDE)):
            for name in names:
                table[token(name)] = np.eye(3, dtype=np.float32)[place] * SURE
    elif kind == "jailbreak":
        table[:, 0] = 1.0
        table[[token("attack"), token("bypass")], 1] = 10 * SURE
    else:
        table[:, 1] = 1.0
        table[token("algebra"), 0] = 10 * SURE
    return table


def _graph(table: Floats, task: Task) -> ov.Model:
    """Looks each token up; all but token models take the mean over the mask."""
    ids = ops.parameter([-1, -1], np.int64, name=INPUTS[0])
    mask = ops.parameter([-1, -1], np.int64, name=INPUTS[1])
    rows = ops.gather(ops.constant(table), ids, ops.constant(0))
    weights = ops.unsqueeze(ops.convert(mask, "f32"), 2)
    total = ops.reduce_sum(weights, 1, False)
    mean = ops.divide(ops.reduce_sum(ops.multiply(rows, weights), 1, False), total)
    answer = ops.add(rows, ops.multiply(weights, ops.constant(np.float32(0)))) if task == "token" else mean
    if task == "embedding":
        answer = ops.normalize_l2(mean, ops.constant([1]), 1e-9, "add")
    answer.output(0).get_tensor().set_names({OUTPUT})
    for name, node in zip(INPUTS, (ids, mask), strict=True):
        node.output(0).get_tensor().set_names({name})
    return ov.Model([ops.result(answer)], [ids, mask], "tiny")
