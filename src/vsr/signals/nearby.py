"""The signals that compare the routing text with an operator's examples, by vectors already at hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from vsr.config.policy_signals import JailbreakRule, Signals
from vsr.facts import Signal
from vsr.signals import complexity, contrast, embedding, kb, preference, reask
from vsr.signals.banks import Banks
from vsr.signals.composer import Key
from vsr.signals.prototypes import Vector

_NO_TEXT = "no text to route by"
_NOT_LOADED = "the examples are not loaded"


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """vector: of the routing text, None if there is none. earlier: of the asks before, the latest first, as
    many as re-asks look at. history: of all asks before, equal ones once. error, earlier_error: why they
    could not be made."""

    vector: Vector | None = None
    earlier: tuple[Vector, ...] = ()
    history: tuple[Vector, ...] = ()
    error: str = ""
    earlier_error: str = ""


def lookback(rules: Signals) -> int:
    """How many asks before the current one re-asks look at."""
    return max((rule.lookback for rule in rules.reasks), default=0)


def needs_history(rules: Signals) -> bool:
    """Whether a rule looks at all asks."""
    return any(rule.contrast is not None and rule.include_history for rule in rules.jailbreaks)


def needs_vector(rules: Signals) -> bool:
    contrasts = any(rule.contrast is not None for rule in rules.jailbreaks)
    prefer = rules.preferences if rules.preferrer is None else ()
    others = (rules.embeddings, rules.kbs, rules.knowledge_bases, prefer, rules.reasks)
    return contrasts or any(others) or bool(rules.complexities)


def keys(rules: Signals, *, preferences: bool) -> set[Key]:
    """What `evaluate` and `evaluate_complexity` compute."""
    return {
        *(("kb_metric", base.name) for base in rules.knowledge_bases),
        *_by_examples(rules, preferences),
        *(("reask", rule.name) for rule in rules.reasks),
        *(("complexity", rule.name) for rule in rules.complexities),
        *(("jailbreak", rule.name) for rule in rules.jailbreaks if rule.contrast is not None),
    }


def evaluate(
    rules: Signals, banks: Banks, sight: Sight, heads: Mapping[Key, Signal], *, preferences: bool
) -> list[Signal]:
    """All but complexity. heads: the jailbreak signals of the classifier, which hybrid rules join.
    preferences: whether the examples decide those, and not an external model."""
    prefer = rules.preferences if preferences else ()
    found = [_contrast(rule, banks, sight, heads) for rule in rules.jailbreaks if rule.contrast is not None]
    if sight.vector is None or sight.error:
        unknown = [*_by_examples(rules, preferences), *(("reask", rule.name) for rule in rules.reasks)]
        return found + [_without(kind, name, sight.error) for kind, name in unknown]
    if _by_examples(rules, preferences) and not (banks.embeddings or banks.kbs or banks.preferences):
        found += [_without(kind, name, _NOT_LOADED) for kind, name in _by_examples(rules, preferences)]
        rules, prefer = replace(rules, embeddings=(), kbs=(), knowledge_bases=()), ()
    found += embedding.evaluate(rules.embeddings, banks.embeddings, sight.vector, rules.matching)
    if rules.knowledge_bases or rules.kbs:
        names = {base.name for base in rules.knowledge_bases} | {rule.kb for rule in rules.kbs}
        bases = {name: loaded for name, loaded in banks.kbs.items() if name in names}
        found += kb.evaluate(rules.kbs, bases, sight.vector)
    found += preference.evaluate(prefer, banks.preferences, sight.vector)
    if sight.earlier_error:
        return found + [_without("reask", rule.name, sight.earlier_error) for rule in rules.reasks]
    return found + reask.evaluate(rules.reasks, sight.vector, sight.earlier)


def evaluate_complexity(
    rules: Signals, banks: Banks, sight: Sight, signals: Mapping[Key, Signal]
) -> list[Signal]:
    """`signals`: all that composers may name."""
    if sight.vector is None or sight.error:
        return [_without("complexity", rule.name, sight.error) for rule in rules.complexities]
    if rules.complexities and not banks.complexities:
        return [_without("complexity", rule.name, _NOT_LOADED) for rule in rules.complexities]
    return complexity.evaluate(rules.complexities, banks.complexities, sight.vector, signals)


def _contrast(rule: JailbreakRule, banks: Banks, sight: Sight, heads: Mapping[Key, Signal]) -> Signal:
    """An ask that is missing is an error only where those that are there do not match."""
    head = heads.get(("jailbreak", rule.name))
    vectors: tuple[Vector, ...] = () if sight.vector is None else (sight.vector,)
    if rule.include_history:
        vectors += sight.history
    error = sight.error or (sight.earlier_error if rule.include_history else "")
    if rule.name not in banks.contrasts:
        vectors, error = (), _NOT_LOADED
    seen = contrast.evaluate_rule(rule, banks.contrasts[rule.name], vectors) if vectors else None
    if seen is None or (error and not seen.matched):
        seen = _without("jailbreak", rule.name, error)
    return contrast.either(head, seen) if head is not None else seen


def _by_examples(rules: Signals, preferences: bool) -> list[Key]:
    """Rules whose examples are loaded together."""
    return [
        *(("embedding", rule.name) for rule in rules.embeddings),
        *(("kb", rule.name) for rule in rules.kbs),
        *(("preference", rule.name) for rule in rules.preferences if preferences),
    ]


def _without(kind: str, name: str, error: str) -> Signal:
    return Signal(kind, name, False, 0.0, error=error, detail="" if error else _NO_TEXT)
