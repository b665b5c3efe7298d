"""The parts of the benchmark that must be right for its numbers to mean anything."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace
from typing import cast

import pytest

from benchmarks import encoder_report, servers
from benchmarks.client import Answer
from benchmarks.encoder import growth
from benchmarks.prompts import PromptMaker
from benchmarks.report import _rate, percentile

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"
CHUNKED = b"HTTP/1.1 503 No\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"


def test_a_process_that_is_never_ready_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "READY_SECONDS", 0.0)
    running = cast("subprocess.Popen[bytes]", SimpleNamespace(args=["router"], poll=lambda: None))
    with pytest.raises(RuntimeError, match="was not ready within 0 seconds"):
        servers._until_ready(running, f"http://127.0.0.1:{servers.free_port()}/")


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


def test_growth_in_a_straight_line_is_told_from_growth_that_is_none() -> None:
    straight = growth({512: 11.0, 2048: 41.72, 8192: 164.6})
    assert straight["ms_per_1000_tokens"] == pytest.approx(20, rel=0.01)
    assert straight["r_squared"] > 0.9999
    assert growth({512: 1.0, 8192: 256.0, 32768: 4096.0})["r_squared"] < 0.99


def test_the_encoders_table_says_what_was_not_measured() -> None:
    one = {"p50": 1.0, "p99": 2.0, "n": 3.0}
    here = {"cores": 2, "processor": "one", "features": [], "memory_gib": 1, "system": "a system"}
    here |= {"python": "3", "openvino": "1", "vsr": "1", "load_before": 0}
    text = encoder_report.markdown(
        {
            "date": "today",
            "machine": here,
            "bundle": {"name": "tiny", "version": "1"},
            "latency_ms": {32: {**one, "bare_p50": 0.9}, 64: one},
            "growth": {"ms_per_1000_tokens": 20.0, "ms_at_0": 1.0, "r_squared": 1.0},
            "throughput": {64: {"encoder": 90.0, "bare": 100.0, "ratio": 0.9}, 500: {"encoder": 9.0}},
            "short_beside_long": {"alone": one, "beside": one, "p99_ratio": 1.0},
            "original": {"note": "not measured"},
        }
    )
    assert "| 32 | 1.00 | 2.00 | 3 | 0.90 | – | – |" in text
    assert "| 64 | 1.00 | 2.00 | 3 | – | – | – |" in text
    assert "| 500 | 9 | – | – |" in text
    assert "not measured" in text
    assert "| 64 | 90 | 100 | 0.90 |" in text


def test_a_rate_is_of_the_answers_that_succeeded() -> None:
    assert _rate({"whole": [1.0] * 4, "failures": 1, "seconds": 2.0})["per_second"] == 1.5
