"""The graph on a CPU, by OpenVINO.

A graph of dynamic shape prepares itself anew whenever the shape changes, which costs more than a short
text's inference, and even without a change it is an eighth slower. So there are only graphs of fixed
shape, for single windows and for small batches. Each holds tens of MB, so they are few, and what fits
none exactly is padded.

A window alone is computed by all cores together, which is quickest for who waits for it. Batches are
computed side by side, each on a lane of its own: cores that work apart do not wait for one another at
every layer. For the same reason a short window alone is left to a lane's share of the cores while other
lanes work: cores that it shared with them would be late at every layer.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from vsr.encoder.backend import HeadOutputs, Ids
from vsr.encoder.likeliest import BEGINS, PROBABILITIES, TYPES, add_likeliest
from vsr.encoder.manifest import Heads
from vsr.encoder.schedule import SPECIALS, WIDTHS
from vsr.errors import BundleError

INPUTS = ("input_ids", "attention_mask")
HEADS = ("domain", "jailbreak", "pii", "embedding")
TOKENS = (TYPES, PROBABILITIES, BEGINS)
BATCH_ROWS = {68: 4, 136: 2}
"""Rows of a batch graph by its width; larger ones are hardly quicker per token. Narrower windows are read
one by one."""
WIDE_ROWS = 2
"""Rows of a batch of windows of another width than these."""
MOST_LANES = 4
"""Each lane of a graph holds tens of MB."""


class OpenVINOBackend:
    """Compiled graphs. `tokens` are those of a full window; `threads` None means all cores."""

    def __init__(self, graph: Path, tokens: int, heads: Heads, threads: int | None = None) -> None:
        core = ov.Core()
        threads = threads or _cores()
        self.lanes = min(threads, MOST_LANES)
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            # what is not int8 stays float32: bf16, the default where it exists, moves the calibrated
            # probabilities from one processor to the next
            "INFERENCE_PRECISION_HINT": "f32",
        }
        asks = tuple(heads.asks)
        model = _read(core, graph, heads)
        add_likeliest(model, heads.pii)
        full = tokens + SPECIALS
        widths = [*(known for known in WIDTHS if known < full), full]
        batches = [known for known in widths if known >= min(BATCH_ROWS)]
        beside = [known for known in widths if known < full and self.lanes > 1]
        share = threads // self.lanes

        def compile_for(rows: int, width: int, cores: int, streams: int) -> list[_Graph]:
            variant = model.clone()
            placed = {**settings, "INFERENCE_NUM_THREADS": cores, "NUM_STREAMS": streams}
            try:
                variant.reshape({name: [rows, width] for name in INPUTS})
                compiled = core.compile_model(variant, "CPU", placed)
            except RuntimeError as error:
                raise BundleError(f"{graph.name} cannot be compiled here: {type(error).__name__}") from None
            return [_Graph(compiled.create_infer_request(), (rows, width), asks) for _ in range(streams)]

        with ThreadPoolExecutor(2) as pool:
            single = pool.map(lambda width: compile_for(1, width, threads, 1)[0], widths)
            apart = pool.map(lambda width: compile_for(1, width, share, 1)[0], beside)
            batch = pool.map(lambda width: compile_for(_rows(width), width, threads, self.lanes), batches)
            self._single = list(single)
            self._beside = {graph.width: graph for graph in apart}
            self._batch = dict(zip(batches, batch, strict=True))
        self._busy = [False] * self.lanes

    def sizes(self, width: int) -> tuple[int, ...]:
        narrower = (graph.width for graph in self._single if width <= graph.width)
        batch = self._batch.get(next(narrower, self._single[-1].width))
        return (1, batch[0].rows) if batch else (1,)

    def infer(self, ids: Ids, mask: Ids, lane: int = 0) -> HeadOutputs:
        graph = self._fitting(ids.shape[1])
        if len(ids) > 1:
            graph = self._batch[graph.width][lane]
        elif any(self._busy):
            graph = self._beside.get(graph.width, graph)
        self._busy[lane] = True
        try:
            return graph.run(ids, mask)
        finally:
            self._busy[lane] = False

    def warm_up(self, rows: int, width: int) -> None:
        """Lets the graphs touch their memory."""
        blank = np.ones((rows, width), dtype=np.int64)
        for lane in range(self.lanes if rows > 1 else 1):
            self.infer(blank, blank, lane)

    def _fitting(self, width: int) -> _Graph:
        for graph in self._single:
            if width <= graph.width:
                return graph
        raise ValueError(f"a window of {width} tokens, the graph takes {self._single[-1].width}")


def _rows(width: int) -> int:
    return BATCH_ROWS.get(width, WIDE_ROWS)


def _cores() -> int:
    """Those that this process may use."""
    known = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    return len(known(0)) if known else os.cpu_count() or 1


class _Graph:
    """A graph of one shape. Its tensors are bound once: the engine's own handling of arguments costs
    as much as some of its layers."""

    def __init__(self, request: ov.InferRequest, shape: tuple[int, int], asks: Sequence[str]) -> None:
        self.rows, self.width = shape
        self._request = request
        self._inputs = [np.zeros(shape, dtype=np.int64) for _ in INPUTS]
        for name, values in zip(INPUTS, self._inputs, strict=True):
            request.set_tensor(name, ov.Tensor(values, shared_memory=True))
        told = {name: request.get_tensor(name).data for name in (*HEADS, *TOKENS)}
        self._outputs = HeadOutputs(**told, asks={name: request.get_tensor(name).data for name in asks})

    def run(self, ids: Ids, mask: Ids) -> HeadOutputs:
        """`ids` and `mask` have this graph's rows and at most its width. The arrays returned hold until
        the next call."""
        width = ids.shape[1]
        for values, given in zip(self._inputs, (ids, mask), strict=True):
            values[:, :width] = given
            values[:, width:] = 0
        self._request.infer()
        return self._outputs


def _read(core: ov.Core, graph: Path, heads: Heads) -> ov.Model:
    try:
        model = core.read_model(graph)
    except RuntimeError as error:
        raise BundleError(f"{graph.name} is not an OpenVINO graph: {type(error).__name__}") from None
    names = {name for output in model.outputs for name in output.get_names()}
    inputs = {name for tensor in model.inputs for name in tensor.get_names()}
    _demand(graph, "output", (*HEADS, *heads.asks), names)
    _demand(graph, "input", INPUTS, inputs)
    _demand_widths(graph, model, heads)
    _keep_tables_small(model)
    return model


def _demand(graph: Path, kind: str, wanted: Sequence[str], found: set[str]) -> None:
    missing = [name for name in wanted if name not in found]
    if missing:
        raise BundleError(f"{graph.name} has no {kind} named {missing[0]}")


def _demand_widths(graph: Path, model: ov.Model, heads: Heads) -> None:
    for name, width in heads.widths.items():
        found = model.output(name).get_partial_shape()
        wanted = ov.PartialShape([-1, -1, width] if name == "pii" else [-1, width])
        if not found.compatible(wanted):
            raise BundleError(f"{graph.name} has {name} of shape {found}, the manifest's heads need {wanted}")


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
