"""A configuration file on disk: read, replaced in one step, and its last versions kept beside it.

Knows bytes and digests, nothing of what they mean. Replacing is safe against a crash, a full disk and
another process that writes at the same time: afterwards the file is either the old or the new one.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vsr.errors import ConfigError, NotSaved, Problem, Stale

KEPT_VERSIONS: Final = 20
_VERSION: Final = re.compile(r"([0-9]{8}T[0-9]{6}\.[0-9]{6}Z)-([0-9a-f]{64})\.yaml")
_LOCK_SECONDS: Final = 5.0
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_READ_ONLY: Final = (errno.EACCES, errno.EPERM, errno.EROFS)


def digest_of(text: str) -> str:
    """What names a configuration everywhere: hex SHA-256 of its text."""
    return hashlib.sha256(text.encode()).hexdigest()


def read_text(path: Path) -> str:
    """ConfigError if it cannot be read or is not UTF-8."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError([Problem("is not UTF-8 text", str(path))]) from error
    except OSError as error:
        raise ConfigError([Problem(f"cannot be read: {error.strerror}", str(path))]) from error


@dataclass(frozen=True, slots=True)
class Version:
    """A text that was replaced. saved: UTC, when that happened."""

    id: str
    saved: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """path may be a symbolic link: what it points to is replaced, the link stays."""

    path: Path

    def read(self) -> str:
        return read_text(self.path)

    def read_only(self) -> str:
        """Why `replace` cannot work, empty if it should."""
        target = self._target()
        if not os.access(target.parent, os.W_OK | os.X_OK):
            return f"the directory {target.parent} is not writable for this process"
        if target.exists() and not os.access(target, os.W_OK):
            return f"{target} is not writable for this process"
        if os.path.ismount(target):
            return f"{target} is mounted by itself; mount its directory instead"
        return ""

    def replace(self, text: str, *, expected: str = "") -> None:
        """expected: digest of the text that is to be replaced, empty for whatever is there.

        Raises Stale if something else is there, NotSaved if it cannot be done; then nothing has changed.
        """
        if reason := self.read_only():
            raise NotSaved(f"The configuration is read-only: {reason}.", "read_only")
        target = self._target()
        try:
            with self._locked():
                before = target.read_bytes() if target.exists() else b""
                found = digest_of(before.decode("utf-8-sig", "replace"))
                if expected and found != expected:
                    raise Stale("The file was changed meanwhile; read it again and repeat the change.", found)
                self._keep(before)
                _write(target, text.encode())
        except OSError as error:
            raise _not_saved(error) from None

    def versions(self) -> tuple[Version, ...]:
        """The newest first."""
        found = []
        for path in self._directory().glob("*.yaml"):
            if match := _VERSION.fullmatch(path.name):
                with suppress(FileNotFoundError):  # another process may just be dropping the oldest
                    found.append(Version(path.stem, match[1], match[2], path.stat().st_size))
        return tuple(sorted(found, key=lambda version: version.id, reverse=True))

    def version(self, name: str) -> str | None:
        """The text of a version; None if there is none of this name (any more)."""
        if not _VERSION.fullmatch(f"{name}.yaml"):
            return None
        try:
            return (self._directory() / f"{name}.yaml").read_bytes().decode("utf-8-sig")
        except (FileNotFoundError, UnicodeDecodeError):
            return None

    def _target(self) -> Path:
        return Path(os.path.realpath(self.path))

    def _directory(self) -> Path:
        target = self._target()
        return target.with_name(f"{target.name}.versions")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time, over all processes: comparing and replacing are one step."""
        directory = self._directory()
        directory.mkdir(mode=0o700, exist_ok=True)
        with (directory / ".lock").open("a") as lock:
            lock_alone(lock.fileno(), _LOCK_SECONDS)
            yield

    def _keep(self, before: bytes) -> None:
        if not before:
            return
        now = time.time_ns() // 1000
        saved = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now // 1_000_000)) + f".{now % 1_000_000:06d}Z"
        digest = digest_of(before.decode("utf-8-sig", "replace"))
        _write(self._directory() / f"{saved}-{digest}.yaml", before, mode=0o600)
        for version in self.versions()[KEPT_VERSIONS:]:
            (self._directory() / f"{version.id}.yaml").unlink(missing_ok=True)


def lock_alone(file: int, seconds: float) -> None:
    """Raises OSError (EWOULDBLOCK) if somebody else holds the file's lock for longer."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _write(target: Path, data: bytes, mode: int | None = None) -> None:
    """Through a temporary file in the same directory; owner and mode stay, if they can."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            _like(target, file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(name, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise
    directory = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _like(target: Path, descriptor: int, mode: int | None) -> None:
    try:
        old = target.stat()
    except FileNotFoundError:
        os.fchmod(descriptor, mode if mode is not None else 0o644)
        return
    with suppress(PermissionError):  # only root may give files away
        os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, old.st_mode & 0o7777)


def _not_saved(error: OSError) -> NotSaved:
    why = os.strerror(error.errno) if error.errno else type(error).__name__
    if error.errno in _FULL:
        return NotSaved(f"The configuration could not be saved: {why}. Nothing was changed.", "full")
    if error.errno == errno.EBUSY:
        why = "it is mounted by itself; mount its directory instead"
    if error.errno in (*_READ_ONLY, errno.EBUSY):
        return NotSaved(f"The configuration is read-only: {why}.", "read_only")
    return NotSaved(f"The configuration could not be saved: {why}. Nothing was changed.", "failed")
