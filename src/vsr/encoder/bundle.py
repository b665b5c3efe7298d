"""A bundle on disk: found, read and verified before anything of it is used (see docs/bundle.md).

Loading checks form and hashes only. Whether the graph answers on this processor as it did where it
was built is seen at the encoder's start, by `golden`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vsr.encoder.manifest import Manifest, parse_manifest
from vsr.encoder.windows import cover
from vsr.errors import BundleError
from vsr.facts import Readings

MANIFEST = "vsr.json"
GRAPH = "openvino_model.xml"
WEIGHTS = "openvino_model.bin"
TOKENIZER = "tokenizer.json"
WIDE = "wide.npz"
"""Not in every bundle; see `wide`."""
ENGINES = {"openvino": (GRAPH, WEIGHTS, TOKENIZER), "torch": ("model.safetensors", "config.json", TOKENIZER)}
"""The files that each engine reads."""
PICKLES = ("*.pkl", "*.pickle", "*.pt", "*.pth", "*.ckpt", "*.joblib", "pytorch_model*.bin")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle. `digest` (hex SHA-256 of the manifest, which holds the hash of every other
    file) names its exact content."""

    path: Path
    manifest: Manifest
    digest: str

    @property
    def engine(self) -> str:
        """One of ENGINES; the manifest says `openvino-int8` and the like."""
        return self.manifest.engine.partition("-")[0]

    @property
    def graph_path(self) -> Path:
        return self.path / GRAPH

    @property
    def tokenizer_path(self) -> Path:
        return self.path / TOKENIZER

    @property
    def wide_path(self) -> Path | None:
        """The weights of the wide part, None if the manifest names none."""
        return self.path / WIDE if WIDE in self.manifest.files else None

    def guarded_windows(self, readings: Readings) -> int:
        """How long a request is to the guard: as many windows as the tokens that it judges would fill in one
        text. Short messages and the bridges between them are windows, but no more text to be wrong about."""
        coverage = readings.coverage
        tokens = coverage.tokens if coverage.guarded_tokens is None else coverage.guarded_tokens
        filled = len(cover(tokens, self.manifest.windows))
        return max(1, min(filled, sum(not window.beside for window in readings.jailbreak)))

    def jailbreak_threshold(self, role: Literal["any", "system"], windows: int) -> float:
        """What the maximum risk over `windows` windows is held against.

        Rows of exactly this role come first, those of "any" after them; the first whose
        `max_windows` is not exceeded applies.
        """
        points = self.manifest.heads.jailbreak.operating_points
        for wanted in (role, "any"):
            for point in points:
                if point.role == wanted and (point.max_windows is None or windows <= point.max_windows):
                    return point.threshold
        raise AssertionError("a parsed manifest has a row for any number of windows")


def default_bundle_path() -> Path:
    """The bundle that ships inside the package."""
    return Path(__file__).parent / "bundles" / "default"


def load_bundle(path: Path) -> Bundle:
    """Raises BundleError, one sentence that names the bundle and what is wrong with it."""
    try:
        return _load(path)
    except BundleError as error:
        raise BundleError(f"bundle {path}: {error}") from None
    except OSError as error:
        raise BundleError(f"bundle {path}: cannot read {error.filename}: {error.strerror}") from None


def _load(path: Path) -> Bundle:
    if not path.is_dir():
        raise BundleError("there is no such directory")
    pickles = sorted(file.name for pattern in PICKLES for file in path.rglob(pattern))
    if pickles:
        raise BundleError(f"{pickles[0]} looks like a pickle, which could run code; remove it")
    if not (path / MANIFEST).is_file():
        raise BundleError(f"{MANIFEST} is missing")
    text = (path / MANIFEST).read_bytes()
    manifest = parse_manifest(text)
    if manifest.engine.partition("-")[0] not in ENGINES:
        known = " and ".join(ENGINES)
        raise BundleError(f"made for the engine {manifest.engine!r}; this version runs {known}")
    _verify(path, manifest)
    return Bundle(path, manifest, hashlib.sha256(text).hexdigest())


def _verify(path: Path, manifest: Manifest) -> None:
    for name in ENGINES[manifest.engine.partition("-")[0]]:
        if name not in manifest.files:
            raise BundleError(f"{MANIFEST} has no hash for {name}")
    for name, expected in manifest.files.items():
        if not (path / name).is_file():
            raise BundleError(f"{name} is missing")
        with (path / name).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if expected != f"sha256:{found}":
            raise BundleError(f"{name} differs from its hash in {MANIFEST}; it is damaged or was changed")
