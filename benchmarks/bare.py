"""The bundle's graph run by OpenVINO alone: what the encoder's times and throughput are held against.

Windows are cut and padded beforehand and nothing is done with the outputs. The batch has one fixed
shape, the quickest way there is on a CPU.
"""

from __future__ import annotations

import time

import numpy as np
import openvino as ov

from vsr.encoder.batcher import pad
from vsr.encoder.bundle import Bundle
from vsr.encoder.schedule import SPECIALS
from vsr.encoder.tokens import TextTokenizer
from vsr.encoder.windows import passage_windows

BATCH = 16


class BareGraph:
    """Batches of copies of the longest window of `text`: `batch` of them, or as many as it has."""

    def __init__(self, bundle: Bundle, text: str, batch: int | None = None) -> None:
        tokenizer = TextTokenizer(bundle.tokenizer_path)
        windows = passage_windows(0, tokenizer.encode(text), bundle.manifest.windows)
        self.windows = len(windows)
        batch = batch or min(self.windows, BATCH)
        longest = max((window.ids for window in windows), key=len)
        ids, mask = pad([longest] * batch, len(longest) + SPECIALS, tokenizer)
        self._batch = batch
        core = ov.Core()
        model = core.read_model(bundle.graph_path)
        model.reshape({"input_ids": ids.shape, "attention_mask": mask.shape})
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        self._request = core.compile_model(model, "CPU", settings).create_infer_request()
        for name, values in (("input_ids", ids), ("attention_mask", mask)):
            self._request.set_tensor(name, ov.Tensor(np.ascontiguousarray(values)))
        self._request.infer()

    def seconds(self, texts: int) -> float:
        """For all windows of so many texts, from whole batches."""
        windows = texts * self.windows
        passes = max(1, round(windows / self._batch))
        begun = time.perf_counter()
        for _ in range(passes):
            self._request.infer()
        return (time.perf_counter() - begun) * windows / (passes * self._batch)
