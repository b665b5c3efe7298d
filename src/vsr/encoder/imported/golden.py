"""What an imported model says of its golden texts: recorded when it is converted, compared when it starts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vsr.encoder.backend import Floats
from vsr.encoder.heads import softmax
from vsr.encoder.imported.graph import ImportedGraph
from vsr.encoder.imported.manifest import GoldenText, ImportedManifest, Task
from vsr.errors import BundleError


def record(texts: Sequence[str], graph: ImportedGraph, task: Task, labels: Sequence[str]) -> list[GoldenText]:
    """The texts must fit into a window each."""
    answers = graph.run([graph.tokenizer.encode(text).ids for text in texts])
    return [_golden(text, answer, task, labels) for text, answer in zip(texts, answers, strict=True)]


def check_golden(manifest: ImportedManifest, graph: ImportedGraph) -> None:
    """Raises BundleError, naming the first text whose answer is out of tolerance, alone or in a batch."""
    windows = [graph.tokenizer.encode(golden.text).ids for golden in manifest.golden]
    longest = manifest.windows.tokens
    for number, window in enumerate(windows, 1):
        if len(window) > longest:
            raise BundleError(
                f"model {manifest.name}: golden text {number} has {len(window)} tokens, a window {longest}"
            )
    alone = [graph.run([window])[0] for window in windows]
    for answers in (alone, graph.run(windows)):
        for number, (golden, answer) in enumerate(zip(manifest.golden, answers, strict=True), 1):
            off = _difference(golden, answer, manifest)
            # not a number is not within tolerance
            if not off <= manifest.golden_tolerance:
                raise BundleError(
                    f"model {manifest.name}: golden text {number} is off by {off:.3f}, allowed is "
                    f"{manifest.golden_tolerance}; this processor or engine computes the graph differently "
                    "from the one it was converted on: import the model again here"
                )


def _golden(text: str, answer: Floats, task: Task, labels: Sequence[str]) -> GoldenText:
    if task == "token":
        return GoldenText(text, tags=tuple(labels[tag] for tag in answer.argmax(axis=1)))
    values = softmax(answer, 1.0) if task == "sequence" else answer
    return GoldenText(text, values=tuple(round(float(value), 5) for value in values))


def _difference(golden: GoldenText, answer: Floats, manifest: ImportedManifest) -> float:
    """Of probabilities the largest difference; of vectors one minus the cosine. A tag may differ from the
    golden one only if both are about equally likely."""
    if manifest.task != "embedding" and answer.shape[-1] != len(manifest.labels):
        return float("nan")
    if manifest.task == "token":
        rows = softmax(answer, 1.0)
        if len(rows) != len(golden.tags) or not set(golden.tags) <= set(manifest.labels):
            return float("nan")
        told = [manifest.labels.index(tag) for tag in golden.tags]
        return float((rows.max(axis=1) - rows[np.arange(len(rows)), told]).max(initial=0.0))
    expected = np.array(golden.values, dtype=np.float32)
    if expected.shape != answer.shape:
        return float("nan")
    if manifest.task == "sequence":
        return float(np.abs(softmax(answer, 1.0) - expected).max())
    return 1.0 - float(answer @ expected / (np.linalg.norm(answer) * np.linalg.norm(expected)))
