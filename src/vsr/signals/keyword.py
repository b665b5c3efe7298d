"""Keyword rules: regular expressions over the text that is to be routed.

The configuration compiles the expressions (word boundaries, case); here they are only counted.
"""

from __future__ import annotations

from collections.abc import Sequence

from vsr.config.policy import KeywordRule
from vsr.facts import Signal


def evaluate(rules: Sequence[KeywordRule], text: str) -> list[Signal]:
    """One signal a rule, with confidence 1.0 as in the original."""
    return [_evaluate_rule(rule, text) for rule in rules]


def _evaluate_rule(rule: KeywordRule, text: str) -> Signal:
    total = len(rule.patterns)
    found = sum(1 for pattern in rule.patterns if pattern.search(text))
    match rule.operator:
        case "AND":
            matched = total > 0 and found == total
        case "OR":
            matched = found > 0
        case "NOR":
            matched = found == 0
    return Signal("keyword", rule.name, matched, detail=f"{found} of {total} keywords found")
