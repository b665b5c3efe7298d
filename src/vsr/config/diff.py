"""What two configurations do differently: a comparison of what they were compiled to, not of their texts.

Order, comments, defaults written out and the place of a key make no difference here. Things with a name
are compared by their name. Secrets show as changed, never as they are; so do values of header fields, since
any of them may be a credential that came from the environment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, fields, is_dataclass
from re import Pattern
from typing import TYPE_CHECKING, Final, Literal

from vsr.config.patterns import Expression
from vsr.config.policy import Policy
from vsr.content import Content, Secret

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_IGNORED: Final = ("digest", "inert")
_HEADERS: Final = ("extra_headers", "add", "update")
"""What holds header fields as (name, value)."""
_LONGEST: Final = 200
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Change:
    """path: in the words of the compiled policy, e.g. `guards.jailbreak.threshold`. Values are shown."""

    kind: Literal["added", "removed", "changed"]
    path: str
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        if self.kind == "added":
            return f"+ {self.path}: {self.after}"
        if self.kind == "removed":
            return f"- {self.path}: {self.before}"
        return f"~ {self.path}: {self.before} → {self.after}"


def compare(before: Policy, after: Policy) -> tuple[Change, ...]:
    """In the order of the policy's parts; empty if both do the same with every request."""
    return tuple(_compare("", before, after))


def _compare(path: str, before: object, after: object) -> Iterator[Change]:
    if before is _ABSENT:
        yield Change("added", path, after=shown(after))
        return
    if after is _ABSENT:
        yield Change("removed", path, before=shown(before))
        return
    parts, others = _parts(before), _parts(after)
    if parts is None or others is None or type(before) is not type(after):
        if _plain(before) != _plain(after):
            yield Change("changed", path, shown(before), shown(after))
        return
    for name in dict.fromkeys((*parts, *others)):
        inner = f"{path}.{name}" if path else name
        yield from _compare(inner, parts.get(name, _ABSENT), others.get(name, _ABSENT))
    common = [name for name in parts if name in others]
    if isinstance(before, tuple) and common != [name for name in others if name in parts]:
        order = " before ".join(name for name in others if name in parts)
        yield Change("changed", f"{path} (order)", " before ".join(common), order)


def _parts(value: object) -> Mapping[str, object] | None:
    """What a value consists of by name; None if it is compared as a whole."""
    if isinstance(value, Expression):
        return None
    if is_dataclass(value) and not isinstance(value, type):
        skipped = (*_IGNORED, "name") if hasattr(value, "name") else _IGNORED
        return {name: item for name, item in _fields(value) if name not in skipped}
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items()}
    if isinstance(value, tuple):
        given = [str(getattr(item, "name", "")) for item in value]
        if all(given) and len(set(given)) == len(given):
            return dict(zip(given, value, strict=True))
        return {} if not value else None
    return None


def _fields(value: DataclassInstance) -> Iterator[tuple[str, object]]:
    for field in fields(value):
        item = getattr(value, field.name)
        if field.name in _HEADERS:
            item = tuple((name, Secret(text)) for name, text in item)
        yield field.name, item


def _plain(value: object) -> object:
    """Comparable and without addresses: patterns by their text."""
    if isinstance(value, Pattern):
        return (value.pattern, value.flags)
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    return value


def shown(value: object) -> str:
    """One line. Secrets and long texts are not shown whole."""
    text = _shown(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _shown(value: object) -> str:
    if isinstance(value, (Secret, Content)):
        return str(value)
    if isinstance(value, Pattern):
        return str(value.pattern)
    if isinstance(value, Expression):
        return value.text
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Set):
        return "{" + ", ".join(sorted(map(_shown, value))) + "}"
    if is_dataclass(value) and not isinstance(value, type):
        given = (one for one in _fields(value) if one[1] not in (None, (), ""))
        inner = ", ".join(f"{name}: {_shown(item)}" for name, item in given)
        return f"{type(value).__name__}({inner})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_shown(item)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_shown, value)) + "]"
    return str(value)
