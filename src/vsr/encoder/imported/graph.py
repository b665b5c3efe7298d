"""An imported model's graph on a CPU: padded windows in, one array out. No labels, no texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino as ov

from vsr.encoder.backend import Floats
from vsr.encoder.batcher import pad
from vsr.encoder.bundle import GRAPH, TOKENIZER
from vsr.encoder.imported.manifest import Specials
from vsr.encoder.schedule import padded
from vsr.encoder.tokens import Ints, TextTokenizer
from vsr.errors import BundleError

INPUTS = ("input_ids", "attention_mask")
OUTPUT = "output"
"""Logits (windows, labels) or (windows, tokens, labels), or unit vectors (windows, dimension)."""


class ImportedGraph:
    """Called from one thread at a time. `width` is the longest a window can be, special tokens included:
    padding may not go beyond it, since some models have no positions there."""

    def __init__(self, folder: Path, specials: Specials, width: int, threads: int | None = None) -> None:
        self.tokenizer = TextTokenizer(folder / TOKENIZER, (specials.cls, specials.sep, specials.pad))
        self._width = width
        # what is not int8 stays float32, see `vsr.encoder.openvino`
        settings: dict[str, object] = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": "f32",
        }
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
        core = ov.Core()
        try:
            model = core.read_model(folder / GRAPH)
        except RuntimeError as error:
            raise BundleError(f"{GRAPH} is not an OpenVINO graph: {type(error).__name__}") from None
        names = {name for port in (*model.inputs, *model.outputs) for name in port.get_names()}
        missing = [name for name in (*INPUTS, OUTPUT) if name not in names]
        if missing:
            raise BundleError(f"{GRAPH} has no input or output named {missing[0]}")
        try:
            self._request = core.compile_model(model, "CPU", settings).create_infer_request()
        except RuntimeError as error:
            raise BundleError(f"{GRAPH} cannot be compiled here: {type(error).__name__}") from None

    def run(self, windows: Sequence[Ints]) -> list[Floats]:
        """One row per window: (labels,) or (tokens of the window, labels) or (dimension,)."""
        width = min(max(padded(len(window)) for window in windows), self._width)
        ids, mask = pad(windows, width, self.tokenizer)
        self._request.infer({"input_ids": ids, "attention_mask": mask}, share_inputs=True)
        rows = np.array(self._request.get_tensor(OUTPUT).data, dtype=np.float32)
        if rows.ndim == 2:
            return list(rows)
        return [row[1 : len(window) + 1].copy() for row, window in zip(rows, windows, strict=True)]
