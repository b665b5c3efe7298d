"""Can a rule ever match, and can it still once other rules come first?

A rule is a Boolean function of its signals. With few signals its whole truth table fits into one
Python integer (bit k is the value under assignment k), and both questions are a bitwise operation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

from vsr.config.schema.routing import Rule

Variable = tuple[str, str, str]
"""type, name, on_error: the same signal with another on_error may differ when it is unavailable."""

MAX_VARIABLES: Final = 12  # 4096 assignments; rules over more signals are taken on trust


def is_never_true(rule: Rule) -> bool:
    columns = _columns([rule])
    return columns is not None and _table(rule, columns, _all_ones(columns)) == 0


def implies(rule: Rule | None, other: Rule | None) -> bool:
    """Whenever `rule` matches, so does `other`. None is the catch-all."""
    if other is None:
        return True
    columns = _columns([other] if rule is None else [rule, other])
    if columns is None:
        return False
    ones = _all_ones(columns)
    premise = ones if rule is None else _table(rule, columns, ones)
    return premise & ~_table(other, columns, ones) == 0


def _columns(rules: Sequence[Rule]) -> Mapping[Variable, int] | None:
    variables = list(dict.fromkeys(variable for rule in rules for variable in _variables(rule)))
    if len(variables) > MAX_VARIABLES:
        return None
    return {variable: _column(index, len(variables)) for index, variable in enumerate(variables)}


@cache
def _column(index: int, count: int) -> int:
    """Bit k is bit `index` of k, for the 2**count assignments k."""
    return sum(1 << row for row in range(1 << count) if row >> index & 1)


def _all_ones(columns: Mapping[Variable, int]) -> int:
    return (1 << (1 << len(columns))) - 1


def _variables(rule: Rule) -> list[Variable]:
    if rule.type is not None:
        return [(rule.type, rule.name, rule.on_error)]
    return [variable for condition in rule.conditions for variable in _variables(condition)]


def _table(rule: Rule, columns: Mapping[Variable, int], ones: int) -> int:
    if rule.type is not None:
        return columns[rule.type, rule.name, rule.on_error]
    tables = [_table(condition, columns, ones) for condition in rule.conditions]
    if rule.operator == "NOT":
        return ones & ~tables[0] if tables else ones
    result = ones if rule.operator == "AND" else 0
    for table in tables:
        result = result & table if rule.operator == "AND" else result | table
    return result
