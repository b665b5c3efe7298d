from __future__ import annotations

import asyncio

import pytest

from vsr.encoder.failures import EncoderFailed, EncoderTimeout
from vsr.encoder.remote import mcp
from vsr.encoder.remote.limits import Broken, Guarded, Limits, Nonsense
from vsr.errors import Overloaded


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def fails() -> None:
    raise ValueError("quotes a secret")


async def works() -> str:
    return "fine"


async def hangs() -> None:
    await asyncio.Event().wait()


async def test_a_service_that_keeps_failing_is_left_alone_for_a_while() -> None:
    clock = Clock()
    guarded = Guarded("a guard", Limits(failures=2, pause=30), clock)
    for _ in range(2):
        with pytest.raises(EncoderFailed, match="ValueError"):
            await guarded.call(fails, None)
    with pytest.raises(EncoderFailed, match="left alone after 2 failures"):
        await guarded.call(works, None)
    clock.now = 31
    assert await guarded.call(works, None) == "fine"
    with pytest.raises(EncoderFailed, match="ValueError"):
        await guarded.call(fails, None)
    assert await guarded.call(works, None) == "fine"


async def test_one_failure_after_the_pause_is_enough_to_be_left_alone_again() -> None:
    clock = Clock()
    guarded = Guarded("a guard", Limits(failures=2, pause=30), clock)
    for _ in range(2):
        with pytest.raises(EncoderFailed):
            await guarded.call(fails, None)
    clock.now = 31
    with pytest.raises(EncoderFailed):
        await guarded.call(fails, None)
    with pytest.raises(EncoderFailed, match="left alone"):
        await guarded.call(works, None)


async def test_what_an_error_says_is_not_passed_on() -> None:
    with pytest.raises(EncoderFailed) as caught:
        await Guarded("a guard", Limits()).call(fails, None)
    assert "secret" not in str(caught.value)


async def test_a_call_ends_at_the_deadline_and_at_the_services_own_limit() -> None:
    loop = asyncio.get_running_loop()
    with pytest.raises(EncoderTimeout):
        await Guarded("a guard", Limits(timeout=60)).call(hangs, loop.time())
    with pytest.raises(EncoderTimeout):
        await Guarded("a guard", Limits(timeout=0)).call(hangs, None)


async def test_calls_beyond_the_queue_are_refused_at_once() -> None:
    guarded = Guarded("a guard", Limits(concurrency=1, waiting=1))
    running = [asyncio.create_task(guarded.call(hangs, None)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await guarded.call(works, None)
    for task in running:
        task.cancel()
    await asyncio.wait(running)
    assert await guarded.call(works, None) == "fine"


async def test_a_long_list_is_called_in_parts() -> None:
    guarded = Guarded("a guard", Limits(concurrency=2, waiting=0))

    async def one(item: int) -> int:
        async def work() -> int:
            return item * 2

        return await guarded.call(work, None)

    assert await guarded.each(range(7), one) == [0, 2, 4, 6, 8, 10, 12]


async def test_an_answer_of_a_broken_service_counts_as_a_failure_and_nonsense_does_not() -> None:
    async def nonsense() -> None:
        raise Nonsense("its answer names none of the labels")

    async def broken() -> None:
        raise Broken("it answered with status 500")

    guarded = Guarded("a guard", Limits(failures=1))
    with pytest.raises(EncoderFailed, match="a guard: its answer names none of the labels"):
        await guarded.call(nonsense, None)
    assert await guarded.call(works, None) == "fine"
    with pytest.raises(EncoderFailed, match="a guard: it answered with status 500"):
        await guarded.call(broken, None)
    with pytest.raises(EncoderFailed, match="left alone"):
        await guarded.call(works, None)


async def test_a_deadline_that_is_spent_and_a_wait_for_a_turn_are_no_failures_of_the_service() -> None:
    now = asyncio.get_running_loop().time
    guarded = Guarded("a guard", Limits(concurrency=1, failures=1))
    with pytest.raises(EncoderTimeout):
        await guarded.call(works, now())
    running = asyncio.create_task(guarded.call(hangs, None))
    await asyncio.sleep(0)
    with pytest.raises(EncoderTimeout):
        await guarded.call(works, now() + 0.01)
    running.cancel()
    await asyncio.wait([running])
    assert await guarded.call(works, None) == "fine"


@pytest.mark.parametrize("left", [None, 0.3])
async def test_a_service_that_is_silent_for_most_of_its_limit_has_failed(left: float | None) -> None:
    deadline = None if left is None else asyncio.get_running_loop().time() + left
    guarded = Guarded("a guard", Limits(timeout=0.0 if left is None else 0.4, failures=1))
    with pytest.raises(EncoderTimeout):
        await guarded.call(hangs, deadline)
    with pytest.raises(EncoderFailed, match="left alone"):
        await guarded.call(works, None)


async def test_without_its_package_mcp_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mcp, "find_spec", lambda _: None)
    with pytest.raises(EncoderFailed, match=r"pip install 'vsr-router\[mcp\]'"):
        await mcp.MCPClassifier.start("classes", mcp.Stdio("python"))
