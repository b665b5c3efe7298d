"""Near duplicates among texts, and labels that contradict one another within them.

Two texts are near duplicates if four fifths of the three-word pieces that either has are in both
(Jaccard); of Chinese a character counts as a word. With less in common, two fillings of one template
would be some, whose labels differ rightly. Candidates come from MinHash signatures in bands (Broder,
1997; Leskovec et al., "Mining of Massive Datasets", 3.4), which miss one pair in a thousand at that
share, and are then compared piece by piece. Clusters are what near duplicates chain together. Of long
texts the beginning is compared.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vsr.training.rows import Row

WORDS: Final = 3
NEAR: Final = 0.8
BANDS: Final = 20
BAND_ROWS: Final = 5
BEGINNING: Final = 600
"""Characters of a text that are compared."""
PRIME: Final = (1 << 31) - 1
GOLD: Final = ("MMLU-Pro",)
"""Sources whose labels are the taxonomy's own: where a cluster is split evenly, theirs count."""
_UNIT: Final = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]|[^\W\u3400-\u4dbf\u4e00-\u9fff]+")

Pieces = frozenset[int]


@dataclass(frozen=True, slots=True)
class Repaired:
    """Rows with one domain a cluster, and how often which label of which source was changed: (source, from,
    to), `to` empty where the cluster does not agree on one."""

    rows: list[Row]
    changed: Counter[tuple[str, str, str]]


def clusters(texts: Sequence[str]) -> list[int]:
    """A number for each text, the same for near duplicates: the place of the first of them."""
    pieces = [_pieces(text) for text in texts]
    parents = list(range(len(texts)))

    def root(place: int) -> int:
        while parents[place] != place:
            parents[place] = parents[parents[place]]
            place = parents[place]
        return place

    seen: dict[tuple[int, bytes], int] = {}
    for place, signature in enumerate(map(_signature, pieces)):
        if not pieces[place]:
            continue
        for band in range(BANDS):
            key = band, signature[band * BAND_ROWS : (band + 1) * BAND_ROWS].tobytes()
            other = seen.setdefault(key, place)
            if root(other) != root(place) and _near(pieces[other], pieces[place]):
                parents[max(root(other), root(place))] = min(root(other), root(place))
    return [root(place) for place in range(len(texts))]


def grouped(rows: Sequence[Row], numbers: Sequence[int]) -> list[Row]:
    """Rows of one cluster, or of one group, are one group: the group of the first of them."""
    first: dict[str, str] = {}

    def name(group: str) -> str:
        while first.setdefault(group, group) != group:
            group = first[group]
        return group

    leaders: dict[int, str] = {}
    for row, number in zip(rows, numbers, strict=True):
        leader = name(leaders.setdefault(number, row.group))
        first[name(row.group)] = leader
    return [replace(row, group=name(row.group)) for row in rows]


def repaired(rows: Sequence[Row], numbers: Sequence[int]) -> Repaired:
    """The domain that most rows of a cluster have becomes that of all; without a majority, that of a GOLD
    source; without one, none of them is trained on for its domain."""
    by_cluster: dict[int, list[Row]] = defaultdict(list)
    for row, number in zip(rows, numbers, strict=True):
        if row.domain:
            by_cluster[number].append(row)
    agreed = {number: _agreed(found) for number, found in by_cluster.items()}
    changed: Counter[tuple[str, str, str]] = Counter()
    made = []
    for row, number in zip(rows, numbers, strict=True):
        label = agreed.get(number)
        if row.domain and label != row.domain:
            changed[row.source, row.domain, label or ""] += 1
            row = replace(row, domain=label, stratum=_relabelled(row, label))
        made.append(row)
    return Repaired(made, changed)


def _agreed(rows: Sequence[Row]) -> str | None:
    (best, count), *_ = Counter(row.domain for row in rows).most_common(1)
    if 2 * count > len(rows):
        return best
    gold = {row.domain for row in rows if row.source in GOLD}
    return gold.pop() if len(gold) == 1 else None


def _relabelled(row: Row, label: str | None) -> str:
    return row.stratum.replace(f"/{row.domain}/", f"/{label or 'doubtful'}/")


def _pieces(text: str) -> Pieces:
    units = _UNIT.findall(text[:BEGINNING].casefold())
    starts = range(max(1, len(units) - WORDS + 1)) if units else ()
    return frozenset(zlib.crc32(" ".join(units[start : start + WORDS]).encode()) for start in starts)


_FACTORS: Final = np.random.default_rng(0).integers(1, PRIME, (2, BANDS * BAND_ROWS), dtype=np.int64)


def _signature(pieces: Pieces) -> NDArray[np.int64]:
    """The least value of each hash function over the pieces, shape (BANDS * BAND_ROWS,)."""
    if not pieces:
        return np.zeros(BANDS * BAND_ROWS, np.int64)
    values = np.fromiter(pieces, np.int64, len(pieces)) % PRIME
    factors, shifts = _FACTORS
    lowest: NDArray[np.int64] = ((values[:, None] * factors + shifts) % PRIME).min(axis=0)
    return lowest


def _near(one: Pieces, other: Pieces) -> bool:
    common = len(one & other)
    return common >= NEAR * (len(one) + len(other) - common)
