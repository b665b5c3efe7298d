"""From a torch module to an OpenVINO graph of one output, in fp32 or int8, and its file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import openvino as ov
import torch
from torch import nn

from vsr.encoder.backend import Ids
from vsr.encoder.bundle import GRAPH
from vsr.encoder.imported.graph import INPUTS, OUTPUT

Batch = dict[str, Ids]


def convert(network: nn.Module, example: Batch) -> ov.Model:
    """With dynamic batch and token dimensions; `example` is a padded batch of two texts."""
    tensors = {name: torch.from_numpy(values) for name, values in example.items()}
    with torch.no_grad():
        graph = ov.convert_model(network, example_input=tensors)
    for port, name in zip(graph.inputs, INPUTS, strict=True):
        port.get_node().set_partial_shape(ov.PartialShape([-1, -1]))
        port.get_node().set_element_type(ov.Type.i64)
        port.get_tensor().set_names({name})
    graph.outputs[0].get_tensor().set_names({OUTPUT})
    graph.validate_nodes_and_infer_types()
    return graph


def quantise(graph: ov.Model, batches: Sequence[Batch]) -> ov.Model:
    """Static int8 of every supported layer, ranges taken from `batches`."""
    import nncf  # takes seconds to import and prints; only this function needs it

    return nncf.quantize(
        graph,
        nncf.Dataset(list(batches)),
        model_type=nncf.ModelType.TRANSFORMER,
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(batches),
    )


def save(graph: ov.Model, folder: Path) -> None:
    ov.save_model(graph, folder / GRAPH, compress_to_fp16=False)
