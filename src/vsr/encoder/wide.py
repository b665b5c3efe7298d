"""What a window's words say by themselves: the wide part beside the deep one, added to two heads' logits.

A trunk that was fine-tuned reads meaning, and forgets what single words and pairs of them tell; a linear
model over these remembers it, and reads nothing else. Their errors differ, so the sum of their logits is
better than either on texts of other sources (after Cheng et al. 2016, "Wide & Deep Learning"; the numbers
are in docs/experiments.md). It is some hundred sums a window, and needs no second pass.

A feature is a token or two in a row, special tokens included, hashed to a bucket as in Weinberger et al.
2009; each counts once, and the sum is divided by the root of how many there are. For the guard that is
done for pieces of the window, and the riskiest counts: an attack is not diluted by the words around it.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsr.encoder.backend import Backend, Floats, HeadOutputs, Ids
from vsr.encoder.manifest import Heads, WindowScheme
from vsr.encoder.windows import cover
from vsr.errors import BundleError

BITS = 19
BUCKETS = 1 << BITS
FIRST, SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
"""Odd multipliers, from the golden ratio and from SplitMix64."""
PIECES = WindowScheme(tokens=18, stride=9)
"""What the guard's part of a window is read in."""


class Linear:
    """Weights (BUCKETS, columns) in int8; scale and bias (columns,)."""

    def __init__(self, table: NDArray[np.int8], scale: Floats, bias: Floats) -> None:
        # one bucket more, for what does not count; a bucket's weights side by side, so that each costs one
        # look into memory and not one a column
        self._table = np.ascontiguousarray(np.concatenate([table, np.zeros_like(table[:1])]))
        self._scale, self._bias = scale, bias

    def logits(self, found: NDArray[np.int64]) -> Floats:
        """(rows, columns) for what `once` gave; the bias alone for nothing."""
        counts = np.maximum(1, (found < BUCKETS).sum(axis=1, dtype=np.float32))
        weights = self._table.take(found, axis=0).astype(np.float32)
        # a product with ones is the quickest sum; it is exact, like any of small whole numbers
        sums = (np.ones((1, found.shape[1]), np.float32) @ weights)[:, 0]
        logits: Floats = sums * (self._scale / np.sqrt(counts)[:, None]) + self._bias
        return logits


class Wide:
    """Tells the domain's classes apart, and the guard's positive label from the rest."""

    def __init__(self, domain: Linear, jailbreak: Linear) -> None:
        self._domain, self._jailbreak = domain, jailbreak

    @classmethod
    def load(cls, path: Path, domains: int) -> Wide:
        """Raises BundleError if it is no table for so many domains."""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                parts = [
                    _linear(arrays, head, columns)
                    for head, columns in (("domain", domains), ("jailbreak", 1))
                ]
        except (TypeError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise BundleError(f"{path.name} is no wide part for {domains} domains: {error}") from None
        return cls(*parts)

    def logits(self, ids: Ids, mask: Ids) -> tuple[Floats, Floats]:
        """Of windows as a backend takes them: the domain's (b, domains), and the log-odds (b,) of each one's
        riskiest piece."""
        found = hashed(ids, mask)
        starts, places = _pieces(ids.shape[1])
        pieces = once(found.take(places, axis=1).reshape(-1, places.shape[1]))
        risks = self._jailbreak.logits(pieces).reshape(len(ids), -1)
        # a piece that begins in the last one's second half has nothing of its own, as in `windows.cover`
        own = starts < np.maximum(1, mask.sum(axis=1, keepdims=True) - (PIECES.tokens - PIECES.stride))
        return self._domain.logits(once(found)), np.where(own, risks, -np.inf).max(axis=1)


@cache
def _pieces(width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the pieces of a window begin (p,), and the columns of their tokens and pairs in what `hashed`
    gives (p, 2 PIECES.tokens - 1)."""
    starts = np.array([start for start, _ in cover(width, PIECES)])
    tokens = starts[:, None] + np.arange(PIECES.tokens)
    pairs = tokens[:, :-1] + width
    nothing = 2 * width - 1
    return starts, np.concatenate(
        [np.where(tokens < width, tokens, nothing), np.where(pairs < nothing, pairs, nothing)], axis=1
    )


def _linear(arrays: Mapping[str, NDArray[Any]], head: str, columns: int) -> Linear:
    table, scale, bias = (arrays[f"{head}.{part}"] for part in ("table", "scale", "bias"))
    if (
        table.shape != (BUCKETS, columns)
        or table.dtype != np.int8
        or {scale.shape, bias.shape} != {(columns,)}
    ):
        raise ValueError(f"{head} has {table.dtype} weights of {table.shape}")
    return Linear(table, scale, bias)


def hashed(ids: Ids, mask: Ids) -> NDArray[np.int64]:
    """The buckets (b, 2 t) of each row's tokens, its pairs, and a column of nothing; BUCKETS for padding."""
    tokens = ids.astype(np.uint64) + np.uint64(1)
    pairs = tokens[:, :-1] * FIRST + tokens[:, 1:]
    values = np.concatenate([tokens, pairs, tokens[:, :1]], axis=1)
    found = (values * SECOND >> np.uint64(64 - BITS)).astype(np.int64)
    found[np.concatenate([mask, mask[:, 1:], np.zeros_like(mask[:, :1])], axis=1) == 0] = BUCKETS
    return found


def once(found: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each row sorted, with BUCKETS for what occurs again."""
    found = np.sort(found, axis=1)
    again = found[:, 1:] == found[:, :-1]
    found[:, 1:][again] = BUCKETS
    return found


def widened(backend: Backend, path: Path | None, heads: Heads) -> Backend:
    """The backend with the wide part at `path` added, or as it is. Raises BundleError."""
    if path is None:
        return backend
    positive = heads.jailbreak.labels.index(heads.jailbreak.positive)
    return Widened(backend, Wide.load(path, len(heads.domain.labels)), positive)


class Widened:
    """A backend whose logits for the domain and the guard have the wide part's added."""

    def __init__(self, backend: Backend, wide: Wide, positive: int) -> None:
        """positive: the guard's label that means an attack."""
        self._backend = backend
        self._wide = wide
        self._positive = positive

    @property
    def lanes(self) -> int:
        return self._backend.lanes

    def sizes(self, width: int) -> Sequence[int]:
        return self._backend.sizes(width)

    def infer(self, ids: Ids, mask: Ids, lane: int = 0) -> HeadOutputs:
        outputs = self._backend.infer(ids, mask, lane)
        domain, risk = self._wide.logits(ids, mask)
        jailbreak = outputs.jailbreak.copy()
        jailbreak[:, self._positive] += risk
        return replace(outputs, domain=outputs.domain + domain, jailbreak=jailbreak)

    def warm_up(self, rows: int, width: int) -> None:
        self._backend.warm_up(rows, width)
