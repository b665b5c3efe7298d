"""The directory in which imported models live, one folder each: listed, verified, exported.

Reading it needs no torch. A folder that is no model, or a broken one, is told and does not hide others.
"""

from __future__ import annotations

import os
import re
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from vsr.encoder.bundle import MANIFEST as BUNDLE_MANIFEST
from vsr.encoder.bundle import load_bundle
from vsr.encoder.imported.folder import ImportedFolder, file_hash, load_folder
from vsr.encoder.imported.manifest import MANIFEST
from vsr.encoder.imported.model import ready_graph
from vsr.errors import BundleError

VARIABLE = "VSR_MODELS"
NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}")
SUMS = "SHA256SUMS"


@dataclass(frozen=True, slots=True)
class Entry:
    """A folder of the directory: a model, or what is wrong with it."""

    name: str
    path: Path
    model: ImportedFolder | None
    problem: str

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())


def default_directory() -> Path:
    """$VSR_MODELS, or a folder of the user's."""
    named = os.environ.get(VARIABLE)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(named) if named else Path(data) / "vsr" / "models"


def model_path(directory: Path, name: str) -> Path:
    """Where a model of this name lives or would. A path to a model elsewhere stands for itself."""
    if os.sep in name or (Path(name) / MANIFEST).is_file():
        return Path(name)
    if not NAME.fullmatch(name):
        raise BundleError(f"{name!r} cannot name a model: letters, digits, '.', '-' and '_' only")
    return directory / name


def found_path(directory: Path, name: str) -> Path:
    """`model_path` of a model that is there. Raises BundleError with the names of those that are."""
    path = model_path(directory, name)
    if path.is_dir():
        return path
    if path != directory / name:
        raise BundleError(f"there is no directory {name}")
    names = ", ".join(folder.name for folder in _folders(directory)) or "none"
    raise BundleError(f"there is no model {name} in {directory}; there are: {names}")


def entries(directory: Path) -> list[Entry]:
    """Every model in the directory, by name; none if there is no such directory."""
    return [_entry(path) for path in _folders(directory)]


def verify(path: Path) -> ImportedFolder:
    """Hashes again, and the golden outputs on this machine. Raises BundleError."""
    folder = load_folder(path)
    ready_graph(folder)
    return folder


def export(path: Path, out: Path) -> Path:
    """A model or a bundle with the hashes of its files, as a directory, or as a tar file if `out` ends in
    .tar or .tar.gz. Raises BundleError; nothing half-written stays."""
    if out.exists():
        raise BundleError(f"{out} exists; choose another name")
    names = list(_files(path))
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=".export-") as scratch:
        folder = Path(scratch) / "folder" / _stem(out)
        folder.mkdir(parents=True)
        for name in names:
            shutil.copy(path / name, folder / name)
        lines = [f"{file_hash(folder / name).removeprefix('sha256:')}  {name}\n" for name in names]
        (folder / SUMS).write_text("".join(lines), encoding="utf-8")
        made = _packed(folder, Path(scratch) / "packed", out.name) if _is_tar(out) else folder
        made.rename(out)
    return out


def _folders(directory: Path) -> list[Path]:
    if not directory.is_dir():
        return []
    return [path for path in sorted(directory.iterdir()) if path.is_dir() and path.name[0] not in "._"]


def _entry(path: Path) -> Entry:
    try:
        return Entry(path.name, path, load_folder(path), "")
    except BundleError as error:
        return Entry(path.name, path, None, str(error))


def _files(path: Path) -> Iterator[str]:
    """What belongs to it: the manifest, all it names, and the papers beside them."""
    if (path / MANIFEST).is_file():
        yield MANIFEST
        named = load_folder(path).manifest.files
    elif (path / BUNDLE_MANIFEST).is_file():
        yield BUNDLE_MANIFEST
        named = load_bundle(path).manifest.files
    else:
        raise BundleError(f"{path} is neither a bundle nor an imported model")
    yield from sorted(named)
    yield from (name for name in ("README.md", "LICENSE", "NOTICE") if (path / name).is_file())


def _is_tar(out: Path) -> bool:
    return out.name.endswith((".tar", ".tar.gz", ".tgz"))


def _stem(out: Path) -> str:
    return re.sub(r"\.(tar|tar\.gz|tgz)$", "", out.name)


def _packed(folder: Path, packed: Path, name: str) -> Path:
    with tarfile.open(packed, "w" if name.endswith(".tar") else "w:gz") as archive:
        archive.add(folder, arcname=folder.name)
    return packed
