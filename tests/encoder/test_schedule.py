from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest

from vsr.encoder.schedule import SMALL_BATCHES, Job, Schedule, bucket
from vsr.errors import Overloaded

FULL = 126
LONG = 1_000


def sizes(width: int) -> tuple[int, ...]:
    return (1, 2, 4, 8)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def job(loop: asyncio.AbstractEventLoop, *lengths: int) -> Job:
    numbers = count()
    windows = {str(next(numbers)).encode(): np.zeros(length, dtype=np.int32) for length in lengths}
    return Job(windows, loop.create_future())


def schedule(*jobs: Job, limit: int = 1_000_000, lanes: int = 1) -> Schedule:
    made = Schedule(limit, LONG, sizes, lanes)
    for one in jobs:
        made.add(one)
    return made


def drained(made: Schedule) -> list[list[Job]]:
    batches = []
    while (batch := made.take()) is not None:
        batches.append([row.job for row in batch.rows])
    return batches


def taken(made: Schedule) -> list[Job]:
    batch = made.take()
    assert batch is not None
    return [row.job for row in batch.rows]


def test_nothing_waits_for_a_batch_to_fill(loop: asyncio.AbstractEventLoop) -> None:
    only = job(loop, 10)
    assert drained(schedule(only)) == [[only]]


def test_windows_of_similar_length_of_several_requests_share_a_batch(
    loop: asyncio.AbstractEventLoop,
) -> None:
    short, other, long = job(loop, 10), job(loop, 20), job(loop, 100)
    assert sorted(len(batch) for batch in drained(schedule(short, other, long))) == [1, 2]


def test_a_batch_is_bounded_by_tokens_and_every_window_is_read(loop: asyncio.AbstractEventLoop) -> None:
    long = job(loop, *[FULL] * 21)
    batches = drained(schedule(long))
    assert [len(batch) for batch in batches] == [8, 8, 4, 1]


@pytest.mark.parametrize(("tokens", "width"), [(1, 36), (34, 36), (35, 68), (126, 136), (135, 160)])
def test_a_window_is_padded_little(tokens: int, width: int) -> None:
    assert bucket(tokens) == width


def test_a_window_wider_than_a_batch_is_read_all_the_same(loop: asyncio.AbstractEventLoop) -> None:
    assert len(drained(schedule(job(loop, 2 * LONG)))) == 1


def test_a_short_request_waits_for_at_most_one_batch_of_long_ones(
    loop: asyncio.AbstractEventLoop,
) -> None:
    made = schedule(*(job(loop, *[FULL] * 300) for _ in range(5)))
    for _ in range(7):
        made.take()
        short = job(loop, 10)
        made.add(short)
        batches = [made.take(), made.take()]
        assert any(batch is not None and batch.rows[0].job is short for batch in batches)


def test_while_short_requests_come_long_ones_are_read_in_small_batches(
    loop: asyncio.AbstractEventLoop,
) -> None:
    long = job(loop, *[FULL] * 100)
    made = schedule(long)
    assert len(taken(made)) == 8
    short = job(loop, 10)
    made.add(short)
    assert taken(made) == [short]
    sizes = [len(taken(made)) for _ in range(SMALL_BATCHES + 1)]
    assert sizes == [*[1] * SMALL_BATCHES, 8]


def test_every_short_request_is_read_before_the_next_batch_of_a_long_one(
    loop: asyncio.AbstractEventLoop,
) -> None:
    made = schedule(job(loop, *[FULL] * 100))
    for _ in range(5):
        made.take()
        short = job(loop, 10)
        made.add(short)
        assert taken(made) == [short]


@pytest.mark.parametrize("before", range(4))
def test_a_short_request_is_read_next_however_many_long_ones_wait(
    loop: asyncio.AbstractEventLoop, before: int
) -> None:
    made = schedule(*(job(loop, *[FULL] * count) for count in (300, 200, 100)))
    for _ in range(before + 1):
        made.take()
    short = job(loop, 10)
    made.add(short)
    assert taken(made) == [short]


def test_a_long_request_goes_on_however_many_short_ones_come(loop: asyncio.AbstractEventLoop) -> None:
    long = job(loop, *[FULL] * 24)
    made = schedule(long)
    turns = 0
    while long.width:
        for _ in range(100):
            made.add(job(loop, 10))
        made.take()
        turns += 1
    assert turns <= 2 * 24  # every second batch is its own


def test_a_full_queue_refuses_at_once(loop: asyncio.AbstractEventLoop) -> None:
    made = schedule(*(job(loop, 30) for _ in range(4)), limit=4 * 36)
    with pytest.raises(Overloaded) as caught:
        made.add(job(loop, 30))
    assert caught.value.retry_after == 1


def test_a_request_counts_until_it_leaves(loop: asyncio.AbstractEventLoop) -> None:
    first = job(loop, 30)
    made = schedule(first, limit=100)
    made.take()
    assert made.held_tokens > 0
    made.leave(first)
    made.leave(first)
    assert made.held_tokens == 0


def test_a_request_larger_than_the_queue_takes_a_share_of_it(loop: asyncio.AbstractEventLoop) -> None:
    made = schedule(job(loop, *[FULL] * 100), limit=1000)
    assert made.held_tokens == 250
    made.add(job(loop, 10))


def test_long_requests_together_leave_a_quarter_of_the_queue_to_short_ones(
    loop: asyncio.AbstractEventLoop,
) -> None:
    long = [job(loop, *[FULL] * 100) for _ in range(4)]
    made = schedule(*long[:3], limit=1000)
    with pytest.raises(Overloaded):
        made.add(long[3])
    for _ in range(6):
        made.add(job(loop, 10))
    made.leave(long[0])
    made.add(long[3])


def test_a_request_that_left_is_not_read(loop: asyncio.AbstractEventLoop) -> None:
    gone, there = job(loop, 10), job(loop, 12)
    made = schedule(gone, there)
    made.leave(gone)
    assert drained(made) == [[there]]


def full(made: Schedule) -> list[Job]:
    batch = made.take_full()
    return [row.job for row in batch.rows] if batch else []


def test_a_further_lane_takes_full_batches_only(loop: asyncio.AbstractEventLoop) -> None:
    long = job(loop, *[FULL] * 20)
    made = schedule(long, job(loop, 10), lanes=2)
    assert [len(full(made)) for _ in range(3)] == [8, 8, 0]
    assert not made.has_full()
    assert sum(map(len, drained(made))) == 5


def test_short_requests_make_a_full_batch_together(loop: asyncio.AbstractEventLoop) -> None:
    made = schedule(*(job(loop, 10) for _ in range(7)), lanes=2)
    assert not made.has_full()
    made.add(job(loop, 12))
    assert len(full(made)) == 8


def test_while_short_requests_come_the_first_lane_leaves_long_ones_to_the_others(
    loop: asyncio.AbstractEventLoop,
) -> None:
    long = job(loop, *[FULL] * 17)
    made = schedule(long, lanes=2)
    short = job(loop, 10)
    made.add(short)
    assert full(made) == [long] * 8
    assert taken(made) == [short]
    assert made.take() is None
    assert full(made) == [long] * 8
    assert taken(made) == [long]  # one window fills no batch


def test_a_long_request_is_read_on_all_lanes_once_no_short_ones_come(
    loop: asyncio.AbstractEventLoop,
) -> None:
    long = job(loop, *[FULL] * (8 * SMALL_BATCHES + 16))
    made = schedule(long, lanes=2)
    made.add(job(loop, 10))
    made.take()
    for _ in range(SMALL_BATCHES):
        assert full(made) == [long] * 8
    assert taken(made) == [long] * 8
    assert full(made) == [long] * 8


def test_windows_of_a_request_that_left_make_no_full_batch(loop: asyncio.AbstractEventLoop) -> None:
    gone = job(loop, *[FULL] * 9)
    made = schedule(gone, lanes=2)
    made.take_full()
    made.leave(gone)
    assert not made.has_full()
    assert made.take_full() is None
