from __future__ import annotations

from pathlib import Path

import pytest

from tests.encoder.tiny_bundle import write_bundle
from vsr.encoder.bundle import Bundle, load_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The tiny bundle; nobody writes into it."""
    return load_bundle(write_bundle(tmp_path_factory.mktemp("bundles") / "tiny"))


@pytest.fixture
def copy(bundle: Bundle, tmp_path: Path) -> Path:
    """The tiny bundle's files, to be spoilt."""
    for file in bundle.path.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path
