"""Which models an algorithm that calls several may call."""

from __future__ import annotations

from collections.abc import Iterator

from vsr.config.policy import (
    Confidence,
    Decision,
    Fusion,
    ModelRef,
    Policy,
    Prompt,
    Ratings,
    Remom,
    Workflows,
)


def members(decision: Decision, policy: Policy) -> tuple[ModelRef, ...]:
    """Each once, in the order in which they are called first. The decision has a looper."""
    return tuple(dict.fromkeys(_called(decision, policy)))


def named(name: str, decision: Decision, policy: Policy) -> ModelRef:
    """What the decision says about a model or LoRA; a model that it does not list is called plainly."""
    for ref in decision.models:
        if name in (ref.lora or ref.model, ref.model):
            return ref
    if name in policy.models:
        return ModelRef(name)
    owner = next(model.name for model in policy.models.values() if name in model.loras)
    return ModelRef(owner, name)


def name_of(ref: ModelRef) -> str:
    return ref.lora or ref.model


def _called(decision: Decision, policy: Policy) -> Iterator[ModelRef]:
    own = decision.models
    match decision.looper:
        case Confidence() | Ratings():
            yield from own
        case Prompt() as asking:
            yield named(asking.model, decision, policy)
            yield from own
        case Remom() as remom:
            yield from own[:1] if remom.distribution == "first_only" else own
            yield named(remom.synthesis_model, decision, policy) if remom.synthesis_model else own[0]
        case Fusion() as fusion:
            panel = [named(name, decision, policy) for name in fusion.panel] or list(own)
            yield from panel
            yield named(fusion.judge, decision, policy) if fusion.judge else panel[0]
        case Workflows() as flow:
            names = [flow.planner] if flow.dynamic else [name for role in flow.roles for name in role.models]
            yield from (named(name, decision, policy) for name in names)
            yield from own if flow.dynamic else ()
            yield from (named(name, decision, policy) for name in (flow.final,) if name)
