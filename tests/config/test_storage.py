"""A configuration file is replaced whole or not at all, and what it held before is kept."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from vsr.config.storage import KEPT_VERSIONS, ConfigFile, digest_of
from vsr.errors import ConfigError, NotSaved, Stale


@pytest.fixture
def file(tmp_path: Path) -> ConfigFile:
    (tmp_path / "router.yaml").write_text("one\n")
    return ConfigFile(tmp_path / "router.yaml")


def leftovers(file: ConfigFile) -> list[str]:
    return sorted(path.name for path in file.path.parent.iterdir() if path.name.startswith("."))


def test_a_replaced_text_becomes_a_version(file: ConfigFile) -> None:
    file.replace("two\n")
    file.replace("three\n")
    assert file.read() == "three\n"
    assert [file.version(one.id) for one in file.versions()] == ["two\n", "one\n"]
    assert file.versions()[0].digest == digest_of("two\n")


def test_versions_are_bounded_and_the_oldest_go_first(file: ConfigFile) -> None:
    for number in range(KEPT_VERSIONS + 5):
        file.replace(f"{number}\n")
    kept = [file.version(one.id) for one in file.versions()]
    assert len(kept) == KEPT_VERSIONS
    assert kept[0] == f"{KEPT_VERSIONS + 3}\n"


@pytest.mark.parametrize("name", ["../router", "router", "", "x.yaml", "20260101T000000.000000Z-ff"])
def test_a_version_is_found_by_its_own_name_only(file: ConfigFile, name: str) -> None:
    file.replace("two\n")
    assert file.version(name) is None


def test_the_mode_of_the_file_stays(file: ConfigFile) -> None:
    file.path.chmod(0o640)
    file.replace("two\n")
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o640


def test_a_link_stays_a_link(file: ConfigFile, tmp_path: Path) -> None:
    link = tmp_path / "link.yaml"
    link.symlink_to(file.path)
    ConfigFile(link).replace("two\n")
    assert link.is_symlink()
    assert file.read() == "two\n"


def test_another_text_than_expected_is_not_replaced(file: ConfigFile) -> None:
    file.replace("two\n", expected=digest_of("one\n"))
    with pytest.raises(Stale) as caught:
        file.replace("three\n", expected=digest_of("one\n"))
    assert caught.value.found == digest_of("two\n")
    assert file.read() == "two\n"


@pytest.mark.parametrize(
    ("number", "reason"),
    [(errno.ENOSPC, "full"), (errno.EDQUOT, "full"), (errno.EROFS, "read_only"), (errno.EIO, "failed")],
)
def test_what_cannot_be_written_changes_nothing(
    file: ConfigFile, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(NotSaved) as caught:
        file.replace("two\n")
    assert caught.value.reason == reason
    assert file.read() == "one\n"
    assert leftovers(file) == []


def test_a_file_that_may_not_be_written_says_so(file: ConfigFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "not writable" in file.read_only()
    with pytest.raises(NotSaved, match="read-only"):
        file.replace("two\n")


def test_a_file_that_is_gone_or_no_text_is_a_configuration_error(file: ConfigFile) -> None:
    file.path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="UTF-8"):
        file.read()
    file.path.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        file.read()
