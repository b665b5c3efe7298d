"""Several configuration files as one."""

from __future__ import annotations

from pathlib import Path

import pytest

from vsr.config.merge import merge, merge_files
from vsr.config.paths import Plain
from vsr.errors import ConfigError


def test_mappings_are_merged_and_everything_else_of_the_later_file_wins() -> None:
    base: Plain = {"a": {"x": 1, "y": [1, 2]}, "b": 1}
    assert merge(base, {"a": {"y": [3]}, "c": {"z": 2}}) == {"a": {"x": 1, "y": [3]}, "b": 1, "c": {"z": 2}}


def test_files_are_merged_in_order_with_their_references_kept(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("a: ${KEY}\nb: {c: 1}\n", "utf-8")
    (tmp_path / "two.yaml").write_text("b: {c: 2, d: 3}\n", "utf-8")
    merged = merge_files([tmp_path / "one.yaml", tmp_path / "two.yaml"])
    assert merged == "a: ${KEY}\nb:\n  c: 2\n  d: 3\n"


def test_a_file_that_is_no_mapping_is_told_by_name(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("[1]\n", "utf-8")
    with pytest.raises(ConfigError, match=r"list\.yaml: must be a mapping"):
        merge_files([tmp_path / "list.yaml"])
