"""The parts of the benchmark that must be right for its numbers to mean anything."""

from __future__ import annotations

import pytest

from benchmarks.client import Answer
from benchmarks.prompts import PromptMaker
from benchmarks.report import percentile

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"
CHUNKED = b"HTTP/1.1 503 No\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"


@pytest.fixture(scope="module")
def maker() -> PromptMaker:
    return PromptMaker(1)


@pytest.mark.parametrize("tokens", [1, 32, 64, 500])
def test_prompts_have_exactly_as_many_tokens_as_asked_for(maker: PromptMaker, tokens: int) -> None:
    assert maker.count(maker.make(tokens)) == tokens


def test_prompts_are_distinct_and_the_same_for_the_same_seed(maker: PromptMaker) -> None:
    prompts = [maker.make(32) for _ in range(50)]
    assert len(set(prompts)) == 50
    assert PromptMaker(5).make(32) == PromptMaker(5).make(32)


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, share) for share in (50, 95, 99)] == [50, 95, 99]
    assert percentile([3.0], 99) == 3.0


@pytest.mark.parametrize(("raw", "status"), [(PLAIN, 200), (CHUNKED, 503)])
def test_an_answer_is_whole_at_its_last_byte_and_not_before(raw: bytes, status: int) -> None:
    answer = Answer()
    whole = [answer.feed(raw[index : index + 1]) for index in range(len(raw))]
    assert whole == [False] * (len(raw) - 1) + [True]
    assert answer.status == status
