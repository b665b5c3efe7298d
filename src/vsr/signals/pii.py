"""PII rules: whether personal data of a type that is not allowed was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from vsr.config.policy import PiiRule
from vsr.facts import Entity, Signal


def evaluate(
    rules: Sequence[PiiRule], entities: Sequence[Entity], ask: Collection[int], error: str
) -> list[Signal]:
    """One signal a rule. `error` says that the encoder could not read: what the patterns found
    still counts, but finding nothing then proves nothing."""
    return [_evaluate_rule(rule, entities, ask, error) for rule in rules]


def _evaluate_rule(rule: PiiRule, entities: Sequence[Entity], ask: Collection[int], error: str) -> Signal:
    threshold = rule.threshold or 0.0
    found = [
        entity
        for entity in entities
        if entity.type not in rule.allowed
        and entity.score >= threshold
        and (rule.include_history or entity.passage in ask)
    ]
    if not found:
        return Signal("pii", rule.name, False, 0.0, rule.threshold, error=error)
    score = max(entity.score for entity in found)
    return Signal("pii", rule.name, True, score, rule.threshold, detail=count_types(found))


def count_types(entities: Iterable[Entity]) -> str:
    """E.g. `EMAIL_ADDRESS 2, PERSON 1`: types and counts, never values."""
    counts = Counter(entity.type for entity in entities)
    return ", ".join(f"{kind} {counts[kind]}" for kind in sorted(counts))
