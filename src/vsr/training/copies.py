"""Questions of one file that stand in another too, word for word or nearly.

Two questions are nearly the same if half of the three-word pieces that either has are in both (Jaccard);
of Chinese and Japanese a character counts as a word. Options, case and punctuation are left out, and pieces
that many questions have ("which of the following") are never in both, which also bounds the search.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vsr.training.outcomes import Row

WORDS: Final = 3
NEAR: Final = 0.5
MANY: Final = 50
_CJK: Final = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_UNIT: Final = re.compile(rf"[{_CJK}]|[^\W{_CJK}]+")

Pieces = frozenset[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Copies:
    """Which rows are copies; their shapes are (rows,) and no row is both."""

    exact: NDArray[np.bool_]
    near: NDArray[np.bool_]

    @property
    def either(self) -> NDArray[np.bool_]:
        return self.exact | self.near


def find_copies(rows: Sequence[Row], others: Sequence[Row]) -> Copies:
    """Those of `rows` that are in `others`."""
    known = {row.normalised for row in others}
    exact = np.array([row.normalised in known for row in rows], dtype=bool)
    pieces = [_pieces(row) for row in others]
    places: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    for place, own in enumerate(pieces):
        for piece in own:
            places[piece].append(place)
    rare = {piece: having for piece, having in places.items() if len(having) <= MANY}
    near = np.array([_is_near(_pieces(row), pieces, rare) for row in rows], dtype=bool)
    return Copies(exact, near & ~exact)


def _pieces(row: Row) -> Pieces:
    units = _UNIT.findall(row.normalised)
    starts = range(max(1, len(units) - WORDS + 1))
    return frozenset(tuple(units[start : start + WORDS]) for start in starts) if units else frozenset()


def _is_near(own: Pieces, others: Sequence[Pieces], rare: Mapping[tuple[str, ...], list[int]]) -> bool:
    common: Counter[int] = Counter()
    for piece in own:
        common.update(rare.get(piece, ()))
    return any(count >= NEAR * (len(own) + len(others[place]) - count) for place, count in common.items())
