"""The compiled projections: values derived from signals before the decisions are made.

Part of `policy`, which passes these names on. The arithmetic is in `vsr.decisions.projections`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vsr.config.predicate import Predicate


@dataclass(frozen=True, slots=True)
class Partition:
    """Of several signals of one type at most one is left. default: the member that counts as matched
    when none did, "" for none. temperature: of the softmax over the contenders' confidences that the
    winner's confidence then is; None leaves it as it was."""

    name: str
    type: str
    members: tuple[str, ...]
    default: str = ""
    temperature: float | None = None


@dataclass(frozen=True, slots=True)
class Input:
    """One summand of a score: `weight` times a value.

    binary: `match` if the signal matched, else `miss`. confidence: the signal's if it matched, else 0.
    raw: its value, matched or not. score: that of the projection score `name`. metric: one of a
    knowledge base's, in the labels of the signal `kb:name`.
    """

    type: str
    name: str
    weight: float
    source: Literal["binary", "confidence", "raw", "score", "metric"] = "binary"
    label: str = ""
    match: float = 1.0
    miss: float = 0.0


@dataclass(frozen=True, slots=True)
class Score:
    name: str
    inputs: tuple[Input, ...]


@dataclass(frozen=True, slots=True)
class Band:
    name: str
    bounds: Predicate


@dataclass(frozen=True, slots=True)
class Bands:
    """Turns the score `source` into projection signals, one a band. several: every band that holds,
    not only the first. slope: of the sigmoid that makes a confidence of the distance to the next bound."""

    name: str
    source: str
    bands: tuple[Band, ...]
    several: bool = False
    slope: float = 12.0


@dataclass(frozen=True, slots=True)
class Projections:
    """steps: scores and mappings, each after those it depends on."""

    partitions: tuple[Partition, ...] = ()
    steps: tuple[Score | Bands, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.partitions or self.steps)
