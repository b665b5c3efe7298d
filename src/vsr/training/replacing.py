"""Files that have their name only when they are whole: a later run takes what is there for finished."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Where to write what shall be `path`: it gets that name when the block ends without an error."""
    part = path.with_name(f"part-{path.name}")
    yield part
    part.replace(path)
