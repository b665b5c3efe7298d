"""Comments of a YAML text, carried over to another text that holds the same things elsewhere.

A comment belongs to the line that it stands on, or to the next line that holds something. Only whole
comments move; how a value is written is not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import yaml

from vsr.config.paths import KeyPath, Plain
from vsr.config.yamlfile import parse_yaml, to_yaml

_COMMENT = re.compile(r"\s*#")
_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")


@dataclass(slots=True)
class _Comments:
    """Line numbers count from 1. above: comments that stand over a line; beside: behind it."""

    head: list[str] = field(default_factory=list)
    above: dict[int, list[str]] = field(default_factory=dict)
    beside: dict[int, str] = field(default_factory=dict)
    tail: list[str] = field(default_factory=list)

    @property
    def all(self) -> list[str]:
        return [line for block in self.above.values() for line in block] + list(self.beside.values())


def with_comments(
    data: Plain, text: str, lines: Mapping[KeyPath, int], *, nearest: bool = False
) -> tuple[str, list[str]]:
    """`data` as YAML with the comments of `text`, and those that found no place.

    lines: for a path of `data` the line of `text` where it stood. nearest: comments of a line that is not
    in `data` go to the next line that is.
    """
    try:
        comments = _read(text)
    except yaml.YAMLError:  # the scanner in Python is stricter here and there than the one in C
        comments = _Comments()
    written = to_yaml(data)
    places = _places(lines, parse_yaml(written, "").lines)
    if nearest:
        known = sorted(places)
        for line in {*comments.above, *comments.beside} - places.keys():
            if following := next((other for other in known if other > line), 0):
                places[line] = places[following]
    for beside in (True, False):
        result, lost = _put(written, comments, places, beside)
        if parse_yaml(result, "").data == data:
            return result, lost
    return written, [*comments.head, *comments.all, *comments.tail]


def _places(old: Mapping[KeyPath, int], new: Mapping[KeyPath, int]) -> dict[int, int]:
    """Line of the old text → line of the new one, by the outermost thing that begins there."""
    found: dict[int, int] = {}
    for path in sorted(new, key=len):
        if path and path in old:
            found.setdefault(old[path], new[path])
    return found


def _put(written: str, comments: _Comments, places: Mapping[int, int], beside: bool) -> tuple[str, list[str]]:
    lines = written.splitlines()
    above: dict[int, list[str]] = {}
    lost: list[str] = []
    for line, block in comments.above.items():
        target = places.get(line)
        if target is None:
            lost += block
        else:
            above.setdefault(target, []).extend(block)
    for line, comment in comments.beside.items():
        target = places.get(line)
        if target is None:
            lost.append(comment)
        elif beside and "#" not in lines[target - 1]:
            lines[target - 1] += f" {comment}"
        else:
            above.setdefault(target, []).append(comment)
    result = list(comments.head)
    for number, row in enumerate(lines, 1):
        indent = row[: len(row) - len(row.lstrip())]
        result += [indent + comment for comment in above.get(number, [])]
        result.append(row)
    return "\n".join([*result, *comments.tail]) + "\n", lost


def _read(text: str) -> _Comments:
    ends, inside = _tokens(text)
    comments, block, started = _Comments(), list[str](), False
    for number, line in enumerate(_BREAK.split(text), 1):
        if number in inside:
            continue
        if number not in ends:
            if _COMMENT.match(line):
                block.append(line.strip())
            elif block and not started:
                comments.head, block = block, []
            continue
        if block and not started and not comments.head:
            comments.head, block = block, []
        elif block:
            comments.above[number], block = block, []
        started = True
        rest = line[ends[number] :]
        if _COMMENT.match(rest):
            comments.beside[number] = rest.strip()
    comments.tail = block
    return comments


def _tokens(text: str) -> tuple[dict[int, int], set[int]]:
    """For each line with something on it the column where that ends; lines inside of longer scalars."""
    ends: dict[int, int] = {}
    inside: set[int] = set()
    lengths = [len(line) for line in _BREAK.split(text)]
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(token, (yaml.StreamStartToken, yaml.StreamEndToken, yaml.BlockEndToken)):
            continue
        start, end = token.start_mark, token.end_mark
        last = end.line + 1
        if isinstance(token, yaml.ScalarToken) and end.line > start.line:
            block = token.style in ("|", ">")
            inside |= set(range(start.line + 2, end.line + (1 if block else 2)))
            ends[start.line + 1] = lengths[start.line]
            if block:
                continue
        ends[last] = max(ends.get(last, 0), end.column)
    return ends, inside
