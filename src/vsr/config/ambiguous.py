"""Regular expressions for which Python's matcher can need forever, told from the tree it parses itself.

Inside a loop every choice (a branch, or one more turn against what follows) must be settled by the next
few characters: then a text can be read in one way only. Outside of loops, three long repeats in a row
must not share a character. Characters are told apart on samples: ASCII, a few others, and whatever the
expression names. Where in doubt, an expression counts as ambiguous.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import combinations
from re import _constants, _parser  # type: ignore[attr-defined] # public until Python 3.11
from typing import Any, Final

_SAMPLES: Final = "".join(map(chr, range(128))) + "éßΩж中あ한ع१٣\u00a0\u2003\u200b\u0301€😀"
_AHEAD: Final = 32
"""Characters within which two branches must differ."""
_FEW: Final = 3
"""Turns that are read as if they were written out."""
_MANY: Final = 20
"""Turns beyond which a repeat counts as unbounded."""
_CATEGORIES: Final = {
    _constants.CATEGORY_DIGIT: r"\d",
    _constants.CATEGORY_NOT_DIGIT: r"\D",
    _constants.CATEGORY_SPACE: r"\s",
    _constants.CATEGORY_NOT_SPACE: r"\S",
    _constants.CATEGORY_WORD: r"\w",
    _constants.CATEGORY_NOT_WORD: r"\W",
}
_REPEATS: Final = (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT)
_CHARACTERS: Final = (_constants.LITERAL, _constants.NOT_LITERAL, _constants.ANY, _constants.IN)

_Heads = tuple[int, ...]
"""For each of the next positions the characters that can stand there, as bits. Anything comes after."""
_Runs = tuple[int, int, int]
"""The characters that the last one, two and three long repeats in a row can all match."""


class Ambiguous(ValueError):
    """Says what is wrong with an expression."""


def check_ambiguous(text: str, flags: int) -> None:
    """Raises Ambiguous. flags: of the compiled expression."""
    tree = _parser.parse(text, flags)
    _Check(tree).whole(tree, flags)


class _Check:
    def __init__(self, tree: Any) -> None:
        characters = {*_SAMPLES, *map(chr, _codes(tree))}
        characters |= {form for one in characters for form in (one.lower(), one.upper()) if len(form) == 1}
        self._characters = sorted(characters)
        self._text = "".join(self._characters)
        self._bits = {one: 1 << index for index, one in enumerate(self._characters)}
        self._all = (1 << len(self._characters)) - 1
        self._end = self._all + 1
        self._folded: dict[str, int] = {}
        for one, bit in self._bits.items():
            self._folded[_fold(one)] = self._folded.get(_fold(one), 0) | bit
        self._categories: dict[tuple[Any, int], int] = {}
        self._turns: dict[tuple[Any, int], _Heads] = {}

    def whole(self, part: Any, flags: int) -> None:
        """A part whose end nothing else depends on."""
        self._heads(part, (self._end,), flags, 1)
        self._runs(part, (0, 0, 0), flags, 1)

    def _heads(self, part: Any, follow: _Heads, flags: int, times: int) -> _Heads:
        """How a part and what follows it begin. times: turns of the loops around it; above _FEW its
        choices are checked, at 0 nothing is."""
        for op, value in reversed(part):
            follow = self._head(op, value, follow, flags, times)
        return follow

    def _head(self, op: Any, value: Any, follow: _Heads, flags: int, times: int) -> _Heads:
        if op in _CHARACTERS:
            return (self._set(op, value, flags), *follow)[:_AHEAD]
        if op in _REPEATS:
            return self._repeat(value, follow, flags, times)
        if op is _constants.SUBPATTERN:
            return self._heads(value[3], follow, (flags | value[1]) & ~value[2], times)
        if op is _constants.ATOMIC_GROUP:
            return self._heads(value, follow, flags, times)
        if op is _constants.BRANCH:
            branches = [self._heads(branch, follow, flags, times) for branch in value[1]]
            if times > _FEW and not all(_apart(one, other) for one, other in combinations(branches, 2)):
                raise _in_a_loop()
            return _either(branches)
        if op is _constants.GROUPREF_EXISTS:
            return _either([self._heads(branch or (), follow, flags, times) for branch in value[1:]])
        if op in (_constants.ASSERT, _constants.ASSERT_NOT) and times:
            self.whole(value[1], flags)
        return () if op is _constants.GROUPREF else follow

    def _repeat(self, value: Any, follow: _Heads, flags: int, times: int) -> _Heads:
        least, most, part = value
        if most == 0:
            return follow
        after = follow
        if most > 1:
            again = self._turn(part, flags)
            # What follows the outermost loop can cost time with a power of the text only, see _runs.
            after = again if 0 < times <= _FEW else _either([again, follow])
        found = self._heads(part, after, flags, times * most)
        if times > _FEW and least != most and not _apart(found, follow):
            raise _in_a_loop()
        return found if least else _either([found, follow])

    def _turn(self, part: Any, flags: int) -> _Heads:
        """How a turn of a loop begins, as far as it surely reaches. Kept, since loops nest."""
        if (part, flags) not in self._turns:
            heads = self._heads(part, (self._end,), flags, 0)
            ends = next((index for index, mask in enumerate(heads) if mask & self._end), len(heads))
            self._turns[part, flags] = heads[:ends] or tuple(mask & self._all for mask in heads[:1])
        return self._turns[part, flags]

    def _runs(self, part: Any, runs: _Runs, flags: int, times: int) -> _Runs:
        for op, value in part:
            if runs[2]:
                raise Ambiguous(
                    "has three repeats in a row that can match the same characters, such as .*.*.*, "
                    "which can take forever to match"
                )
            runs = self._run(op, value, runs, flags, times)
        return runs

    def _run(self, op: Any, value: Any, runs: _Runs, flags: int, times: int) -> _Runs:
        if op in _CHARACTERS:
            return _within(runs, self._set(op, value, flags))
        if op in _REPEATS:
            return self._long(value, runs, flags, times)
        if op is _constants.SUBPATTERN:
            return self._runs(value[3], runs, (flags | value[1]) & ~value[2], times)
        if op is _constants.ATOMIC_GROUP:
            return self._runs(value, runs, flags, times)
        if op in (_constants.BRANCH, _constants.GROUPREF_EXISTS):
            branches = value[1] if op is _constants.BRANCH else value[1:]
            return _any([self._runs(branch or (), runs, flags, times) for branch in branches])
        return runs

    def _long(self, value: Any, runs: _Runs, flags: int, times: int) -> _Runs:
        least, most, part = value
        if times * most <= _FEW:
            for turn in range(most):
                found = self._runs(part, runs, flags, times * most)
                runs = found if turn < least else _any([runs, found])
            return runs
        alone = self._alone(part, flags)
        one, two, three = _within(runs, alone) if least else runs
        if most <= _MANY or least == most:
            return one, two, three
        return one | alone, two | one & alone, three | two & alone

    def _alone(self, part: Any, flags: int) -> int:
        """The characters of which a text of only this character can match."""
        found = self._all
        for op, value in part:
            if op in _CHARACTERS:
                found &= self._set(op, value, flags)
            elif op in _REPEATS and value[0]:
                found &= self._alone(value[2], flags)
            elif op is _constants.SUBPATTERN:
                found &= self._alone(value[3], (flags | value[1]) & ~value[2])
            elif op is _constants.ATOMIC_GROUP:
                found &= self._alone(value, flags)
            elif op is _constants.BRANCH:
                some = 0
                for branch in value[1]:
                    some |= self._alone(branch, flags)
                found &= some
        return found

    def _set(self, op: Any, value: Any, flags: int) -> int:
        if op is _constants.ANY:
            return self._all if flags & re.DOTALL else self._all & ~self._bits["\n"]
        if op is not _constants.IN:
            found = self._bits[chr(value)]
            found = self._any_case(found, chr(value)) if flags & re.IGNORECASE else found
            return self._all & ~found if op is _constants.NOT_LITERAL else found
        found, negated = 0, False
        for kind, what in value:
            if kind is _constants.NEGATE:
                negated = True
            elif kind is _constants.CATEGORY:
                found |= self._category(what, flags)
            elif kind is _constants.LITERAL:
                found |= self._bits[chr(what)]
            else:
                found |= self._where([what[0] <= ord(one) <= what[1] for one in self._characters])
        if flags & re.IGNORECASE:
            found = self._any_case(found, self._text)
        return self._all & ~found if negated else found

    def _any_case(self, found: int, among: str) -> int:
        for one in among:
            if found & self._bits[one]:
                found |= self._folded[_fold(one)]
        return found

    def _category(self, category: Any, flags: int) -> int:
        key = category, flags & re.ASCII
        if key not in self._categories:
            pattern = re.compile(_CATEGORIES[category], key[1])
            self._categories[key] = self._where([bool(pattern.match(one)) for one in self._characters])
        return self._categories[key]

    def _where(self, held: Sequence[bool]) -> int:
        return int("".join("01"[one] for one in reversed(held)), 2)


def _in_a_loop() -> Ambiguous:
    return Ambiguous(
        "repeats a group that repeats inside or has branches that begin alike, such as (a+)+ or (a|a)*, "
        "which can take forever to match"
    )


def _codes(node: Any) -> Iterator[int]:
    """The characters that a tree names, and some more: other numbers do no harm."""
    if isinstance(node, int):
        if 0 <= node <= 0x10FFFF:
            yield int(node)
    elif isinstance(node, (tuple, list, _parser.SubPattern)):
        for one in node:
            yield from _codes(one)


def _fold(character: str) -> str:
    return character.upper().lower()[:1]


def _apart(one: _Heads, other: _Heads) -> bool:
    return any(not mine & theirs for mine, theirs in zip(one, other, strict=False))


def _either(several: Sequence[_Heads]) -> _Heads:
    found = several[0]
    for other in several[1:]:
        found = tuple(mine | theirs for mine, theirs in zip(found, other, strict=False))
    return found


def _within(runs: _Runs, mask: int) -> _Runs:
    return runs[0] & mask, runs[1] & mask, runs[2] & mask


def _any(several: Sequence[_Runs]) -> _Runs:
    one, two, three = 0, 0, 0
    for runs in several:
        one, two, three = one | runs[0], two | runs[1], three | runs[2]
    return one, two, three
