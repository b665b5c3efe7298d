from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.encoder.tiny_bundle import STRIDE, TOKENS, MarkBackend, passage
from vsr.encoder import encoder as module
from vsr.encoder.bundle import Bundle
from vsr.encoder.encoder import Encoder
from vsr.encoder.failures import EncoderFailed, EncoderTimeout
from vsr.encoder.schedule import bucket
from vsr.errors import Overloaded
from vsr.facts import Passage, Readings

WIDTH = bucket(1)
"""At which the short texts below are read."""
FILLER = "word "


@pytest.fixture
def backend() -> MarkBackend:
    return MarkBackend()


@pytest.fixture
async def encoder(bundle: Bundle, backend: MarkBackend) -> AsyncIterator[Encoder]:
    made = Encoder(bundle, backend, queue_tokens=4 * WIDTH)
    yield made
    backend.gate.set()
    await made.aclose()


def found(passages: list[Passage], readings: Readings) -> list[tuple[int, str, str]]:
    return [
        (entity.passage, entity.type, passages[entity.passage].text.reveal()[entity.start : entity.end])
        for entity in readings.entities
    ]


def highest(readings: Readings) -> float:
    return max(risk.risk for risk in readings.jailbreak)


async def held_up(encoder: Encoder, backend: MarkBackend, text: str = "the word") -> asyncio.Task[Readings]:
    """A read whose batch is in the graph and stays there until the gate opens."""
    backend.gate.clear()
    backend.entered.clear()
    task = asyncio.create_task(encoder.read([passage(text)], [0]))
    await asyncio.to_thread(backend.entered.wait, 30)
    return task


async def until_queued(encoder: Encoder, tokens: int) -> None:
    while encoder.queued_tokens != tokens:  # noqa: ASYNC110 - the encoder tells nobody of its queue
        await asyncio.sleep(0)


async def test_all_heads_answer_from_one_pass(encoder: Encoder, backend: MarkBackend) -> None:
    readings = await encoder.read([passage("the algebra of john")], [0])
    assert readings.domain["math"] > 0.99
    assert sum(readings.domain.values()) == pytest.approx(1)
    assert highest(readings) < 0.01
    assert [entity.type for entity in readings.entities] == ["PERSON"]
    assert readings.embedding is not None
    assert float(readings.embedding @ readings.embedding) == pytest.approx(1)
    assert backend.calls == [(1, 6)]
    assert encoder.stats.invocations == 1


async def test_feedback_and_the_need_for_facts_are_those_of_the_routing_text_only(encoder: Encoder) -> None:
    passages = [passage("algebra other", "assistant"), passage("the poem"), passage("other word")]
    readings = await encoder.read(passages, [1])
    assert readings.fact_check is not None
    assert readings.fact_check < 0.01
    assert readings.feedback["NONE"] > 0.99
    assert (await encoder.read(passages, [2])).feedback["WANT_DIFFERENT"] > 0.99


async def test_without_routing_text_nothing_is_said_of_the_ask(encoder: Encoder) -> None:
    readings = await encoder.read([passage("the algebra")], [])
    assert readings.fact_check is None
    assert readings.feedback == {}


@pytest.mark.parametrize("before", range(0, 3 * STRIDE, 3))
async def test_an_entity_across_window_borders_is_found_once_and_whole(encoder: Encoder, before: int) -> None:
    passages = [passage(FILLER * before + "john smith " + FILLER * 17)]
    readings = await encoder.read(passages, [0])
    assert found(passages, readings) == [(0, "PERSON", "john smith")]


@pytest.mark.parametrize("before", range(0, 3 * STRIDE, 3))
async def test_an_attack_across_window_borders_is_found(encoder: Encoder, before: int) -> None:
    text = FILLER * before + "attack the bypass " + FILLER * 17
    assert highest(await encoder.read([passage(text)], [0])) > 0.99


async def test_the_end_of_a_long_text_is_read_too(encoder: Encoder) -> None:
    passages = [passage(FILLER * 5000 + "attack bypass 张三")]
    readings = await encoder.read(passages, [0])
    assert highest(readings) > 0.99
    assert found(passages, readings) == [(0, "PERSON", "张三")]
    assert readings.coverage.tokens == 5004


async def test_an_attack_split_over_two_messages_is_found_and_told_of_the_later(encoder: Encoder) -> None:
    passages = [
        passage(FILLER * 30 + "attack"),
        passage("the", "assistant"),
        passage("bypass " + FILLER * 30),
    ]
    risky = [risk for risk in (await encoder.read(passages, [2])).jailbreak if risk.risk > 0.5]
    assert [(risk.passage, risk.bridging) for risk in risky] == [(2, True)]


async def test_words_of_the_operator_do_not_complete_those_of_the_user(encoder: Encoder) -> None:
    readings = await encoder.read([passage("never attack", "system"), passage("bypass word")], [1])
    assert highest(readings) < 0.01


async def test_domain_and_embedding_are_those_of_the_routing_text_only(encoder: Encoder) -> None:
    passages = [passage("algebra algebra", "system"), passage("the poem")]
    asked = await encoder.read(passages, [1])
    assert asked.domain["other"] > 0.99
    assert asked.coverage.domain_tokens == 2
    assert asked.coverage.tokens == 4


async def test_the_domain_of_a_long_text_comes_from_its_beginning_and_its_end(encoder: Encoder) -> None:
    at_the_end = await encoder.read([passage(FILLER * 200 + "algebra")], [0])
    amid = await encoder.read([passage(FILLER * 100 + "algebra " + FILLER * 100)], [0])
    assert at_the_end.domain["math"] > amid.domain["math"]
    assert amid.coverage.domain_tokens < 3 * TOKENS


async def test_without_routing_text_there_is_no_domain(encoder: Encoder) -> None:
    readings = await encoder.read([passage("john"), passage("")], [1])
    assert readings.domain == {}
    assert readings.embedding is None
    assert len(readings.entities) == 1


async def test_a_request_without_text_needs_no_graph(encoder: Encoder, backend: MarkBackend) -> None:
    assert (await encoder.read([], [])).jailbreak == ()
    assert backend.calls == []


async def test_what_was_read_before_is_remembered(encoder: Encoder, backend: MarkBackend) -> None:
    cold = await encoder.read([passage("the algebra of john")], [0])
    hot = await encoder.read([passage("the algebra of john")], [0])
    assert len(backend.calls) == 1
    assert encoder.stats.invocations == 1
    assert (cold.coverage.memo_hits, hot.coverage.memo_hits) == (0, 1)
    assert (hot.domain, hot.jailbreak, hot.entities) == (cold.domain, cold.jailbreak, cold.entities)


async def test_the_same_window_twice_in_a_request_is_read_once(
    encoder: Encoder, backend: MarkBackend
) -> None:
    passages = [passage("john smith"), passage("never", "system"), passage("john smith")]
    readings = await encoder.read(passages, [2])
    assert sum(rows for rows, _ in backend.calls) == 3  # of 4 windows, one is the bridge
    assert found(passages, readings) == [(0, "PERSON", "john smith"), (2, "PERSON", "john smith")]


async def test_requests_that_wait_together_share_a_batch(encoder: Encoder, backend: MarkBackend) -> None:
    first = await held_up(encoder, backend)
    others = [asyncio.create_task(encoder.read([passage(text)], [0])) for text in ("a word", "a poem")]
    await until_queued(encoder, 3 * WIDTH)
    backend.gate.set()
    await asyncio.gather(first, *others)
    assert [rows for rows, _ in backend.calls] == [1, 2]


async def test_a_request_goes_on_over_several_lanes_and_is_put_together_in_order(bundle: Bundle) -> None:
    passages = [passage(FILLER * 400 + "attack bypass john smith")]
    alone, beside = Encoder(bundle, MarkBackend()), Encoder(bundle, MarkBackend(lanes=3))
    try:
        expected = await alone.read(passages, [0])
        readings = await beside.read(passages, [0])
    finally:
        await alone.aclose()
        await beside.aclose()
    assert (readings.jailbreak, readings.entities) == (expected.jailbreak, expected.entities)
    assert readings.domain == expected.domain


async def test_while_a_lane_computes_the_next_goes_on(bundle: Bundle) -> None:
    backend = MarkBackend(lanes=2)
    encoder = Encoder(bundle, backend)
    first = await held_up(encoder, backend)
    backend.entered.clear()
    others = [asyncio.create_task(encoder.read([passage(f"a {word}")], [0])) for word in "abcdefgh"]
    await asyncio.to_thread(backend.entered.wait, 30)
    assert backend.calls == [(1, 4), (8, 4)]
    backend.gate.set()
    await asyncio.gather(first, *others)
    await encoder.aclose()


async def test_a_full_queue_refuses_while_admitted_requests_finish(
    encoder: Encoder, backend: MarkBackend
) -> None:
    admitted = [await held_up(encoder, backend)]
    admitted += [asyncio.create_task(encoder.read([passage(FILLER * n)], [0])) for n in (3, 4, 5)]
    await until_queued(encoder, 4 * WIDTH)
    with pytest.raises(Overloaded):
        await encoder.read([passage("one too many")], [0])
    backend.gate.set()
    assert len(await asyncio.gather(*admitted)) == 4
    assert encoder.stats.overloads == 1


async def test_a_cancelled_request_leaves_the_queue(encoder: Encoder, backend: MarkBackend) -> None:
    first = await held_up(encoder, backend)
    gone = asyncio.create_task(encoder.read([passage("john")], [0]))
    await until_queued(encoder, 2 * WIDTH)
    gone.cancel()
    await asyncio.wait([gone])
    assert encoder.queued_tokens == WIDTH
    backend.gate.set()
    await first
    await encoder.read([passage("smith")], [0])
    assert len(backend.calls) == 2


async def test_a_request_past_its_deadline_leaves_the_queue(encoder: Encoder, backend: MarkBackend) -> None:
    first = await held_up(encoder, backend)
    with pytest.raises(EncoderTimeout):
        await encoder.read([passage("john")], [0], deadline=asyncio.get_running_loop().time())
    assert encoder.queued_tokens == WIDTH
    assert encoder.stats.timeouts == 1
    backend.gate.set()
    await first


async def test_a_slow_graph_ends_in_a_timeout_without_being_asked_for_one(
    encoder: Encoder, backend: MarkBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BASE_SECONDS", 0.0)
    backend.gate.clear()
    with pytest.raises(EncoderTimeout):
        await encoder.read([passage("john")], [0])


async def test_a_raising_graph_fails_its_requests_and_no_others(
    encoder: Encoder, backend: MarkBackend, caplog: pytest.LogCaptureFixture
) -> None:
    backend.failing = True
    with pytest.raises(EncoderFailed) as caught:
        await encoder.read([passage("john")], [0])
    assert "secret" not in str(caught.value) + caplog.text
    backend.failing = False
    assert len((await encoder.read([passage("john")], [0])).entities) == 1
    assert encoder.stats.failures == 1


async def test_closing_fails_those_who_wait_and_those_who_come(bundle: Bundle, backend: MarkBackend) -> None:
    encoder = Encoder(bundle, backend)
    first = await held_up(encoder, backend)
    waiting = asyncio.create_task(encoder.read([passage("john")], [0]))
    await until_queued(encoder, 2 * WIDTH)
    closing = asyncio.create_task(encoder.aclose())
    await asyncio.sleep(0)
    backend.gate.set()
    await closing
    assert (await first).coverage.windows == 1
    with pytest.raises(EncoderFailed):
        await waiting
    with pytest.raises(EncoderFailed):
        await encoder.read([passage("smith")], [0])
