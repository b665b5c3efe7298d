"""Bounds for a number: what a rule, a signal or a band of a projection compares a value with."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Predicate:
    """All bounds that are given must hold. A value that is no finite number holds for none."""

    gt: float | None = None
    gte: float | None = None
    lt: float | None = None
    lte: float | None = None

    def holds(self, value: float) -> bool:
        return (
            (self.gt is None or value > self.gt)
            and (self.gte is None or value >= self.gte)
            and (self.lt is None or value < self.lt)
            and (self.lte is None or value <= self.lte)
            and math.isfinite(value)
        )

    @property
    def bounds(self) -> tuple[float, ...]:
        given = (self.gt, self.gte, self.lt, self.lte)
        return tuple(bound for bound in given if bound is not None)

    def __str__(self) -> str:
        parts = ((">", self.gt), (">=", self.gte), ("<", self.lt), ("<=", self.lte))
        return " and ".join(f"{sign} {bound:g}" for sign, bound in parts if bound is not None)
