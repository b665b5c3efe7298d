"""Event rules: alerts and transactions, told from the request's metadata or its text.

A rule holds when at least one of its criteria does; the confidence rises with their share, as in the
original: 0.5 + 0.5 · met / given. Metadata keys `event_type`, `severity` and `action_code` are compared
whole, the text word by word. Times that press are known in English and Chinese.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from vsr.config.patterns import fold_case
from vsr.config.policy_signals import EventRule, Phrase
from vsr.facts import Signal
from vsr.signals.asked import Asked

_SEVERITIES: Final = {
    "critical": re.compile(r"\bcritical\b|严重|紧急"),
    "high": re.compile(r"\bhigh\b|高危|高优先级"),
    "medium": re.compile(r"\bmedium\b|中等|中危"),
    "low": re.compile(r"\blow\b|低危|低优先级"),
}
_TEMPORAL: Final = re.compile(
    r"\b(?:urgent|urgently|immediate|immediately|asap|deadline|time.sensitive|now|critical.window)\b"
    r"|立即|立刻|马上|尽快|紧急|截止"
)


def evaluate(rules: Sequence[EventRule], asked: Asked, metadata: Mapping[str, str]) -> list[Signal]:
    return [_evaluate_rule(rule, asked, metadata) for rule in rules]


def _evaluate_rule(rule: EventRule, asked: Asked, metadata: Mapping[str, str]) -> Signal:
    criteria: dict[str, bool] = {}
    if rule.event_types:
        criteria["event_type"] = _given(metadata, "event_type") in rule.event_types or _any(
            rule.phrases, asked
        )
    if rule.severities:
        criteria["severity"] = _given(metadata, "severity") in rule.severities or any(
            _SEVERITIES[severity].search(asked.folded) for severity in rule.severities
        )
    if rule.action_codes:
        criteria["action_code"] = _given(metadata, "action_code") in rule.action_codes or _any(
            rule.code_phrases, asked
        )
    if rule.temporal:
        criteria["temporal"] = _TEMPORAL.search(asked.folded) is not None
    met = [name for name, holds in criteria.items() if holds]
    confidence = 0.5 + 0.5 * len(met) / len(criteria) if met else 0.0
    return Signal("event", rule.name, bool(met), confidence, detail=", ".join(met) or "no criterion met")


def _given(metadata: Mapping[str, str], key: str) -> str:
    return fold_case(metadata.get(key, "")).strip()


def _any(phrases: Sequence[Phrase], asked: Asked) -> bool:
    return any(asked.occurrences(phrase.needle, phrase.pattern, 1) for phrase in phrases)
