"""The graph on a CPU, by OpenVINO.

A graph of dynamic shape prepares itself anew whenever the shape changes, which costs more than a short
text's inference. So single windows, the commonest input, have graphs of fixed width, and everything
else goes through the dynamic one. Each graph holds tens of MB, so there are only a few.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from vsr.encoder.backend import HeadOutputs, Ids
from vsr.errors import BundleError

FIXED_WIDTHS = (40, 72)
"""Beside them, the width of a full window. A sentence and a short paragraph fit, with [CLS] and [SEP]:
a width just over a round number of words, since every padded position costs what a read one does."""
OUTPUTS = ("domain", "jailbreak", "pii", "embedding")


class OpenVINOBackend:
    """Compiled graphs. `width` is that of a full window, `threads` None means all cores; `asks` names the
    outputs of the further heads about the ask."""

    def __init__(self, graph: Path, width: int, threads: int | None = None, asks: Sequence[str] = ()) -> None:
        self._asks = tuple(asks)
        core = ov.Core()
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            # what is not int8 stays float32: bf16, the default where it exists, moves the calibrated
            # probabilities from one processor to the next
            "INFERENCE_PRECISION_HINT": "f32",
        }
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
        model = _read(core, graph, (*OUTPUTS, *self._asks))
        self._fixed_widths = sorted({*(fixed for fixed in FIXED_WIDTHS if fixed < width), width})
        shapes = [(-1, -1), *((1, fixed) for fixed in self._fixed_widths)]

        def compile_for(shape: tuple[int, int]) -> ov.InferRequest:
            variant = model.clone()
            variant.reshape({"input_ids": list(shape), "attention_mask": list(shape)})
            return core.compile_model(variant, "CPU", settings).create_infer_request()

        with ThreadPoolExecutor(2) as pool:
            self._dynamic, *fixed = pool.map(compile_for, shapes)
        self._fixed = dict(zip(self._fixed_widths, fixed, strict=True))

    def infer(self, ids: Ids, mask: Ids) -> HeadOutputs:
        rows, width = ids.shape
        request = self._dynamic
        if rows == 1 and width <= self._fixed_widths[-1]:
            fixed = next(known for known in self._fixed_widths if width <= known)
            request = self._fixed[fixed]
            ids, mask = _widened(ids, fixed), _widened(mask, fixed)
        request.infer({"input_ids": ids, "attention_mask": mask}, share_inputs=True, share_outputs=True)
        domain, jailbreak, pii, embedding = (request.get_tensor(name).data for name in OUTPUTS)
        asks = {name: request.get_tensor(name).data for name in self._asks}
        return HeadOutputs(domain, jailbreak, pii[:, :width], embedding, asks)

    def warm_up(self, rows: int, width: int) -> None:
        """Lets the graph prepare itself for batches of this shape."""
        blank = np.ones((rows, width), dtype=np.int64)
        self.infer(blank, blank)


def _read(core: ov.Core, graph: Path, outputs: Sequence[str]) -> ov.Model:
    try:
        model = core.read_model(graph)
    except RuntimeError as error:
        raise BundleError(f"{graph.name} is not an OpenVINO graph: {type(error).__name__}") from None
    names = {name for output in model.outputs for name in output.get_names()}
    inputs = {name for tensor in model.inputs for name in tensor.get_names()}
    _demand(graph, "output", outputs, names)
    _demand(graph, "input", ("input_ids", "attention_mask"), inputs)
    _keep_tables_small(model)
    return model


def _demand(graph: Path, kind: str, wanted: Sequence[str], found: set[str]) -> None:
    missing = [name for name in wanted if name not in found]
    if missing:
        raise BundleError(f"{graph.name} has no {kind} named {missing[0]}")


def _keep_tables_small(model: ov.Model) -> None:
    """Looks int8 embeddings up before they become floats, not after: compiling would otherwise turn
    the whole vocabulary into float32, four times the memory, in every compiled graph."""
    for lookup in model.get_ops():
        if lookup.get_type_name() != "Gather":
            continue
        scaled = lookup.input_value(0).get_node()
        if scaled.get_type_name() != "Multiply":
            continue
        floats, scale = scaled.input_value(0).get_node(), scaled.input_value(1)
        if floats.get_type_name() != "Convert" or not _is_table(floats.input_value(0), scale):
            continue
        indices, axis = lookup.input_value(1), lookup.input_value(2)
        rows = ops.convert(ops.gather(floats.input_value(0), indices, axis), "f32")
        small = ops.multiply(rows, ops.gather(scale, indices, axis))
        lookup.output(0).replace(small.output(0))
    model.validate_nodes_and_infer_types()


def _is_table(table: ov.Output, scale: ov.Output) -> bool:
    """An int8 constant (rows, dim) with one scale per row."""
    if table.get_node().get_type_name() != "Constant" or scale.get_node().get_type_name() != "Constant":
        return False
    rows, scales = list(table.get_shape()), list(scale.get_shape())
    return table.get_element_type() == ov.Type.i8 and len(rows) == 2 and scales == [rows[0], 1]


def _widened(rows: Ids, width: int) -> Ids:
    if rows.shape[1] == width:
        return rows
    wide = np.zeros((1, width), dtype=np.int64)
    wide[:, : rows.shape[1]] = rows
    return wide
