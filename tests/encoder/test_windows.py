from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.encoder.tiny_bundle import passage
from vsr.encoder.manifest import WindowScheme
from vsr.encoder.tokens import Tokens
from vsr.encoder.windows import (
    Window,
    bridging_windows,
    cover,
    covered,
    domain_windows,
    passage_windows,
    seams,
)
from vsr.facts import Role

SCHEME = WindowScheme(tokens=16, stride=12)


def counted(count: int, first: int = 0) -> Tokens:
    ids = np.arange(first, first + count, dtype=np.int32)
    return Tokens(ids, ids, ids + 1, np.ones(count, dtype=np.bool_))


def bridges(*conversation: tuple[Role, int]) -> list[Window]:
    tokens, first = [], 0
    for _, count in conversation:
        tokens.append(counted(count, first))
        first += count
    return bridging_windows([passage("", role) for role, _ in conversation], tokens, SCHEME)


@given(st.integers(0, 500), st.integers(1, 40), st.data())
def test_every_token_is_in_a_window_and_no_window_is_too_long(
    count: int, size: int, data: st.DataObject
) -> None:
    windows = cover(count, WindowScheme(size, data.draw(st.integers(1, size))))
    assert {place for start, end in windows for place in range(start, end)} == set(range(count))
    assert all(0 < end - start <= size for start, end in windows)


def test_a_text_that_fits_is_one_window() -> None:
    assert cover(16, SCHEME) == [(0, 16)]
    assert cover(17, SCHEME) == [(0, 16), (12, 17)]


@given(st.integers(1, 300))
def test_each_token_is_judged_once_by_a_window_that_holds_it(count: int) -> None:
    windows = passage_windows(0, counted(count), SCHEME)
    borders = seams(windows)
    assert borders[0] == 0
    assert borders[-1] == count
    for window, start, end in zip(windows, borders, borders[1:], strict=False):
        assert window.start <= start <= end <= window.end


def test_tokens_in_an_overlap_are_judged_farthest_from_an_edge() -> None:
    assert seams(passage_windows(0, counted(28), SCHEME)) == [0, 14, 28]


def test_a_bridge_holds_half_a_window_from_each_side() -> None:
    (window,) = bridges(("user", 50), ("assistant", 50))
    assert window.ids.tolist() == list(range(42, 58))
    assert (window.passage, window.bridging) == (1, True)


def test_a_bridge_reaches_over_short_passages() -> None:
    (window,) = bridges(("user", 50), ("user", 2), ("user", 50))
    assert window.ids.tolist() == list(range(43, 59))
    assert window.passage == 2


def test_many_short_passages_share_bridges_and_every_boundary_has_context() -> None:
    conversation: list[tuple[Role, int]] = [("user", 3)] * 20
    windows = bridges(*conversation)
    assert len(windows) <= 7
    for boundary in range(3, 60, 3):
        context = [(boundary - int(window.ids[0]), int(window.ids[-1]) + 1 - boundary) for window in windows]
        assert any(before >= min(4, boundary) and after >= min(4, 60 - boundary) for before, after in context)


def test_a_system_prompt_is_not_bridged_to_the_conversation() -> None:
    assert bridges(("system", 50), ("user", 50)) == []


def test_a_system_message_between_two_parts_does_not_keep_them_apart() -> None:
    (window,) = bridges(("user", 10), ("system", 50), ("user", 10))
    assert window.ids.tolist() == [*range(2, 10), *range(60, 68)]
    assert window.passage == 2


def test_empty_passages_are_passed_over() -> None:
    (window,) = bridges(("user", 10), ("assistant", 0), ("tool", 10))
    assert (window.passage, window.end - window.start) == (2, 16)
    assert bridges(("user", 10), ("assistant", 0)) == []


def test_the_domain_is_read_from_a_bounded_part_with_beginning_and_end() -> None:
    assert domain_windows([4, 5, 6]) == (4, 5, 6)
    assert domain_windows([4, 5, 6, 7]) == (4, 5, 7)


def test_tokens_in_two_windows_are_counted_once() -> None:
    windows = passage_windows(0, counted(28), SCHEME)
    assert covered(windows) == 28
    assert covered([windows[0], passage_windows(1, counted(5), SCHEME)[0]]) == 21
