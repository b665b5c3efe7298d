"""Notices that a file was replaced or rewritten, by looking: no descriptor to lose, no event to miss.

A look is one `stat`, which follows symbolic links: an editor's rename, a write in place and the swap of
the `..data` link of a Kubernetes volume all show. What the file holds is not this module's business.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

INTERVAL: Final = 1.0
"""Seconds between two looks."""
SETTLE: Final = 0.3
"""Seconds for which a changed file must stay as it is: a write in place takes several steps."""

_Signature = tuple[int, ...] | None


async def changes(path: Path, *, interval: float = INTERVAL, settle: float = SETTLE) -> AsyncIterator[None]:
    """Yields once at the start, then after every change, also if the file goes away. Never ends."""
    seen: _Signature = ()
    while True:
        found = _signature(path)
        if found != seen:
            seen = await _settled(path, found, settle)
            yield
        else:
            await asyncio.sleep(interval)


async def _settled(path: Path, found: _Signature, settle: float) -> _Signature:
    while True:
        await asyncio.sleep(settle)
        again = _signature(path)
        if again == found:
            return found
        found = again


def _signature(path: Path) -> _Signature:
    """None if there is no such file."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
