"""Signals that need no model: a valid document's rules with their expressions compiled."""

from __future__ import annotations

from re import Pattern
from typing import Final

from vsr.config import policy_signals as rules
from vsr.config.patterns import Expression, keyword_pattern, needle, raw_pattern
from vsr.config.predicate import Predicate
from vsr.config.schema import signals as schema

_LANGUAGE_THRESHOLD: Final = 0.3
"""The original's, where a rule gives none."""


def compile_keyword(rule: schema.KeywordSignal) -> rules.KeywordRule:
    method = rule.method or ("fuzzy" if rule.fuzzy_match else "words")
    patterns: tuple[Pattern[str], ...] = ()
    expressions: tuple[Expression, ...] = ()
    if method == "words":
        patterns = tuple(keyword_pattern(keyword, rule.case_sensitive) for keyword in rule.keywords)
    elif method == "regex":
        expressions = tuple(raw_pattern(keyword, rule.case_sensitive) for keyword in rule.keywords)
    threshold = {
        "bm25": rule.bm25_threshold,
        "ngram": rule.ngram_threshold,
        "fuzzy": float(rule.fuzzy_threshold),
    }.get(method, 0.0)
    return rules.KeywordRule(
        name=rule.name,
        operator=rule.operator,
        keywords=rule.keywords,
        patterns=patterns,
        expressions=expressions,
        method=method,
        case_sensitive=rule.case_sensitive,
        threshold=threshold,
        arity=rule.ngram_arity,
    )


def compile_language(rule: schema.LanguageSignal) -> rules.LikelyRule:
    return rules.LikelyRule(rule.name.lower(), rule.threshold or _LANGUAGE_THRESHOLD)


def compile_context(rule: schema.ContextSignal) -> rules.ContextRule:
    return rules.ContextRule(rule.name, rule.min_tokens, rule.max_tokens)


def compile_structure(rule: schema.StructureSignal) -> rules.StructureRule:
    source = rule.feature.source
    return rules.StructureRule(
        name=rule.name,
        feature=rule.feature.type,
        source=source.type,
        phrases=tuple(_phrase(word, source.case_sensitive) for word in source.keywords),
        expression=raw_pattern(source.pattern, source.case_sensitive) if source.type == "regex" else None,
        sequences=tuple(
            tuple(_phrase(marker, source.case_sensitive) for marker in sequence)
            for sequence in source.sequences
        ),
        predicate=_predicate(rule.predicate),
    )


def compile_conversation(rule: schema.ConversationSignal) -> rules.ConversationRule:
    source = rule.feature.source
    return rules.ConversationRule(
        rule.name, rule.feature.type, source.type, source.role or "", _predicate(rule.predicate)
    )


def compile_metadata(rule: schema.MetadataSignal) -> rules.MetadataRule:
    wanted = rule.predicate
    if wanted.exists is not None:
        return rules.MetadataRule(rule.name, rule.key, exists=wanted.exists)
    values = (wanted.equals,) if wanted.equals is not None else wanted.in_ or ()
    return rules.MetadataRule(rule.name, rule.key, frozenset(values))


def compile_event(rule: schema.EventSignal) -> rules.EventRule:
    return rules.EventRule(
        name=rule.name,
        event_types=tuple(name.casefold() for name in rule.event_types),
        severities=rule.severities,
        action_codes=tuple(code.casefold() for code in rule.action_codes),
        temporal=rule.temporal,
        phrases=tuple(_phrase(name, False) for name in rule.event_types),
        code_phrases=tuple(_phrase(code, False) for code in rule.action_codes),
    )


def compile_role_binding(rule: schema.RoleBinding) -> rules.RoleBindingRule:
    return rules.RoleBindingRule(
        name=rule.name,
        role=rule.role or rule.name,
        users=frozenset(subject.name for subject in rule.subjects if subject.kind == "User"),
        groups=frozenset(subject.name for subject in rule.subjects if subject.kind == "Group"),
    )


def _phrase(text: str, case_sensitive: bool) -> rules.Phrase:
    return rules.Phrase(needle(text), keyword_pattern(text, case_sensitive))


def _predicate(bounds: schema.Bounds | None) -> Predicate | None:
    return None if bounds is None else Predicate(bounds.gt, bounds.gte, bounds.lt, bounds.lte)
