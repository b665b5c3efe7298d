"""The merged network as plain weights, and a bundle of them for torch: what a CUDA device runs.

    python -m vsr.training.weights --work work --out bundle-torch

The merge stage ends with `save_weights` and the export stage begins with `load_weights`; the command takes
what a finished run left in its work directory. Temperatures and thresholds are those of the int8 bundle,
golden outputs are computed anew.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file
from transformers import BertConfig

from vsr.encoder.bundle import TOKENIZER, WIDE
from vsr.encoder.golden import observe
from vsr.encoder.heads import HeadReader
from vsr.encoder.manifest import Heads, parse_manifest
from vsr.encoder.tokens import TextTokenizer
from vsr.encoder.torch import CONFIG, READ_LAYERS, WEIGHTS, TorchBackend
from vsr.encoder.wide import widened
from vsr.training.bundle import sha256
from vsr.training.model import Network
from vsr.training.replacing import replacing


def save_weights(network: Network, folder: Path) -> None:
    """`model.safetensors` of a merged network and, once that is whole, its `config.json`."""
    weights = {name: value.detach().contiguous() for name, value in network.state_dict().items()}
    save_file(weights, folder / WEIGHTS, {"format": "pt", READ_LAYERS: ",".join(map(str, network.reads))})
    with replacing(folder / CONFIG) as part:
        part.write_text(network.trunk.config.to_json_string(), encoding="utf-8")


def load_weights(folder: Path) -> Network:
    """The network that `save_weights` left in `folder`."""
    network = Network(BertConfig.from_json_file(folder / CONFIG))
    network.load_state_dict(load_file(folder / WEIGHTS))
    return network


def torch_bundle(weights: Path, manifest: Path, out: Path) -> None:
    """A bundle in `out` of the weights and tokenizer in `weights` and the calibration in `manifest`."""
    out.mkdir(parents=True, exist_ok=True)
    files = [name for name in (WEIGHTS, CONFIG, TOKENIZER, WIDE) if name != WIDE or (weights / name).exists()]
    for name in files:
        shutil.copy(weights / name, out / name)
    document = json.loads(manifest.read_text(encoding="utf-8"))
    document["engine"] = "torch"
    document["files"] = {name: f"sha256:{sha256(out / name)}" for name in files}
    heads = parse_manifest(manifest.read_bytes()).heads
    wide = out / WIDE if WIDE in files else None
    document["golden"] = _goldens(out, wide, heads, [golden["text"] for golden in document["golden"]])
    text = json.dumps(document, ensure_ascii=False, indent=1)
    (out / "vsr.json").write_text(text + "\n", encoding="utf-8")


def _goldens(folder: Path, wide: Path | None, heads: Heads, texts: list[str]) -> list[dict[str, object]]:
    # on the CPU in float32, so that every device is held to the same answers
    backend = widened(TorchBackend(folder, heads, device="cpu"), wide, heads)
    tokenizer = TextTokenizer(folder / TOKENIZER)
    reader = HeadReader(heads)
    goldens: list[dict[str, object]] = []
    for text in texts:
        seen = observe([tokenizer.encode(text).ids], tokenizer, backend, reader)[0]
        asks = {name: [round(float(value), 5) for value in row] for name, row in seen.asks.items()}
        goldens.append(
            {
                "text": text,
                "domain": [round(float(value), 5) for value in seen.domain],
                "jailbreak": round(seen.risk, 5),
                "embedding": [round(float(value), 5) for value in seen.embedding],
                "pii": [heads.pii.labels[tag] for tag in seen.tags.argmax(axis=-1)],
                **asks,
            }
        )
    return goldens


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m vsr.training.weights", description="A bundle for torch.")
    parser.add_argument("--work", type=Path, default=Path("work"), metavar="DIR", help="of a finished run")
    parser.add_argument("--out", type=Path, required=True, metavar="BUNDLE")
    arguments = parser.parse_args()
    torch_bundle(arguments.work / "fp32", arguments.work / "int8" / "vsr.json", arguments.out)


if __name__ == "__main__":
    main()
