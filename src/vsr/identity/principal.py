"""Who is asking, as far as it was authenticated: an immutable principal."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """`id` is stable for a user or a key and cannot be turned back into it; `anonymous` where none is
    needed. user, groups: what role bindings name; user is empty where only a key is known."""

    id: str
    user: str = ""
    groups: frozenset[str] = frozenset()


ANONYMOUS = Principal("anonymous")


def of_user(user: str, groups: frozenset[str]) -> Principal:
    return Principal("user-" + _digest(user), user, groups)


def of_key(token: str, groups: frozenset[str]) -> Principal:
    return Principal("key-" + _digest(token), groups=groups)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
