"""Which signals a policy can use at all: those that a rule, a projection or a composer names.

What costs nothing beyond the encoder's one pass (domains, the jailbreak and PII heads) is always
computed; everything else, contrasts of jailbreak rules included, only where it is named, or where
somebody asks for all of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from vsr.config.policy import Policy
from vsr.config.policy_projections import Score
from vsr.config.policy_signals import RoleBindingRule, Signals
from vsr.signals.composer import Key, leaves

_TYPES: Final = {
    "keywords": "keyword",
    "embeddings": "embedding",
    "fact_checks": "fact_check",
    "feedbacks": "user_feedback",
    "reasks": "reask",
    "preferences": "preference",
    "languages": "language",
    "contexts": "context",
    "structures": "structure",
    "complexities": "complexity",
    "modalities": "modality",
    "role_bindings": "authz",
    "kbs": "kb",
    "conversations": "conversation",
    "events": "event",
    "metadata": "metadata",
    "classifiers": "classifier",
}
_COMPETING: Final = ("embeddings", "preferences")
"""Rules that hold only if no other one is nearer: used together or not at all."""


def used_signals(policy: Policy) -> Signals:
    """`policy.signals` without what nothing names."""
    named = _named(policy)
    changes: dict[str, Any] = {}
    for field, kind in _TYPES.items():
        rules = getattr(policy.signals, field)
        kept = tuple(rule for rule in rules if _is_named(kind, rule, named))
        changes[field] = rules if kept and field in _COMPETING else kept
    changes["jailbreaks"] = tuple(
        rule
        for rule in policy.signals.jailbreaks
        if rule.contrast is None or _is_named("jailbreak", rule, named)
    )
    bases = {rule.kb for rule in changes["kbs"]} | {name for kind, name in named if kind == "kb_metric"}
    changes["knowledge_bases"] = tuple(base for base in policy.signals.knowledge_bases if base.name in bases)
    return replace(policy.signals, **changes)


def _is_named(kind: str, rule: Any, named: set[Key]) -> bool:
    if isinstance(rule, RoleBindingRule) and (kind, rule.role) in named:
        return True
    return (kind, rule.name) in named


def _named(policy: Policy) -> set[Key]:
    named = {leaf.key for decision in policy.decisions for leaf in leaves(decision.rules)}
    projections = policy.projections
    for partition in projections.partitions:
        named |= {(partition.type, member) for member in partition.members}
    for step in projections.steps:
        if isinstance(step, Score):
            named |= {(item.type, item.name) for item in step.inputs}
    for rule in policy.signals.complexities:
        if ("complexity", rule.name) in named:
            named |= {leaf.key for leaf in leaves(rule.composer)}
    return named
