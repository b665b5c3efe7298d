"""What generations share is opened once and closed once, whoever goes first."""

from __future__ import annotations

import pytest

from vsr.signals.shared import Shared


class Thing:
    closed = 0

    async def aclose(self) -> None:
        self.closed += 1


async def test_what_two_ask_for_is_opened_once_and_closed_with_the_second() -> None:
    shared = Shared()
    first, second = shared.lease(), shared.lease()
    thing = first.take("k", Thing)
    assert second.take("k", Thing) is thing
    await first.aclose()
    assert thing.closed == 0
    await second.aclose()
    assert (thing.closed, len(shared)) == (1, 0)


async def test_one_that_takes_twice_and_closes_twice_counts_once() -> None:
    shared = Shared()
    first, second = shared.lease(), shared.lease()
    thing = first.take("k", Thing)
    assert first.take("k", Thing) is thing
    second.take("k", Thing)
    await first.aclose()
    await first.aclose()
    assert thing.closed == 0
    assert len(shared) == 1


async def test_what_nobody_holds_any_more_is_opened_anew() -> None:
    shared = Shared()
    lease = shared.lease()
    before = lease.take("k", Thing)
    await lease.aclose()
    assert shared.lease().take("k", Thing) is not before


async def test_what_takes_its_time_is_shared_too_and_nothing_stays_of_what_fails() -> None:
    shared = Shared()

    async def broken() -> Thing:
        raise OSError("no")

    async def made() -> Thing:
        return Thing()

    lease = shared.lease()
    with pytest.raises(OSError, match="no"):
        await lease.load("k", broken)
    assert not len(shared)
    thing = await lease.load("k", made)
    assert await shared.lease().load("k", broken) is thing
