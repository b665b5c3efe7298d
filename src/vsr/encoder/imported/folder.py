"""An imported model on disk: found, read and verified before anything of it is used.

Loading checks form and hashes. Whether the graph answers on this processor as it did where it was
converted is seen when it starts.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from vsr.encoder.bundle import GRAPH, PICKLES, TOKENIZER, WEIGHTS
from vsr.encoder.imported.manifest import MANIFEST, ImportedManifest, parse_imported
from vsr.errors import BundleError


@dataclass(frozen=True, slots=True)
class ImportedFolder:
    """A verified model. `digest`: hex SHA-256 of the manifest, which holds the hash of every other file."""

    path: Path
    manifest: ImportedManifest
    digest: str


def load_folder(path: Path) -> ImportedFolder:
    """Raises BundleError, one sentence that names the model and what is wrong with it."""
    try:
        return _load(path)
    except BundleError as error:
        raise BundleError(f"model {path}: {error}") from None
    except OSError as error:
        raise BundleError(f"model {path}: cannot read {error.filename}: {error.strerror}") from None


def file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def demand_single_label(config: Path) -> None:
    """Raises BundleError if the logits of a checkpoint are not for a softmax, by its config.json."""
    try:
        problem = json.loads(config.read_bytes()).get("problem_type")
    except (ValueError, AttributeError) as error:
        raise BundleError(f"{config} is not a configuration: {type(error).__name__}") from None
    if problem not in (None, "single_label_classification"):
        raise BundleError(f"{config} is for {problem}, but an imported model chooses one label of several")


def _load(path: Path) -> ImportedFolder:
    if not (path / MANIFEST).is_file():
        raise BundleError(f"{MANIFEST} is missing; `vsr models import` makes such a directory")
    pickles = sorted(file.name for pattern in PICKLES for file in path.rglob(pattern))
    if pickles:
        raise BundleError(f"{pickles[0]} looks like a pickle, which could run code; remove it")
    text = (path / MANIFEST).read_bytes()
    manifest = parse_imported(text)
    for name in (GRAPH, WEIGHTS, TOKENIZER):
        if name not in manifest.files:
            raise BundleError(f"{MANIFEST} has no hash for {name}")
    for name, expected in manifest.files.items():
        if not (path / name).is_file():
            raise BundleError(f"{name} is missing")
        if file_hash(path / name) != expected:
            raise BundleError(f"{name} differs from its hash in {MANIFEST}; it is damaged or was changed")
    if manifest.task != "embedding" and "config.json" in manifest.files:
        demand_single_label(path / "config.json")
    return ImportedFolder(path, manifest, hashlib.sha256(text).hexdigest())
