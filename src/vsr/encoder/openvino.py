"""The graph on a CPU, by OpenVINO.

A graph of dynamic shape prepares itself anew whenever the shape changes, which costs more than a short
text's inference, and even without a change it is an eighth slower. So there are only graphs of fixed
shape, for single windows and for small batches. Each holds tens of MB, so they are few: what fits
none exactly is padded, or read in several calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from vsr.encoder.backend import Floats, HeadOutputs, Ids
from vsr.encoder.schedule import WIDTHS
from vsr.errors import BundleError

OUTPUTS = ("domain", "jailbreak", "pii", "embedding")
INPUTS = ("input_ids", "attention_mask")
BATCH_ROWS = 4
"""Rows of a batch graph; larger ones are no quicker per token."""
NARROWEST_BATCH = 72
"""Narrower windows are read one by one, which is quicker than padding them to this width."""

Outputs = dict[str, Floats]


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
        widths = sorted({*(known for known in WIDTHS if known < width), width})
        shapes = [(1, known) for known in widths]
        shapes += [(BATCH_ROWS, known) for known in widths if known >= NARROWEST_BATCH]

        def compile_for(shape: tuple[int, int]) -> _Graph:
            variant = model.clone()
            variant.reshape({name: list(shape) for name in INPUTS})
            request = core.compile_model(variant, "CPU", settings).create_infer_request()
            return _Graph(request, shape, (*OUTPUTS, *self._asks))

        with ThreadPoolExecutor(2) as pool:
            graphs = list(pool.map(compile_for, shapes))
        self._single = graphs[: len(widths)]
        self._batch = graphs[len(widths) :]

    def infer(self, ids: Ids, mask: Ids) -> HeadOutputs:
        rows, width = ids.shape
        if width > self._single[-1].width:
            raise ValueError(f"a window of {width} tokens, the graph takes {self._single[-1].width}")
        single = next(graph for graph in self._single if width <= graph.width)
        if rows == 1:
            return self._told(single.run(ids, mask))
        batch = next((graph for graph in self._batch if graph.width == single.width), None)
        parts: list[Outputs] = []
        start = 0
        while start < rows:
            graph = batch if batch and rows - start >= batch.rows else single
            end = start + graph.rows
            outputs = graph.run(ids[start:end], mask[start:end])
            # the next call overwrites them
            parts.append({name: values.copy() for name, values in outputs.items()})
            start = end
        return self._told({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})

    def warm_up(self, rows: int, width: int) -> None:
        """Lets the graph touch its memory."""
        blank = np.ones((rows, width), dtype=np.int64)
        self.infer(blank, blank)

    def _told(self, outputs: Outputs) -> HeadOutputs:
        asks = {name: outputs[name] for name in self._asks}
        return HeadOutputs(
            outputs["domain"], outputs["jailbreak"], outputs["pii"], outputs["embedding"], asks
        )


class _Graph:
    """A graph of one shape. Its tensors are bound once: the engine's own handling of arguments costs
    as much as some of its layers."""

    def __init__(self, request: ov.InferRequest, shape: tuple[int, int], outputs: Sequence[str]) -> None:
        self.rows, self.width = shape
        self._request = request
        self._inputs = [np.zeros(shape, dtype=np.int64) for _ in INPUTS]
        for name, values in zip(INPUTS, self._inputs, strict=True):
            request.set_tensor(name, ov.Tensor(values, shared_memory=True))
        self._outputs = {name: request.get_tensor(name) for name in outputs}

    def run(self, ids: Ids, mask: Ids) -> Outputs:
        """`ids` and `mask` have this graph's rows and at most its width. The arrays returned hold until
        the next call."""
        width = ids.shape[1]
        for values, given in zip(self._inputs, (ids, mask), strict=True):
            values[:, :width] = given
            values[:, width:] = 0
        self._request.infer()
        outputs = {name: tensor.data for name, tensor in self._outputs.items()}
        outputs["pii"] = outputs["pii"][:, :width]
        return outputs


def _read(core: ov.Core, graph: Path, outputs: Sequence[str]) -> ov.Model:
    try:
        model = core.read_model(graph)
    except RuntimeError as error:
        raise BundleError(f"{graph.name} is not an OpenVINO graph: {type(error).__name__}") from None
    names = {name for output in model.outputs for name in output.get_names()}
    inputs = {name for tensor in model.inputs for name in tensor.get_names()}
    _demand(graph, "output", outputs, names)
    _demand(graph, "input", INPUTS, inputs)
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
