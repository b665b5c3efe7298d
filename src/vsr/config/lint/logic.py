"""Can a rule ever match, does it always, and can it still win once other rules come first?

A rule is a Boolean function of its leaves. With few leaves its whole truth table fits into one Python
integer (bit k is the value under assignment k), and every question is a bitwise operation. Assignments
that no request can bring about (two members of a partition, two bands of a mapping, bounds that exclude
each other) are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations
from typing import Final

from vsr.config.compile_projections import signal_reference
from vsr.config.schema.base import Bounds
from vsr.config.schema.decisions import Rule
from vsr.config.schema.routing import Routing

MAX_VARIABLES: Final = 12  # 4096 assignments; rules over more leaves are taken on trust


@dataclass(frozen=True, slots=True)
class Variable:
    """A leaf. bounds None: it asks whether the signal matches."""

    type: str
    name: str
    label: str
    bounds: tuple[float | None, ...] | None
    on_error: str


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is known of a rule alone. rule: so that no other takes its id. touched: its signals, and the
    numbers of the groups of alternatives that they are in."""

    rule: Rule
    variables: tuple[Variable, ...]
    touched: frozenset[tuple[str, str] | int]
    never: bool
    always: bool


@dataclass(frozen=True, slots=True)
class Logic:
    """alternatives: by signal, as (type, name), the numbers of the groups it is in of which at most one
    matches. Every rule is compared with many others, so what is asked of it alone is kept."""

    routing: Routing
    alternatives: dict[tuple[str, str], set[int]] = field(init=False, default_factory=dict)
    _kept: dict[int, _Kept] = field(init=False, default_factory=dict)
    _variables: dict[int, tuple[Rule, Variable]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for number, group in enumerate(_alternatives(self.routing)):
            for signal in group:
                self.alternatives.setdefault(signal, set()).add(number)

    def never(self, rule: Rule) -> bool:
        return self.kept(rule).never

    def always(self, rule: Rule) -> bool:
        """Only of a rule that looks as if it asked for something."""
        kept = self.kept(rule)
        return bool(kept.variables) and kept.always

    def implies(self, rule: Rule | None, others: Sequence[Rule | None]) -> bool:
        """Whenever `rule` matches, so does one of the others. None is the catch-all."""
        if None in others:
            return True
        given = [other for other in others if other is not None]
        if len(given) == 1 and not self._related(rule, given[0]):
            return self.kept(given[0]).always or (rule is not None and self.never(rule))
        table = _Table.of([*given, *([rule] if rule else [])], self)
        if table is None:
            return False
        covered = 0
        for other in given:
            covered |= table.true(other)
        premise = table.true(rule) if rule else table.ones
        return premise & table.possible & ~covered == 0

    def _related(self, rule: Rule | None, other: Rule) -> bool:
        """Whether what one finds says anything about what the other finds."""
        return rule is not None and not self.kept(rule).touched.isdisjoint(self.kept(other).touched)

    def kept(self, rule: Rule) -> _Kept:
        found = self._kept.get(id(rule))
        if found is None:
            variables = tuple(dict.fromkeys(self.variable(leaf) for leaf in leaves(rule)))
            signals = {(variable.type, variable.name) for variable in variables}
            groups = {number for signal in signals for number in self.alternatives.get(signal, ())}
            table = _Table.of_variables(variables, self)
            true = 0 if table is None else table.true(rule)
            found = self._kept[id(rule)] = _Kept(
                rule,
                variables,
                frozenset((*signals, *groups)),
                never=table is not None and true & table.possible == 0,
                always=table is not None and table.possible & ~true == 0,
            )
        return found

    def variable(self, leaf: Rule) -> Variable:
        found = self._variables.get(id(leaf))
        if found is None:
            found = self._variables[id(leaf)] = leaf, self._variable(leaf)
        return found[1]

    def _variable(self, rule: Rule) -> Variable:
        kind = rule.type or ""
        name, verdict = signal_reference(kind, rule.name, self.routing.signals.domains)
        bounds = _ends(rule.predicate) if rule.predicate else None
        return Variable(kind, name, rule.label or verdict, bounds, rule.on_error)

    def exclusive(self, one: Variable, other: Variable) -> bool:
        """No request makes both match. An unavailable signal that counts as a match excludes nothing."""
        if "match" in (one.on_error, other.on_error):
            return False
        same = (one.type, one.name) == (other.type, other.name)
        if one.bounds is not None and other.bounds is not None:
            return same and one.label == other.label and not _meet(one.bounds, other.bounds)
        if one.bounds is not None or other.bounds is not None:
            return False
        if same:
            return bool(one.label and other.label) and one.label != other.label
        groups = self.alternatives.get((one.type, one.name), set())
        return not groups.isdisjoint(self.alternatives.get((other.type, other.name), ()))

    def includes(self, one: Variable, other: Variable) -> bool:
        """Whenever `one` matches, so does the other."""
        if (one.type, one.name) != (other.type, other.name) or one == other:
            return False
        if one.on_error == "match" and other.on_error != "match":
            return False
        if one.bounds is not None and other.bounds is not None:
            return one.label == other.label and _within(one.bounds, other.bounds)
        return one.bounds is other.bounds is None and other.label in ("", one.label)


@dataclass(frozen=True, slots=True)
class _Table:
    """columns: the truth table of each variable alone. possible: assignments that can come about."""

    logic: Logic
    columns: Mapping[Variable, int]
    ones: int
    possible: int

    @classmethod
    def of(cls, rules: Iterable[Rule], logic: Logic) -> _Table | None:
        variables: dict[Variable, None] = {}
        for rule in rules:
            variables |= dict.fromkeys(logic.kept(rule).variables)
            if len(variables) > MAX_VARIABLES:
                return None
        return cls.of_variables(tuple(variables), logic)

    @classmethod
    def of_variables(cls, variables: Sequence[Variable], logic: Logic) -> _Table | None:
        if len(variables) > MAX_VARIABLES:
            return None
        ones = (1 << (1 << len(variables))) - 1
        columns = {variable: _column(index, len(variables)) for index, variable in enumerate(variables)}
        possible = ones
        for one, other in combinations(variables, 2):
            if logic.exclusive(one, other):
                possible &= ~(columns[one] & columns[other])
            if logic.includes(one, other):
                possible &= ~columns[one] | columns[other]
            if logic.includes(other, one):
                possible &= ~columns[other] | columns[one]
        return cls(logic, columns, ones, possible & ones)

    def true(self, rule: Rule) -> int:
        if rule.type is not None:
            return self.columns[self.logic.variable(rule)]
        tables = [self.true(condition) for condition in rule.conditions]
        if rule.operator == "NOT":
            return self.ones & ~tables[0] if tables else self.ones
        result = self.ones if rule.operator == "AND" else 0
        for table in tables:
            result = result & table if rule.operator == "AND" else result | table
        return result


def leaves(rule: Rule) -> list[Rule]:
    if rule.type is not None:
        return [rule]
    return [leaf for condition in rule.conditions for leaf in leaves(condition)]


@cache
def _column(index: int, count: int) -> int:
    """Bit k is bit `index` of k, for the 2**count assignments k."""
    return sum(1 << row for row in range(1 << count) if row >> index & 1)


def _alternatives(routing: Routing) -> Iterable[frozenset[tuple[str, str]]]:
    domains = {domain.name for domain in routing.signals.domains}
    for partition in routing.projections.partitions:
        kind = "domain" if set(partition.members) & domains else "embedding"
        yield frozenset((kind, member) for member in partition.members)
    for mapping in routing.projections.mappings:
        if mapping.method == "threshold_bands":
            yield frozenset(("projection", output.name) for output in mapping.outputs)
            continue
        for one, other in combinations(mapping.outputs, 2):
            if not _meet(_ends(one), _ends(other)):
                yield frozenset((("projection", one.name), ("projection", other.name)))


def _ends(bounds: Bounds) -> tuple[float | None, ...]:
    return (bounds.gt, bounds.gte, bounds.lt, bounds.lte)


def _interval(ends: tuple[float | None, ...]) -> tuple[tuple[float, int], tuple[float, int]]:
    """Lower and upper end; at the same number a strict end lies further inside."""
    gt, gte, lt, lte = ends
    lows = [(end, strict) for end, strict in ((gt, 1), (gte, 0)) if end is not None]
    highs = [(end, strict) for end, strict in ((lt, -1), (lte, 0)) if end is not None]
    return max(lows, default=(-math.inf, 0)), min(highs, default=(math.inf, 0))


def _meet(one: tuple[float | None, ...], other: tuple[float | None, ...]) -> bool:
    (low, high), (low2, high2) = _interval(one), _interval(other)
    return max(low, low2) <= min(high, high2)


def _within(one: tuple[float | None, ...], other: tuple[float | None, ...]) -> bool:
    (low, high), (low2, high2) = _interval(one), _interval(other)
    return low2 <= low and high <= high2
