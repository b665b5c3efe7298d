"""Metadata rules: a key of the request's `metadata`, which callers set beside the prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vsr.config.policy_signals import MetadataRule
from vsr.facts import Signal


def evaluate(rules: Sequence[MetadataRule], metadata: Mapping[str, str]) -> list[Signal]:
    return [Signal("metadata", rule.name, _matches(rule, metadata)) for rule in rules]


def _matches(rule: MetadataRule, metadata: Mapping[str, str]) -> bool:
    if rule.values is None:
        return (rule.key in metadata) == rule.exists
    return metadata.get(rule.key) in rule.values
