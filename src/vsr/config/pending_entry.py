"""What is said about a key of the original that is not carried out: see `pending`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["refused", "unless_off", "inert"]


@dataclass(frozen=True, slots=True)
class Pending:
    kind: Kind
    reason: str


def keys(kind: Kind, reason: str, prefix: str, *names: str) -> dict[str, Pending]:
    """The same about several keys below a prefix."""
    return {prefix + name: Pending(kind, reason) for name in names}


def values(key: str, kind: Kind, reason: str, *given: str) -> dict[tuple[str, str], Pending]:
    """The same about several values of a key."""
    return {(key, value): Pending(kind, reason) for value in given}
