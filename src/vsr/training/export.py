"""From a merged network to an OpenVINO graph, in fp32 or int8.

`convert` traces the network with named inputs and outputs; `quantise` runs NNCF's static
post-training quantisation over sample texts. What is quantised and how well it agrees with fp32 is
reported by `evaluate`, not here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import openvino as ov
import torch

from vsr.encoder.bundle import GRAPH, WEIGHTS
from vsr.training.engine import OUTPUTS, Arrays
from vsr.training.model import Network


def convert(network: Network) -> ov.Model:
    """The fp32 graph with dynamic batch and token dimensions."""
    network.eval()
    example = {
        "input_ids": torch.tensor([[101, 2023, 102], [101, 102, 0]]),
        "attention_mask": torch.tensor([[1, 1, 1], [1, 1, 0]]),
    }
    with torch.no_grad():
        graph = ov.convert_model(network, example_input=example)
    for tensor in graph.inputs:
        tensor.get_node().set_partial_shape(ov.PartialShape([-1, -1]))
        tensor.get_node().set_element_type(ov.Type.i64)
    for tensor, name in zip(graph.outputs, OUTPUTS, strict=True):
        tensor.get_tensor().set_names({name})
    graph.validate_nodes_and_infer_types()
    return graph


def quantise(graph: ov.Model, batches: Sequence[Arrays]) -> ov.Model:
    """Static int8 of every supported layer, ranges taken from `batches`."""
    import nncf  # takes seconds to import and prints; only this function needs it

    return nncf.quantize(
        graph,
        nncf.Dataset(batches),
        model_type=nncf.ModelType.TRANSFORMER,
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(batches),
    )


def save(graph: ov.Model, folder: Path, *, small: bool = True) -> None:
    """GRAPH and WEIGHTS in `folder`, GRAPH last: where it is, both are whole. small: what is not int8 is kept
    as fp16."""
    part = folder / f"part-{GRAPH}"
    ov.save_model(graph, part, compress_to_fp16=small)
    part.with_suffix(".bin").replace(folder / WEIGHTS)
    part.replace(folder / GRAPH)


def read(folder: Path) -> ov.Model:
    """The graph in `folder`."""
    return ov.Core().read_model(folder / GRAPH)
