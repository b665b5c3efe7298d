"""Structure rules: what the shape of the routing text says, as counts, densities and sequences.

Density is per word, or per character in scripts without spaces, so that a threshold means the same in
English and Chinese. Expressions are counted in the beginning of a long text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from vsr.config.policy_signals import Phrase, StructureRule
from vsr.facts import Signal
from vsr.signals.asked import Asked

COUNTED: Final = 65_536
"""Characters in which the matches of an expression are counted."""


def evaluate(rules: Sequence[StructureRule], asked: Asked) -> list[Signal]:
    return [_evaluate_rule(rule, asked) for rule in rules]


def _evaluate_rule(rule: StructureRule, asked: Asked) -> Signal:
    value = _value(rule, asked)
    matched = value > 0 if rule.predicate is None else rule.predicate.holds(value)
    return Signal("structure", rule.name, matched, detail=f"{rule.feature} {value:.4g}", value=value)


def _value(rule: StructureRule, asked: Asked) -> float:
    match rule.feature:
        case "exists":
            return float(_exists(rule, asked))
        case "sequence":
            return float(any(_follow(sequence, asked) for sequence in rule.sequences))
        case "count":
            return float(_count(rule, asked))
        case "density":
            part = asked if rule.expression is None else _beginning(asked)
            return _count(rule, part) / part.units if part.units else 0.0


def _exists(rule: StructureRule, asked: Asked) -> bool:
    if rule.expression:
        return rule.expression.search(asked.text)
    if rule.phrases:
        return any(asked.occurrences(phrase.needle, phrase.pattern, 1) for phrase in rule.phrases)
    return _count(rule, asked) > 0


def _count(rule: StructureRule, asked: Asked) -> int:
    match rule.source:
        case "text_bytes":
            return asked.size
        case "sequence":
            return sum(_follow(sequence, asked) for sequence in rule.sequences)
        case "regex":
            return rule.expression.count(_beginning(asked).text) if rule.expression else 0
        case "keyword_set":
            return sum(asked.occurrences(phrase.needle, phrase.pattern) for phrase in rule.phrases)


def _beginning(asked: Asked) -> Asked:
    return asked if len(asked.text) <= COUNTED else Asked(asked.text[:COUNTED])


def _follow(sequence: Sequence[Phrase], asked: Asked) -> bool:
    """Whether the markers stand one after another, with anything between."""
    position = 0
    for phrase in sequence:
        found = phrase.pattern.search(asked.text, position) if phrase.needle in asked.folded else None
        if found is None:
            return False
        position = found.end()
    return bool(sequence)
