"""Checks of single signal rules: names that something must know, bounds that can hold, parts that fit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from vsr.config.knowledge import BUILT_IN, knowledge_bases
from vsr.config.labels import FACT_CHECKS, FEEDBACKS, LANGUAGES, MODALITIES
from vsr.config.lint.context import Context, check_unique
from vsr.config.lint.decisions import check_rule
from vsr.config.paths import KeyPath, suggest
from vsr.config.patterns import raw_pattern
from vsr.config.schema.decisions import Rule
from vsr.config.schema.signals import (
    Bounds,
    ComplexitySignal,
    ConversationSignal,
    JailbreakSignal,
    KbSignal,
    StructureSignal,
)

_ROOT: KeyPath = ("routing", "signals")
_BASES: KeyPath = ("global", "model_catalog", "kbs")
_GIVEN: Final = {
    "fact_check": FACT_CHECKS,
    "user_feedbacks": FEEDBACKS,
    "modality": MODALITIES,
}
"""Sections whose names say what is looked for."""


def check_rules(context: Context) -> None:
    signals = context.document.routing.signals
    for key, names in _GIVEN.items():
        _check_names(context, key, (rule.name for rule in getattr(signals, key)), names)
    _check_names(context, "language", (rule.name.lower() for rule in signals.language), LANGUAGES)
    for index, rule in enumerate(signals.context):
        if rule.max_tokens is not None and rule.max_tokens < rule.min_tokens:
            _error(context, ("context", index, "max_tokens"), "is less than min_tokens: nothing can match")
    for index, structure in enumerate(signals.structure):
        _check_structure(context, structure, ("structure", index))
    for index, conversation in enumerate(signals.conversation):
        _check_conversation(context, conversation, ("conversation", index))
    for index, event in enumerate(signals.events):
        if not (event.event_types or event.severities or event.action_codes or event.temporal):
            _error(context, ("events", index), f"event signal '{event.name}' has no criterion")
    for index, jailbreak in enumerate(signals.jailbreak):
        _check_jailbreak(context, jailbreak, ("jailbreak", index))
    for index, complexity in enumerate(signals.complexity):
        _check_complexity(context, complexity, ("complexity", index))
    for index, preference in enumerate(signals.preferences):
        if not preference.examples and not preference.description:
            _error(context, ("preferences", index), "needs examples, or a description to stand for one")
    _check_bases(context)
    for index, kb in enumerate(signals.kb):
        _check_kb(context, kb, ("kb", index))


def _error(context: Context, path: KeyPath, message: str) -> None:
    context.report.error((*_ROOT, *path), message)


def _check_names(context: Context, key: str, names: Iterable[str], known: tuple[str, ...]) -> None:
    for index, name in enumerate(names):
        if name not in known:
            near = suggest(name, known) or f"; known: {', '.join(known)}"
            _error(context, (key, index, "name"), f"nothing tells '{name}'{near}")


def _check_structure(context: Context, rule: StructureSignal, path: KeyPath) -> None:
    source, feature = rule.feature.source, rule.feature.type
    where = (*path, "feature", "source")
    if source.type == "regex":
        if not source.pattern:
            _error(context, where, "type regex needs a pattern")
        else:
            try:
                raw_pattern(source.pattern, source.case_sensitive)
            except ValueError as error:
                _error(context, (*where, "pattern"), f"pattern {error}")
    elif source.type == "keyword_set" and not source.keywords:
        _error(context, where, "type keyword_set needs keywords")
    elif source.type == "sequence" and not any(source.sequences):
        _error(context, where, "type sequence needs sequences")
    if (feature == "sequence") != (source.type == "sequence") and feature in ("sequence", "density"):
        _error(context, where, f"feature {feature} cannot be told from {source.type}")
    _check_bounds(context, rule.predicate, (*path, "predicate"), exists=feature in ("exists", "sequence"))


def _check_conversation(context: Context, rule: ConversationSignal, path: KeyPath) -> None:
    source = rule.feature.source
    if source.role is not None and source.type != "message":
        _error(context, (*path, "feature", "source", "role"), f"is of messages only, not of {source.type}")
    _check_bounds(context, rule.predicate, (*path, "predicate"), exists=rule.feature.type == "exists")


def _check_bounds(context: Context, bounds: Bounds | None, path: KeyPath, *, exists: bool) -> None:
    if bounds is None:
        return
    lows = [bound for bound in (bounds.gt, bounds.gte) if bound is not None]
    highs = [bound for bound in (bounds.lt, bounds.lte) if bound is not None]
    if not lows and not highs:
        _error(context, path, "has no bound: give gt, gte, lt or lte, or leave it out")
    low, high = max(lows, default=None), min(highs, default=None)
    strict = low is not None and (low == bounds.gt or high == bounds.lt)
    if low is not None and high is not None and (low > high or (low == high and strict)):
        _error(context, path, "can never hold: its lower bound is above the upper one")
    elif exists and low is not None and low > 1:
        _error(context, path, "can never hold: the feature is 0 or 1")
    elif high is not None and (high < 0 or (high == 0 and bounds.lt == 0)):
        _error(context, path, "can never hold: counts and densities are not negative")


def _check_jailbreak(context: Context, rule: JailbreakSignal, path: KeyPath) -> None:
    if rule.method == "classifier":
        for key in ("jailbreak_patterns", "benign_patterns"):
            if getattr(rule, key):
                _error(context, (*path, key), "is for method contrastive or hybrid; give one of them")
    elif not rule.jailbreak_patterns or not rule.benign_patterns:
        message = f"method {rule.method} needs jailbreak_patterns and benign_patterns to contrast"
        _error(context, path, message)


def _check_complexity(context: Context, rule: ComplexitySignal, path: KeyPath) -> None:
    hard = rule.threshold if rule.hard_above is None else rule.hard_above
    easy = -rule.threshold if rule.easy_below is None else rule.easy_below
    if easy > hard:
        _error(context, path, f"easy_below {easy:g} is above hard_above {hard:g}")
    if rule.composer is not None:
        check_rule(rule.composer, (*_ROOT, *path, "composer"), context)
        for kind in _types(rule.composer) & {"complexity", "classifier", "projection"}:
            _error(context, (*path, "composer"), f"cannot ask for {kind}, which is computed later")


def _types(rule: Rule) -> set[str]:
    return {rule.type or ""}.union(*(_types(condition) for condition in rule.conditions))


def _check_bases(context: Context) -> None:
    bases = context.document.global_.model_catalog.kbs
    check_unique((base.name for base in bases), _BASES, "knowledge base", context.report)
    for index, base in enumerate(bases):
        if not base.labels and not base.source.path and base.name not in BUILT_IN:
            message = f"knowledge base '{base.name}' has no exemplars: give source.path or labels"
            context.report.error((*_BASES, index), message)
        for place, metric in enumerate(base.metrics):
            for key in ("positive_group", "negative_group"):
                group = getattr(metric, key)
                if group not in base.groups:
                    near = suggest(group, base.groups)
                    where = (*_BASES, index, "metrics", place, key)
                    context.report.error(where, f"'{group}' is no group of '{base.name}'{near}")


def _check_kb(context: Context, rule: KbSignal, path: KeyPath) -> None:
    bases = {base.name: base for base in knowledge_bases(context.document)}
    base = bases.get(rule.kb)
    if base is None:
        near = suggest(rule.kb, bases) or "; define it in global.model_catalog.kbs"
        _error(context, (*path, "kb"), f"there is no knowledge base '{rule.kb}'{near}")
    elif rule.target.kind == "group" and rule.target.value not in base.groups:
        near = suggest(rule.target.value, base.groups)
        _error(
            context, (*path, "target", "value"), f"'{rule.target.value}' is no group of '{base.name}'{near}"
        )
    elif rule.target.kind == "label" and not base.source.path and rule.target.value not in base.labels:
        near = suggest(rule.target.value, base.labels)
        _error(
            context, (*path, "target", "value"), f"'{rule.target.value}' is no label of '{base.name}'{near}"
        )
