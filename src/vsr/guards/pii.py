"""The PII guard: personal data that a policy forbids is reported, masked or refused.

Which policy applies (the decision's, the model's or the global one) is the router's to say. Findings
carry types, never values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from vsr.chat.edit import touched
from vsr.config.policy import PiiGuard
from vsr.facts import Entity, Facts
from vsr.route import Finding, PiiAction, PiiPolicy


@dataclass(frozen=True, slots=True)
class PiiAssessment:
    """mask: entities to replace before forwarding, empty in shadow mode. action: the policy's."""

    finding: Finding
    mask: tuple[Entity, ...] = ()
    action: PiiAction = "log"


def assess_pii(facts: Facts, guard: PiiGuard, policy: PiiPolicy) -> PiiAssessment:
    if guard.mode == "off":
        return PiiAssessment(Finding("pii", "clean", reason="the PII guard is off"), action=policy.action)
    found = _forbidden(facts, guard, policy)
    mask = tuple(found) if policy.action == "mask" else ()
    shadow = guard.mode == "shadow"
    finding = Finding(
        "pii",
        "clean",
        score=max((entity.score for entity in found), default=0.0),
        threshold=guard.threshold or 0.0,
        types=tuple(sorted({entity.type for entity in found})),
        shadow=shadow,
        reason=_said(policy.action, shadow) if found else "",
    )
    if found and policy.action == "block":
        finding = replace(finding, state="violating", reason="the policy refuses personal data of this type")
    elif any(not _replaceable(facts, entity) for entity in mask):
        finding = replace(
            finding, state="violating", reason="personal data stands where it cannot be replaced"
        )
    elif facts.readings is None and policy.allowed is not None and policy.action != "log":
        error = facts.encoder_error or "the encoder did not answer"
        if guard.on_unavailable == "refuse":
            finding = replace(finding, state="unavailable", reason=f"the PII guard could not judge: {error}")
        else:
            finding = replace(finding, reason=f"not fully judged and let through by policy: {error}")
    return PiiAssessment(finding, () if shadow else mask, policy.action)


def _forbidden(facts: Facts, guard: PiiGuard, policy: PiiPolicy) -> list[Entity]:
    threshold = guard.threshold or 0.0
    return [
        entity
        for entity in facts.entities
        if policy.forbids(entity.type) and entity.score >= threshold and not _is_allowed(facts, entity, guard)
    ]


def _is_allowed(facts: Facts, entity: Entity, guard: PiiGuard) -> bool:
    if not guard.allow_list:
        return False
    value = facts.passages[entity.passage].text.reveal()[entity.start : entity.end]
    return any(pattern.fullmatch(value) for pattern in guard.allow_list)


def _replaceable(facts: Facts, entity: Entity) -> bool:
    """Leaves without a path (object keys) are judged and cannot be rewritten."""
    paths = [leaf.path for leaf, _, _ in touched(facts.passages[entity.passage], entity)]
    return bool(paths) and all(paths)


def _said(action: PiiAction, shadow: bool) -> str:
    if action == "mask":
        return "personal data would be masked" if shadow else "personal data is masked"
    return "personal data is reported"
