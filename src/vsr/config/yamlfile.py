"""YAML text into plain data, with the line of every key and item, and back.

Reads the YAML 1.2 core schema (`off` and `no` are words, not booleans), refuses duplicate keys, tags
and alias bombs, and bounds size and depth. It knows nothing of what the document means.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from vsr.config.paths import KeyPath, Plain, show
from vsr.errors import ConfigError, Problem

MAX_BYTES: Final = 4 * 1024 * 1024
MAX_NODES: Final = 100_000
MAX_DEPTH: Final = 64

_INT: Final = re.compile(r"[-+]?[0-9]{1,18}")
_PREFIXED: Final = re.compile(r"0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: Final[Mapping[str, Plain]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_STRING_TAGS: Final = (None, "!", "tag:yaml.org,2002:str")


@dataclass(frozen=True, slots=True)
class Source:
    """One document. `lines` gives the 1-based line of every path; the root is line 1."""

    data: Plain
    lines: Mapping[KeyPath, int]


@dataclass(slots=True)
class _Node:
    """A scalar, a list of items or a list of (key, line of the key, value). `size` counts aliases in full,
    `height` is the number of levels below."""

    line: int
    scalar: Plain = None
    items: list[_Node] | None = None
    pairs: list[tuple[str, int, _Node]] | None = None
    size: int = 1
    height: int = 0


def parse_yaml(text: str, path: str) -> Source:
    """Raises ConfigError with every duplicate key, or with the one error that stops the reader."""
    reader = _Reader(path)
    try:
        if len(text.encode()) > MAX_BYTES:
            raise reader.problem(f"is larger than {MAX_BYTES // 1024 // 1024} MiB", 0)
        root = reader.document(yaml.parse(text, Loader=_loader()))
    except UnicodeEncodeError as error:
        raise reader.problem("is not valid Unicode text", 0) from error
    except yaml.MarkedYAMLError as error:
        raise reader.problem(_syntax(error, text), _line(error)) from error
    except yaml.YAMLError as error:
        raise reader.problem("is not YAML: " + str(error).splitlines()[0], 0) from error
    if reader.problems:
        raise ConfigError(reader.problems)
    lines: dict[KeyPath, int] = {(): 1}
    return Source(_plain(root, (), lines), lines)


def to_yaml(data: Plain) -> str:
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        """Written out in full: an alias that nobody wrote confuses the reader."""
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        """In quotes if it would be read as something else: `0E0` is a word in YAML 1.1, a number in 1.2."""
        style = None if isinstance(_resolve(data), str) else "'"
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _Dumper.represent_str)


def _loader() -> type[yaml.SafeLoader] | type[yaml.CSafeLoader]:
    return yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


@dataclass(slots=True)
class _Reader:
    path: str
    problems: list[Problem] = field(default_factory=list)
    anchors: dict[str, _Node] = field(default_factory=dict)
    merged: int = 0

    def problem(self, message: str, line: int) -> ConfigError:
        return ConfigError([Problem(message, self.path, line)])

    def document(self, events: Iterator[Event]) -> _Node:
        root: _Node | None = None
        for event in events:
            if isinstance(event, DocumentStartEvent) and root is not None:
                raise self.problem("holds more than one YAML document", _event_line(event))
            if isinstance(event, NodeEvent):
                root = self.node(event, events, 0, ())
        return root or _Node(1)

    def node(self, event: Event, events: Iterator[Event], depth: int, path: KeyPath) -> _Node:
        line = _event_line(event)
        self.check_depth(depth, line)
        if isinstance(event, AliasEvent):
            return self.alias(event, line, depth)
        node = self.fresh(event, events, depth, path)
        self.check_count(node.size, line)
        anchor = getattr(event, "anchor", None)
        if anchor:
            self.anchors[anchor] = node
        return node

    def check_depth(self, depth: int, line: int) -> None:
        if depth > MAX_DEPTH:
            raise self.problem(f"is nested more than {MAX_DEPTH} levels deep", line)

    def check_count(self, count: int, line: int) -> None:
        if count > MAX_NODES:
            raise self.problem(f"holds more than {MAX_NODES} values once its aliases are expanded", line)

    def alias(self, event: AliasEvent, line: int, depth: int) -> _Node:
        known = self.anchors.get(str(event.anchor))
        if known is None:
            raise self.problem(f"alias *{event.anchor} has no finished anchor before it", line)
        self.check_depth(depth + known.height, line)
        return known

    def fresh(self, event: Event, events: Iterator[Event], depth: int, path: KeyPath) -> _Node:
        line = _event_line(event)
        tag = getattr(event, "tag", None)
        if isinstance(event, ScalarEvent):
            if tag not in _STRING_TAGS:
                raise self.problem(f"tag {tag} is not supported", line)
            plain = tag is None and event.implicit[0]
            return _Node(line, scalar=_resolve(event.value) if plain else event.value)
        if tag is not None:
            raise self.problem(f"tag {tag} is not supported", line)
        if isinstance(event, SequenceStartEvent):
            return self.sequence(events, line, depth, path)
        if isinstance(event, MappingStartEvent):
            return self.mapping(events, line, depth, path)
        raise self.problem("is not YAML that can be read", line)

    def sequence(self, events: Iterator[Event], line: int, depth: int, path: KeyPath) -> _Node:
        items: list[_Node] = []
        for event in events:
            if isinstance(event, SequenceEndEvent):
                break
            items.append(self.node(event, events, depth + 1, (*path, len(items))))
        return _Node(line, items=items, size=_size(items), height=_height(items))

    def mapping(self, events: Iterator[Event], line: int, depth: int, path: KeyPath) -> _Node:
        pairs: dict[str, tuple[int, _Node]] = {}
        merged: tuple[int, _Node] | None = None
        for event in events:
            if isinstance(event, MappingEndEvent):
                break
            if not isinstance(event, ScalarEvent):
                raise self.problem("a key must be plain text", _event_line(event))
            key, key_line = event.value, _event_line(event)
            value = self.node(next(events), events, depth + 1, (*path, key))
            merges = key == "<<" and event.implicit[0]
            before = merged if merges else pairs.get(key)
            if before is not None:
                message = f"duplicate key '{show((*path, key))}', first given in line {before[0]}"
                self.problems.append(Problem(message, self.path, key_line))
            elif merges:
                merged = (key_line, value)
            else:
                pairs[key] = (key_line, value)
        if merged is not None:
            self.merge(*merged, pairs)
        values = [value for _, value in pairs.values()]
        listed = [(key, at, value) for key, (at, value) in pairs.items()]
        return _Node(line, pairs=listed, size=_size(values), height=_height(values))

    def merge(self, line: int, node: _Node, pairs: dict[str, tuple[int, _Node]]) -> None:
        """YAML's `<<`: keys of the mapping (or of a list of mappings) that are not given explicitly. They
        are copied, unlike what an alias stands for, so all of a document together are counted."""
        for source in node.items if node.items is not None else [node]:
            if source.pairs is None:
                raise self.problem("'<<' needs an alias of a mapping", node.line)
            self.merged += 1 + len(source.pairs)
            self.check_count(self.merged, line)
            for key, at, value in source.pairs:
                pairs.setdefault(key, (at, value))


def _size(children: Sequence[_Node]) -> int:
    return 1 + sum(child.size for child in children)


def _height(children: Sequence[_Node]) -> int:
    return 1 + max((child.height for child in children), default=0)


def _resolve(text: str) -> Plain:
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _PREFIXED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text


def _plain(node: _Node, path: KeyPath, lines: dict[KeyPath, int]) -> Plain:
    if node.items is not None:
        for index, item in enumerate(node.items):
            lines[*path, index] = item.line
        return [_plain(item, (*path, index), lines) for index, item in enumerate(node.items)]
    if node.pairs is not None:
        for key, line, _ in node.pairs:
            lines[*path, key] = line
        return {key: _plain(value, (*path, key), lines) for key, _, value in node.pairs}
    return node.scalar


def _event_line(event: Event) -> int:
    mark = event.start_mark
    return int(mark.line) + 1 if mark is not None else 0


def _line(error: yaml.MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return int(mark.line) + 1 if mark is not None else 0


def _syntax(error: yaml.MarkedYAMLError, text: str) -> str:
    lines = text.splitlines()
    number = _line(error)
    quoting = 0 < number <= len(lines) and "${" in lines[number - 1]
    hint = '; inside [ ] and { } a reference needs quotes: "${NAME}"' if quoting else ""
    return f"is not YAML: {error.problem or error.context or 'cannot be read'}{hint}"
