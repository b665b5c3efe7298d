from __future__ import annotations

from pathlib import Path

import pytest

from tests.encoder.tiny_bundle import write_bundle


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny bundle's folder; nobody writes into it."""
    return write_bundle(tmp_path_factory.mktemp("bundles") / "tiny")
