"""The bundle's network on torch: a CUDA device in bfloat16 where there is one, else the CPU in float32.

It reads `model.safetensors` and `config.json` and computes what the exported graph computes: a BERT
trunk, and heads on the means, maxima and first states of several of its layers. The network is written
out here in plain torch, so that a GPU needs neither transformers nor the code that trained it; tests
hold it to both. Other architectures are imported (`vsr.models`) and run by OpenVINO.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch.nn import functional

from vsr.encoder.backend import Floats, HeadOutputs, Ids
from vsr.encoder.manifest import Heads
from vsr.errors import BundleError

ROWS = (1, 2, 4, 8, 16, 32)
BATCH_TOKENS = 1_024
"""In a batch: the throughput of larger ones, and short enough to wait for."""

Tensor = Any  # torch comes without types where it is not installed

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
SPACE = "space.weight"
"""What the means of the read layers add to the embedding, (H, layers * H); in older weights nothing."""
READ_LAYERS = "read_layers"
"""Metadata of the weights: the layers that the heads read, as in "2,4,6"."""


@dataclass(frozen=True, slots=True)
class _Shape:
    heads: int
    epsilon: float
    read_layers: tuple[int, ...]


class TorchBackend:
    """`device` is one of torch's, None the best there is."""

    def __init__(self, folder: Path, heads: Heads, device: str | None = None) -> None:
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        on_gpu = self._device.type == "cuda"
        self._type = torch.bfloat16 if on_gpu else torch.float32
        weights, self._shape = _read(folder)
        # the heads are small and what is calibrated: they stay float32
        self._heads = _moved(weights, self._device, torch.float32, trunk=False)
        trunk = _moved(weights, self._device, self._type, trunk=True)
        self._embeddings, self._layers = _gathered(trunk)
        self._asks = tuple(heads.asks)
        self._temperature = heads.pii.temperature
        self._begin, self._inside = (
            [heads.pii.labels.index(f"{prefix}-{kind}") for kind in heads.pii.types] for prefix in ("B", "I")
        )
        wanted = ("domain", "jailbreak", "pii", *self._asks)
        missing = [name for name in wanted if f"{name}.outer.weight" not in weights]
        if missing:
            raise BundleError(f"{WEIGHTS} has no head named {missing[0]}")
        found = {name: len(weights[f"{name}.outer.weight"]) for name in wanted}
        found["embedding"] = self._embeddings["words"].shape[1]
        for name, width in heads.widths.items():
            if found[name] != width:
                raise BundleError(f"{WEIGHTS} gives {found[name]} values of {name}, the manifest has {width}")

    @property
    def lanes(self) -> int:
        return 1  # the device is one, and its batches are large

    def sizes(self, width: int) -> tuple[int, ...]:
        return tuple(rows for rows in ROWS if rows == 1 or rows * width <= BATCH_TOKENS)

    def infer(self, ids: Ids, mask: Ids, lane: int = 0) -> HeadOutputs:
        with torch.inference_mode():
            # nothing is masked in an unpadded batch, and attention without a mask is quicker
            padding = None if mask.all() else self._tensor(mask)
            states = self._states(self._tensor(ids), padding)
            pooled = _pooled(states, padding)
            outputs = {name: self._head(name, pooled) for name in ("domain", "jailbreak", *self._asks)}
            pii = self._head("pii", torch.cat(states, dim=2))
            types, probabilities, begins = self._likeliest(pii)
            return HeadOutputs(
                domain=_floats(outputs["domain"]),
                jailbreak=_floats(outputs["jailbreak"]),
                pii=_floats(pii),
                types=types.to(torch.uint8).cpu().numpy(),
                probabilities=_floats(probabilities),
                begins=begins.cpu().numpy(),
                embedding=_floats(self._embedded(pooled, len(states))),
                asks={name: _floats(outputs[name]) for name in self._asks},
            )

    def warm_up(self, rows: int, width: int) -> None:
        """Lets torch choose its kernels for batches of this shape."""
        blank = np.ones((rows, width), dtype=np.int64)
        self.infer(blank, blank)

    def _likeliest(self, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of each token the likeliest type, its probability, and whether a span begins."""
        tags = functional.softmax(logits / self._temperature, dim=2)
        begin, inside = tags[:, :, self._begin], tags[:, :, self._inside]
        probabilities, types = (begin + inside).max(dim=2)
        begins = (begin >= inside).gather(2, types[:, :, None])[:, :, 0]
        return types, probabilities, begins

    def _tensor(self, values: Ids) -> Tensor:
        return torch.from_numpy(values).to(self._device, non_blocking=True)

    def _states(self, ids: Tensor, padding: Tensor) -> list[Tensor]:
        """The states after each layer that is read, each (b, t, hidden) in float32."""
        bias = None if padding is None else padding[:, None, None, :].bool()
        table = self._embeddings
        state = table["words"][ids] + table["positions"][: ids.shape[1]] + table["types"][0]
        state = self._norm(state, table["norm"])
        kept = []
        for number, layer in enumerate(self._layers, start=1):
            state = self._layer(state, layer, bias)
            if number in self._shape.read_layers:
                kept.append(state.float())
            if number == self._shape.read_layers[-1]:
                break
        return kept

    def _layer(self, state: Tensor, layer: Mapping[str, Any], bias: Tensor) -> Tensor:
        rows, width, hidden = state.shape
        split = (rows, width, 3, self._shape.heads, hidden // self._shape.heads)
        query, key, value = functional.linear(state, *layer["attention"]).view(split).permute(2, 0, 3, 1, 4)
        heard = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        heard = heard.transpose(1, 2).reshape(rows, width, hidden)
        state = self._norm(state + functional.linear(heard, *layer["attended"]), layer["attended_norm"])
        inner = functional.gelu(functional.linear(state, *layer["inner"]))
        return self._norm(state + functional.linear(inner, *layer["outer"]), layer["outer_norm"])

    def _norm(self, state: Tensor, pair: Sequence[Tensor]) -> Tensor:
        return functional.layer_norm(state, state.shape[-1:], *pair, eps=self._shape.epsilon)

    def _embedded(self, pooled: Tensor, layers: int) -> Tensor:
        """The last layer's mean plus a linear map of all layers' means, which `pooled` begins with."""
        means = pooled[:, : pooled.shape[1] // 3]
        embedding = means[:, -(means.shape[1] // layers) :]
        if SPACE in self._heads:
            embedding = embedding + functional.linear(means, self._heads[SPACE])
        return functional.normalize(embedding, dim=1)

    def _head(self, name: str, features: Tensor) -> Tensor:
        def pair(part: str) -> tuple[Tensor, Tensor]:
            return self._heads[f"{name}.{part}.weight"], self._heads[f"{name}.{part}.bias"]

        # the heads' own norm is torch's default, not the trunk's
        features = functional.layer_norm(features, features.shape[-1:], *pair("norm"))
        return functional.linear(functional.gelu(functional.linear(features, *pair("inner"))), *pair("outer"))


def _read(folder: Path) -> tuple[dict[str, Tensor], _Shape]:
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        with safe_open(folder / WEIGHTS, framework="pt") as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
            layers = (file.metadata() or {})[READ_LAYERS]
        shape = _Shape(
            int(config["num_attention_heads"]),
            float(config["layer_norm_eps"]),
            tuple(sorted(int(layer) for layer in layers.split(","))),
        )
    except (SafetensorError, ValueError, KeyError) as error:
        raise BundleError(f"{WEIGHTS} and {CONFIG} are not those of a bundle: {error}") from None
    if config.get("model_type") != "bert" or config.get("hidden_act") != "gelu":
        raise BundleError(f"{CONFIG}: torch runs a bundle's BERT trunk with gelu, nothing else")
    return weights, shape


def _moved(weights: Mapping[str, Tensor], device: Tensor, kind: Tensor, *, trunk: bool) -> dict[str, Tensor]:
    return {
        name: value.to(device, kind)
        for name, value in weights.items()
        if name.startswith("trunk.") == trunk and value.is_floating_point()
    }


def _gathered(trunk: Mapping[str, Tensor]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Embedding tables, and the layers' weights with query, key and value as one matrix."""

    def pair(name: str) -> tuple[Tensor, Tensor]:
        return trunk[f"{name}.weight"], trunk[f"{name}.bias"]

    try:
        tables = {
            "words": trunk["trunk.embeddings.word_embeddings.weight"],
            "positions": trunk["trunk.embeddings.position_embeddings.weight"],
            "types": trunk["trunk.embeddings.token_type_embeddings.weight"],
            "norm": pair("trunk.embeddings.LayerNorm"),
        }
        layers: list[dict[str, Any]] = []
        while f"trunk.encoder.layer.{len(layers)}.output.dense.weight" in trunk:
            at = f"trunk.encoder.layer.{len(layers)}."
            parts = [pair(f"{at}attention.self.{part}") for part in ("query", "key", "value")]
            layers.append(
                {
                    "attention": tuple(torch.cat(tensors) for tensors in zip(*parts, strict=True)),
                    "attended": pair(f"{at}attention.output.dense"),
                    "attended_norm": pair(f"{at}attention.output.LayerNorm"),
                    "inner": pair(f"{at}intermediate.dense"),
                    "outer": pair(f"{at}output.dense"),
                    "outer_norm": pair(f"{at}output.LayerNorm"),
                }
            )
    except KeyError as error:
        raise BundleError(f"{WEIGHTS} has no tensor {error}") from None
    return tables, layers


def _pooled(states: Sequence[Tensor], padding: Tensor) -> Tensor:
    """Means, then maxima, then first states of the layers: (b, 3 * layers * hidden)."""
    means = [_mean(state, padding) for state in states]
    if padding is not None:
        away = (1.0 - padding[:, :, None].float()) * 1e4
        maxima = [(state - away).amax(dim=1) for state in states]
    else:
        maxima = [state.amax(dim=1) for state in states]
    return torch.cat([*means, *maxima, *(state[:, 0] for state in states)], dim=1)


def _mean(state: Tensor, padding: Tensor) -> Tensor:
    if padding is None:
        return state.mean(dim=1)
    weights = padding[:, :, None].float()
    return (state * weights).sum(dim=1) / weights.sum(dim=1)


def _floats(tensor: Tensor) -> Floats:
    values: Floats = tensor.float().cpu().numpy()
    return values
