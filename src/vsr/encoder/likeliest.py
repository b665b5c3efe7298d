"""What is kept of the PII head, computed inside the graph: of each token the likeliest entity type, its
probability, and whether a span begins. In numpy it takes as long as a fifth of a short text's pass.
"""

from __future__ import annotations

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from vsr.encoder.manifest import TokenHead

TYPES, PROBABILITIES, BEGINS = "types", "probabilities", "begins"


def add_likeliest(model: ov.Model, head: TokenHead) -> None:
    """Adds the three outputs to a model with an output `pii` of logits (b, t, tags); see `HeadOutputs`."""
    logits = next(result for result in model.outputs if "pii" in result.get_names()).get_node().input_value(0)
    tags = ops.softmax(ops.multiply(logits, _float(1 / head.temperature)), 2)
    begin, inside = (_of_types(tags, head, prefix) for prefix in ("B", "I"))
    either = ops.add(begin, inside)
    best = ops.topk(either, ops.constant(1), 2, "max", "none", "i32")
    # how much likelier B- is than I-, of the likeliest type only
    lead = ops.select(ops.equal(either, best.output(0)), ops.subtract(begin, inside), _float(-2))
    begins = ops.greater_equal(ops.reduce_max(lead, ops.constant([2]), False), _float(0))
    last = ops.constant([2])
    added = {
        TYPES: ops.convert(ops.squeeze(best.output(1), last), "u8"),
        PROBABILITIES: ops.squeeze(best.output(0), last),
        BEGINS: begins,
    }
    for name, node in added.items():
        node.output(0).get_tensor().set_names({name})
    model.add_results([ops.result(node) for node in added.values()])


def _of_types(tags: ov.Node, head: TokenHead, prefix: str) -> ov.Node:
    places = [head.labels.index(f"{prefix}-{kind}") for kind in head.types]
    return ops.gather(tags, ops.constant(places), ops.constant(2))


def _float(value: float) -> ov.Node:
    return ops.constant(np.float32(value))
