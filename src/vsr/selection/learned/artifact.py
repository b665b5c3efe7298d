"""A trained selector on disk: `selector.json` and `arrays.npz`, plain numbers and no pickle.

Loading checks form, hash and shapes; whether it fits the bundle and the candidates is the business of
whoever uses it. `vsr.training.selector` writes it.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from vsr.errors import SelectorError

FORMAT: Final = 2
"""Raised whenever the features of a question change, since a selector fits those it was trained on."""
MANIFEST: Final = "selector.json"
ARRAYS: Final = "arrays.npz"
MAX_BYTES: Final = 512 * 1024 * 1024

Kind = Literal["knn", "kmeans", "svm", "mlp", "difficulty"]
Array = NDArray[np.float32]

SHAPES: Final[Mapping[Kind, Mapping[str, int]]] = {
    "knn": {"points": 2, "outcomes": 2},
    "kmeans": {"centres": 2, "quality": 2},
    "svm": {"mean": 1, "scale": 1, "weights": 2, "bias": 1, "slope": 1, "offset": 1},
    "mlp": {"mean": 1, "scale": 1, "weights_0": 2, "bias_0": 1, "weights_1": 2, "bias_1": 1},
    "difficulty": {"mean": 1, "scale": 1, "weights": 1, "quantiles": 1},
}
"""The arrays of each kind and their number of dimensions."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """bundle: digest of the encoder bundle whose embeddings it was trained on. domains: labels in the
    order of the features. models: what it predicts for, in the order of the arrays; empty for
    `difficulty`. settings: numbers of the kind. report: what was measured when it was made."""

    format: int
    kind: Kind
    bundle: str
    dimension: int
    domains: tuple[str, ...]
    models: tuple[str, ...]
    settings: dict[str, float]
    arrays: str
    report: dict[str, object]


@dataclass(frozen=True, slots=True)
class Artifact:
    path: Path
    manifest: Manifest
    arrays: Mapping[str, Array]


def load_artifact(path: Path) -> Artifact:
    """Raises SelectorError, one sentence that names the directory and what is wrong with it."""
    try:
        return _load(path)
    except SelectorError as error:
        raise SelectorError(f"selector {path}: {error}") from None
    except OSError as error:
        raise SelectorError(f"selector {path}: cannot read {error.filename}: {error.strerror}") from None


def read_manifest(path: Path) -> Manifest:
    """As `load_artifact`, without the arrays."""
    if not (path / MANIFEST).is_file():
        raise SelectorError(f"there is no {MANIFEST}; make one with vsr train-selector --out {path}")
    try:
        manifest = TypeAdapter(Manifest).validate_json((path / MANIFEST).read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SelectorError(f"{MANIFEST}: {where}: {first['msg']}") from None
    if manifest.format != FORMAT:
        raise SelectorError(
            f"{MANIFEST} has format {manifest.format}; this version reads format {FORMAT}: train it again"
        )
    return manifest


def _load(path: Path) -> Artifact:
    manifest = read_manifest(path)
    file = path / ARRAYS
    if file.stat().st_size > MAX_BYTES:
        raise SelectorError(f"{ARRAYS} is over {MAX_BYTES} bytes")
    if manifest.arrays != f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}":
        raise SelectorError(f"{ARRAYS} differs from its hash in {MANIFEST}; it is damaged or was changed")
    try:
        with np.load(file, allow_pickle=False) as stored:
            arrays = {name: np.asarray(stored[name], dtype=np.float32) for name in stored.files}
    except (ValueError, zipfile.BadZipFile):
        raise SelectorError(f"{ARRAYS} does not hold plain arrays") from None
    for name, dimensions in SHAPES[manifest.kind].items():
        if name not in arrays or arrays[name].ndim != dimensions:
            raise SelectorError(f"{ARRAYS} needs '{name}' with {dimensions} dimensions")
    return Artifact(path, manifest, arrays)


def save_artifact(path: Path, manifest: Manifest, arrays: Mapping[str, Array]) -> None:
    """`manifest.arrays` is filled in here."""
    path.mkdir(parents=True, exist_ok=True)
    plain = {name: np.asarray(array) for name, array in arrays.items()}
    np.savez(path / ARRAYS, allow_pickle=False, **plain)
    digest = hashlib.sha256((path / ARRAYS).read_bytes()).hexdigest()
    fields = {name: getattr(manifest, name) for name in Manifest.__slots__} | {"arrays": f"sha256:{digest}"}
    (path / MANIFEST).write_text(json.dumps(fields, indent=2, ensure_ascii=False) + "\n")
