"""The caller against a server that is slower to say things than uvicorn."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message

from vsr.doors.caller import Caller
from vsr.errors import ClientGone


async def test_a_server_that_reports_the_end_of_an_answer_as_a_disconnect_cancels_nothing() -> None:
    ended = asyncio.Event()

    async def receive() -> Message:
        await ended.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if not message.get("more_body", True):
            ended.set()
        for _ in range(3):
            await asyncio.sleep(0)  # others run before this returns

    caller = Caller(receive, send, upload=5, stall=5)
    async with caller.watched():
        await caller.start(200, [])
        await caller.end(b"ok")
    assert caller.ended


async def test_a_cancellation_from_elsewhere_is_not_taken_for_a_client_that_left() -> None:
    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("never")

    async def send(message: Message) -> None:
        raise AssertionError("never")

    entered = asyncio.Event()

    async def work() -> None:
        async with Caller(receive, send, upload=5, stall=5).watched():
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_runs_inside_can_clean_up_before_the_client_is_reported_gone() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        raise AssertionError("never")

    cleaned = False
    with pytest.raises(ClientGone):  # noqa: PT012 # the block is what is tested
        async with Caller(receive, send, upload=5, stall=5).watched():
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                cleaned = True
    assert cleaned
    current = asyncio.current_task()
    assert current is not None
    assert current.cancelling() == 0
