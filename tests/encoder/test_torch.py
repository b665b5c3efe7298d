"""What torch refuses at load; what it computes is held to OpenVINO in tests/training/test_weights.py."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch", reason="only bundles for torch need it")
pytest.importorskip("safetensors")

from safetensors.torch import save_file  # noqa: E402

from vsr.encoder.torch import TorchBackend  # noqa: E402
from vsr.errors import BundleError  # noqa: E402

if TYPE_CHECKING:
    from vsr.encoder.bundle import Bundle

HIDDEN = 4


def write_weights(folder: Path, widths: dict[str, int]) -> None:
    """A trunk without layers, and heads of these widths."""
    config = {"num_attention_heads": 1, "layer_norm_eps": 1e-12, "model_type": "bert", "hidden_act": "gelu"}
    (folder / "config.json").write_text(json.dumps(config))
    shapes: dict[str, tuple[int, ...]] = {
        f"{name}.outer.weight": (width, 3) for name, width in widths.items()
    }
    shapes |= {f"trunk.embeddings.{kind}_embeddings.weight": (2, HIDDEN) for kind in ("word", "position")}
    shapes["trunk.embeddings.token_type_embeddings.weight"] = (1, HIDDEN)
    shapes |= {f"trunk.embeddings.LayerNorm.{part}": (HIDDEN,) for part in ("weight", "bias")}
    tensors = {name: torch.zeros(shape) for name, shape in shapes.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"read_layers": "1"})


@pytest.mark.parametrize("output", ["domain", "jailbreak", "pii", "embedding", "fact_check"])
def test_weights_with_other_numbers_of_outputs_than_labels_are_refused(
    bundle: Bundle, tmp_path: Path, output: str
) -> None:
    heads = bundle.manifest.heads
    write_weights(tmp_path, heads.widths)
    TorchBackend(tmp_path, heads, device="cpu")
    other = heads.widths[output] + 1
    if output == "embedding":
        heads = replace(heads, embedding=replace(heads.embedding, dimension=other))
    else:
        write_weights(tmp_path, {**heads.widths, output: other})
    with pytest.raises(BundleError, match=f"values of {output}, the manifest has {heads.widths[output]}"):
        TorchBackend(tmp_path, heads, device="cpu")
