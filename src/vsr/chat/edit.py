"""Changes to a request body, as pure functions: a new dict that shares whatever did not change.

The parsed body is never mutated: it was judged, and others (a trace, a retry) may still read it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from vsr.chat.json_text import Span, is_json, within_scalars
from vsr.errors import InvalidRequest, Refused
from vsr.facts import BodyPath, Entity, Leaf, Passage

Change = tuple[BodyPath, Any]


def set_path(body: Mapping[str, Any], path: BodyPath, value: object) -> dict[str, Any]:
    """`body` with `value` at `path`. Objects missing on the way are made.

    InvalidRequest if the client sent something on the way that is not a container.
    """
    return set_paths(body, [(path, value)])


def set_paths(body: Mapping[str, Any], changes: Iterable[Change]) -> dict[str, Any]:
    """`set_path` for many paths at once; each container is copied once. Paths must not be prefixes of
    one another."""
    result: dict[str, Any] = _changed(body, list(changes), 0)
    return result


def _changed(node: Any, changes: list[Change], depth: int) -> Any:
    """A copy of `node`, itself reached by the first `depth` steps of every change's path."""
    copy: Any
    if node is None:
        copy = {}
    elif isinstance(node, Mapping):
        copy = dict(node)
    elif isinstance(node, list):
        copy = list(node)
    else:
        where = ".".join(map(str, changes[0][0][:depth]))
        raise InvalidRequest(f"{where} must be an object", param=where)
    below: dict[str | int, list[Change]] = {}
    for path, value in changes:
        if len(path) == depth + 1:
            copy[path[depth]] = value
        else:
            below.setdefault(path[depth], []).append((path, value))
    for step, group in below.items():
        child = copy.get(step) if isinstance(copy, dict) else copy[step]
        copy[step] = _changed(child, group, depth + 1)
    return copy


def with_model(body: Mapping[str, Any], model_id: str) -> dict[str, Any]:
    return {**body, "model": model_id}


def ask_for_usage(body: Mapping[str, Any]) -> dict[str, Any]:
    """A streamed request that makes the back end report usage; other stream options stay."""
    return set_path(body, ("stream_options", "include_usage"), True)


def replace_spans(
    body: Mapping[str, Any],
    passages: Sequence[Passage],
    entities: Iterable[Entity],
    placeholder: Callable[[Entity], str],
) -> dict[str, Any]:
    """`body` with a placeholder for every entity. Nothing outside the spans changes.

    Overlapping spans become one, under the placeholder of the most probable of them; a span that
    crosses into the next string is replaced in both. A number becomes the placeholder, and a string that
    is JSON stays JSON. Refused if a span stands in an object's key or an encoded file: renaming a key would
    change what the request means, and leaving the span would be a masking that did not happen.
    """
    spans: dict[BodyPath, list[Span]] = {}
    values: dict[BodyPath, str | int | float] = {}
    # By falling score, so that of two overlapping spans the first one met names the union.
    for entity in sorted(entities, key=lambda entity: -entity.score):
        for leaf, start, end in touched(passages[entity.passage], entity):
            if not leaf.path:
                raise Refused(
                    "personal data stands in a field name or an encoded file, where it cannot be masked"
                )
            if leaf.path not in values:
                values[leaf.path] = _value_at(body, leaf.path)
            spans.setdefault(leaf.path, []).append((start, end, placeholder(entity)))
    return set_paths(body, [(path, _replaced(values[path], found)) for path, found in spans.items()])


def _value_at(body: Mapping[str, Any], path: BodyPath) -> str | int | float:
    node: Any = body
    for step in path:
        node = node[step]
    value: str | int | float = node
    return value


def touched(passage: Passage, entity: Entity) -> Iterator[tuple[Leaf, int, int]]:
    """The strings of the body that an entity of `passage` stands in, and from where to where in each."""
    leaves = passage.leaves
    place = bisect_right(leaves, entity.start, key=lambda leaf: leaf.end)
    while place < len(leaves) and (leaf := leaves[place]).start < entity.end:
        shift = leaf.offset - leaf.start
        yield leaf, max(entity.start, leaf.start) + shift, min(entity.end, leaf.end) + shift
        place += 1


def _replaced(value: str | int | float, spans: list[Span]) -> str:
    merged = _merged(spans)
    if not isinstance(value, str):
        return merged[0][2]
    if is_json(value):
        merged = within_scalars(value, merged)
    pieces = []
    position = 0
    for start, end, instead in merged:
        pieces += [value[position:start], instead]
        position = end
    return "".join([*pieces, value[position:]])


def _merged(spans: list[Span]) -> list[Span]:
    """Disjoint spans in order. `spans` come in order of preference: a union takes the first's name."""
    ranked = sorted((start, end, rank, instead) for rank, (start, end, instead) in enumerate(spans))
    merged: list[tuple[int, int, int, str]] = []
    for start, end, rank, instead in ranked:
        if merged and start < merged[-1][1]:
            last_start, last_end, last_rank, last_instead = merged[-1]
            name = (rank, instead) if rank < last_rank else (last_rank, last_instead)
            merged[-1] = (last_start, max(last_end, end), *name)
        else:
            merged.append((start, end, rank, instead))
    return [(start, end, instead) for start, end, _, instead in merged]
