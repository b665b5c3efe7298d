"""Which stretches of a request the graph reads: overlapping windows over every passage, and windows
that bridge neighbouring passages, so that nothing is cut and an attack split over two is seen.

Pure functions over token counts and ids; nothing is read or classified here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from vsr.encoder.manifest import WindowScheme
from vsr.encoder.tokens import Ints, Tokens
from vsr.facts import Passage

DOMAIN_WINDOWS = 3
"""The domain and the embedding of a longer routing text come from its first two windows and its last."""


@dataclass(frozen=True, slots=True)
class Window:
    """`ids` are content tokens `[start, end)` of a passage; of a bridging window, whose tokens come
    from several passages, `passage` is the last one and `start` and `end` are within their stream."""

    passage: int
    start: int
    end: int
    ids: Ints
    bridging: bool = False


def cover(count: int, scheme: WindowScheme) -> list[tuple[int, int]]:
    """Windows over `count` tokens, each token in at least one; none if there are no tokens."""
    if count == 0:
        return []
    last = max(0, -(-(count - scheme.tokens) // scheme.stride))
    starts = (index * scheme.stride for index in range(last + 1))
    return [(start, min(start + scheme.tokens, count)) for start in starts]


def passage_windows(passage: int, tokens: Tokens, scheme: WindowScheme) -> list[Window]:
    return [Window(passage, start, end, tokens.ids[start:end]) for start, end in cover(len(tokens), scheme)]


def bridging_windows(
    passages: Sequence[Passage], tokens: Sequence[Tokens], scheme: WindowScheme
) -> list[Window]:
    """Windows over the boundaries between passages. System prompts are the operator's words: they and
    the rest of the conversation are two streams, which are not bridged."""
    of_operator = [number for number, passage in enumerate(passages) if passage.role == "system"]
    of_others = [number for number, passage in enumerate(passages) if passage.role != "system"]
    return _bridges(of_operator, tokens, scheme.tokens) + _bridges(of_others, tokens, scheme.tokens)


def domain_windows(windows: Sequence[int]) -> tuple[int, ...]:
    """The bounded part of the routing text that domain and embedding are read from, of the numbers of
    all its windows."""
    if len(windows) <= DOMAIN_WINDOWS:
        return tuple(windows)
    return (*windows[: DOMAIN_WINDOWS - 1], windows[-1])


def covered(windows: Sequence[Window]) -> int:
    """How many different tokens the windows (in order) hold."""
    count = sum(window.end - window.start for window in windows)
    for before, after in pairwise(windows):
        if before.passage == after.passage:
            count -= max(0, before.end - after.start)
    return count


def seams(windows: Sequence[Window]) -> list[int]:
    """Where one window's word about tokens ends and the next one's begins: amid their overlap, so that
    every token is judged where it has most context. One more than windows, from 0 to the end."""
    inner = [(before.end + after.start) // 2 for before, after in pairwise(windows)]
    return [0, *inner, windows[-1].end]


def _bridges(numbers: Sequence[int], tokens: Sequence[Tokens], size: int) -> list[Window]:
    numbers = [number for number in numbers if len(tokens[number])]
    if len(numbers) < 2:
        return []
    stream = np.concatenate([tokens[number].ids for number in numbers])
    boundaries = np.cumsum([len(tokens[number]) for number in numbers[:-1]]).tolist()
    windows = []
    for first, last in _groups(boundaries, size):
        middle = (boundaries[first] + boundaries[last]) // 2
        start, end = max(0, middle - size // 2), min(len(stream), middle + size // 2)
        windows.append(Window(numbers[last + 1], start, end, stream[start:end], bridging=True))
    return windows


def _groups(boundaries: Sequence[int], size: int) -> list[tuple[int, int]]:
    """Runs of boundaries that one window serves: half a window of context on each side of a lone one,
    a quarter on each side where short passages crowd."""
    groups: list[tuple[int, int]] = []
    first = 0
    for index in range(1, len(boundaries) + 1):
        if index == len(boundaries) or boundaries[index] - boundaries[first] > size // 2:
            groups.append((first, index - 1))
            first = index
    return groups
