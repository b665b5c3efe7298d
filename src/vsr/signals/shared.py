"""What the generations of a process share: connections, child processes and models that signals ask.

Each is opened for the first generation whose configuration names it, and closed with the last one: a
reload that does not change it neither starts it anew nor interrupts what is asked of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Protocol, TypeVar, cast


class Closing(Protocol):
    async def aclose(self) -> None: ...


T = TypeVar("T", bound=Closing)


@dataclass(slots=True)
class _Opened:
    thing: Closing
    users: int = 0


class Shared:
    """By all that a thing was opened with. Used from one event loop; hold `opening` while taking."""

    def __init__(self) -> None:
        self.opening = asyncio.Lock()
        self._opened: dict[Hashable, _Opened] = {}

    def __len__(self) -> int:
        return len(self._opened)

    def lease(self) -> Lease:
        return Lease(self._opened)


class Lease:
    """One generation's part. `aclose` closes what nobody else holds; idempotent."""

    def __init__(self, opened: dict[Hashable, _Opened]) -> None:
        self._opened = opened
        self._held: set[Hashable] = set()

    def take(self, key: Hashable, make: Callable[[], T]) -> T:
        """What was opened under this key, which stands for one type of things; else what `make` opens."""
        return self._hold(key, self._opened.get(key) or _Opened(make()))

    async def load(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """The same for what takes its time to open."""
        return self._hold(key, self._opened.get(key) or _Opened(await make()))

    async def aclose(self) -> None:
        held, self._held = self._held, set()
        for key in held:
            one = self._opened[key]
            one.users -= 1
            if not one.users:
                del self._opened[key]
                await one.thing.aclose()

    def _hold(self, key: Hashable, one: _Opened) -> T:  # type: ignore[type-var] # what `make` makes
        if key not in self._held:
            self._held.add(key)
            self._opened[key] = one
            one.users += 1
        return cast(T, one.thing)
