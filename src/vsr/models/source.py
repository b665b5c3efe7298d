"""Where a checkpoint comes from: a local directory or the Hugging Face hub, merged or a LoRA adapter.

Weights must be safetensors. Nothing of a source is run: no pickles, no code from the hub.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsr.errors import BundleError

ADAPTER = "adapter_config.json"
HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
WANTED = ["*.json", "*.safetensors", "*.txt", "*.model"]
"""What is fetched from the hub: weights, configuration, vocabularies; no pickles, no code."""
PICKLES = ("pytorch_model*.bin", "adapter_model.bin", "model.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")
SUPPORTED = {
    "bert": "bert",
    "roberta": "roberta",
    "xlm-roberta": "roberta",
    "deberta-v2": "deberta-v2",
    "modernbert": "modernbert",
}
"""`model_type` of a configuration -> architecture. DeBERTa-v3 calls itself deberta-v2, mmBERT modernbert."""


@dataclass(frozen=True, slots=True)
class Source:
    """`model` holds configuration and weights; `adapter`, if there is one, the LoRA weights on top."""

    name: str
    model: Path
    adapter: Path | None
    architecture: str

    @property
    def own(self) -> Path:
        """Where labels and tokenizer of this checkpoint are looked for first."""
        return self.adapter or self.model


def find_source(source: str, base: str | None = None) -> Source:
    """source: a directory or a hub id. base: of an adapter whose configuration names none that exists."""
    folder = _directory(source)
    if not (folder / ADAPTER).is_file():
        _demand_weights(folder, "*.safetensors")
        return Source(source, folder, None, architecture_of(folder))
    _demand_weights(folder, "adapter_model.safetensors")
    named = base or str(read_json(folder / ADAPTER).get("base_model_name_or_path") or "")
    if not named:
        raise BundleError(f"{folder / ADAPTER} names no base model: give it with --base")
    beside = folder / named
    model = beside if beside.is_dir() else _directory(named, "the adapter's base model: give it with --base")
    _demand_weights(model, "*.safetensors")
    return Source(source, model, folder, architecture_of(model))


def architecture_of(folder: Path) -> str:
    """One of the supported architectures; BundleError for any other."""
    if not (folder / "config.json").is_file():
        raise BundleError(f"{folder} has no config.json: it is not a Hugging Face checkpoint")
    kind = read_json(folder / "config.json").get("model_type")
    if kind not in SUPPORTED:
        known = ", ".join(SUPPORTED)
        raise BundleError(f"{folder}: the architecture {kind!r} is not supported; those that are: {known}")
    return SUPPORTED[kind]


def read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"cannot read {path}: {type(error).__name__}") from None
    if not isinstance(document, dict):
        raise BundleError(f"{path} does not hold a JSON object")
    return document


def base_directory(base: str) -> Path:
    """A base model to fine-tune: a directory or a hub id, with safetensors of a supported architecture."""
    folder = _directory(base)
    _demand_weights(folder, "*.safetensors")
    architecture_of(folder)
    return folder


def _directory(source: str, what: str = "") -> Path:
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    if not HUB_ID.fullmatch(source):
        hint = f" ({what})" if what else ", and the name is not that of a hub model (owner/name)"
        raise BundleError(f"there is no directory {source}{hint}")
    return _fetched(source)


def _fetched(name: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise BundleError("fetching from the hub needs: pip install huggingface_hub") from None
    try:
        return Path(snapshot_download(name, allow_patterns=WANTED))
    except Exception as error:  # noqa: BLE001 - network, disk and server errors are of many families
        raise BundleError(
            f"cannot fetch {name} from the Hugging Face hub ({type(error).__name__}). Without network, "
            f"download it elsewhere (hf download {name} --local-dir DIR) and give DIR instead"
        ) from None


def _demand_weights(folder: Path, pattern: str) -> None:
    if any(folder.glob(pattern)):
        return
    pickles = sorted(file.name for wanted in PICKLES for file in folder.glob(wanted))
    if pickles:
        raise BundleError(
            f"{folder / pickles[0]} is a pickle, which could run code, and is not read. Convert it where you "
            f'trust it, in its directory: python -c "{_conversion(pickles[0])}"'
        )
    raise BundleError(f"{folder} has no {pattern}")


def _conversion(pickle: str) -> str:
    name = "adapter_model.safetensors" if pickle.startswith("adapter") else "model.safetensors"
    return (
        "import torch, safetensors.torch as s; "
        f"w = torch.load('{pickle}', weights_only=True); "
        f"s.save_file({{k: v.clone() for k, v in w.items()}}, '{name}', {{'format': 'pt'}})"
    )
