"""What the encoder read is kept if it can be."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.encoder.tiny_bundle import write_bundle
from vsr.training.outcomes import Row
from vsr.training.question_features import cache_directory, read_features

ROWS = [Row("the algebra word", {"a": 1.0}), Row("john smith", {"a": 0.0})]


def test_what_cannot_be_kept_is_read_all_the_same(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING):
        features = read_features(ROWS, bundle, tmp_path / "file" / "cache")
    assert len(features.rows) == 2
    assert "what the encoder read is not kept" in caplog.text
    read_features(ROWS, bundle, tmp_path / "cache")
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".npz"]


def test_every_user_has_a_cache_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_directory() == tmp_path / "vsr" / "selection"
