from __future__ import annotations

import numpy as np

from vsr.encoder.heads import TokenTypes, WindowReading
from vsr.encoder.memo import Memo, window_key

READING = WindowReading(
    np.zeros(2, dtype=np.float32),
    0.5,
    TokenTypes(np.zeros(3, dtype=np.uint8), np.zeros(3, dtype=np.float16), np.zeros(3, dtype=np.bool_)),
    np.zeros(4, dtype=np.float16),
)


def test_the_least_recently_used_goes_first() -> None:
    memo = Memo(2 * READING.nbytes)
    memo.put(b"a", READING)
    memo.put(b"b", READING)
    memo.get(b"a")
    memo.put(b"c", READING)
    assert [memo.get(key) is not None for key in (b"a", b"b", b"c")] == [True, False, True]


def test_it_never_holds_more_than_its_limit() -> None:
    memo = Memo(5 * READING.nbytes + 1)
    for number in range(50):
        memo.put(number.to_bytes(1, "big"), READING)
    assert memo.nbytes == 5 * READING.nbytes


def test_the_same_window_counts_once() -> None:
    memo = Memo(10 * READING.nbytes)
    memo.put(b"a", READING)
    memo.put(b"a", READING)
    assert memo.nbytes == READING.nbytes


def test_a_limit_of_nothing_remembers_nothing() -> None:
    memo = Memo(0)
    memo.put(b"a", READING)
    assert memo.get(b"a") is None
    assert memo.nbytes == 0


def test_a_key_depends_on_tokens_and_bundle() -> None:
    ids = np.array([1, 2], dtype=np.int32)
    assert window_key("aa", ids) == window_key("aa", ids.copy())
    assert window_key("aa", ids) != window_key("bb", ids)
    assert window_key("aa", ids) != window_key("aa", ids[::-1].copy())
