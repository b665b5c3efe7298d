"""Who is read when, and what happens when the graph breaks or nobody waits any more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import numpy as np
import pytest

from vsr.encoder.backend import Floats
from vsr.encoder.failures import EncoderFailed
from vsr.encoder.imported.turns import BATCH_TOKENS, Turns
from vsr.encoder.tokens import Ints
from vsr.errors import Overloaded


class Graph:
    """Answers each window with its first token; waits at the gate."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.entered = threading.Event()
        self.batches: list[list[int]] = []
        self.failing = False

    def __call__(self, windows: Sequence[Ints]) -> list[Floats]:
        self.batches.append([int(window[0]) for window in windows])
        self.entered.set()
        assert self.gate.wait(30)
        if self.failing:
            raise RuntimeError("quotes a secret")
        return [np.array([window[0]], dtype=np.float32) for window in windows]


def windows(first: int, count: int, tokens: int = 30) -> list[Ints]:
    return [np.full(tokens, first + number, dtype=np.int32) for number in range(count)]


async def test_answers_come_in_order_however_long_the_windows() -> None:
    graph = Graph()
    graph.gate.set()
    turns = Turns("model", graph)
    mixed = [windows(n, 1, tokens)[0] for n, tokens in enumerate((3, 300, 40, 3, 120))]
    assert [int(answer[0]) for answer in await turns.read(mixed)] == [0, 1, 2, 3, 4]
    assert await turns.read([]) == []
    await turns.aclose()


async def test_a_short_text_waits_for_a_batch_of_a_long_one_and_not_for_all() -> None:
    graph = Graph()
    turns = Turns("model", graph)
    room = BATCH_TOKENS // 32
    long = asyncio.create_task(turns.read(windows(0, 5 * room)))
    await asyncio.to_thread(graph.entered.wait, 30)
    short = asyncio.create_task(turns.read(windows(1000, 1)))
    await asyncio.sleep(0)
    graph.gate.set()
    await asyncio.gather(long, short)
    assert 1000 in graph.batches[1]
    assert max(len(batch) for batch in graph.batches) == room
    await turns.aclose()


async def test_long_texts_fill_three_quarters_of_the_queue_and_a_short_one_the_rest() -> None:
    graph = Graph()
    turns = Turns("model", graph, queue_tokens=128)
    waiting = [asyncio.create_task(turns.read(windows(n, 100))) for n in range(3)]
    await asyncio.to_thread(graph.entered.wait, 30)
    with pytest.raises(Overloaded):
        await turns.read(windows(9, 100))
    waiting.append(asyncio.create_task(turns.read(windows(9, 1))))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await turns.read(windows(9, 1))
    graph.gate.set()
    await asyncio.gather(*waiting)
    assert len(await turns.read(windows(9, 100))) == 100
    await turns.aclose()


async def test_a_caller_that_gave_up_is_not_read() -> None:
    graph = Graph()
    turns = Turns("model", graph)
    first = asyncio.create_task(turns.read(windows(0, 1)))
    await asyncio.to_thread(graph.entered.wait, 30)
    gone = asyncio.create_task(turns.read(windows(500, 3)))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait([gone])
    graph.gate.set()
    await first
    await turns.aclose()
    assert graph.batches == [[0]]


async def test_a_graph_that_breaks_is_told_without_its_words_and_the_next_is_read() -> None:
    graph = Graph()
    graph.gate.set()
    graph.failing = True
    turns = Turns("model", graph)
    with pytest.raises(EncoderFailed, match="model model failed: RuntimeError"):
        await turns.read(windows(0, 100))
    graph.failing = False
    assert len(await turns.read(windows(0, 2))) == 2
    await turns.aclose()


async def test_closing_fails_whoever_waits() -> None:
    graph = Graph()
    turns = Turns("model", graph)
    waiting = asyncio.create_task(turns.read(windows(0, 100)))
    await asyncio.to_thread(graph.entered.wait, 30)
    closing = asyncio.create_task(turns.aclose())
    await asyncio.sleep(0)
    graph.gate.set()
    await closing
    with pytest.raises(EncoderFailed, match="is closed"):
        await waiting
    with pytest.raises(EncoderFailed, match="is closed"):
        await turns.read(windows(0, 1))
