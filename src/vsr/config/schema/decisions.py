"""`routing.decisions`: rule trees over signals, the models to choose from, and what is done besides."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from vsr.config.schema.base import (
    Bounds,
    Effort,
    Name,
    Number,
    Operator,
    PiiAction,
    Probability,
    Section,
    SignalType,
    Whole,
)
from vsr.config.schema.selection import Algorithm

LearningMode = Literal["apply", "observe", "bypass"]


class Rule(Section):
    """Either a signal (`type`, `name`) or an `operator` over `conditions`."""

    operator: Operator | None = None
    conditions: tuple[Rule, ...] = ()
    type: SignalType | None = None
    name: str = ""
    label: str = ""
    predicate: Bounds | None = None
    on_error: Literal["match", "no_match"] = "no_match"

    @model_validator(mode="after")
    def _one_of_both(self) -> Rule:
        leaf = self.type is not None or self.name != ""
        if leaf and (self.operator is not None or self.conditions):
            raise ValueError("is either a signal (type, name) or an operator with conditions, not both")
        if leaf and not (self.type and self.name):
            raise ValueError("a signal needs both type and name")
        if not leaf and (self.label or self.predicate):
            raise ValueError("label and predicate belong to a signal, not to an operator")
        if not leaf and self.operator is None:
            raise ValueError("needs type and name of a signal, or an operator with conditions")
        return self


class ModelRef(Section):
    model: Name
    lora_name: str = ""
    weight: Annotated[Number, Field(ge=0)] = 1.0
    use_reasoning: bool = False
    reasoning_effort: Effort | None = None


class CandidateOutput(Section):
    type: Literal["model"]
    value: Name


class CandidateIteration(Section):
    """What the original's rule language exports of a loop over candidates. It names them once more; those
    that count are in `modelRefs`."""

    variable: Name
    source: Literal["decision.candidates", "models"]
    models: tuple[ModelRef, ...] = ()
    outputs: tuple[CandidateOutput, ...] = ()


class DecisionProtection(Section):
    """None: as `global.router.learning.protection` says."""

    mode: LearningMode | None = None
    stability_weight: Annotated[Number, Field(ge=0)] | None = None
    switch_margin: Probability | None = None


class Adaptations(Section):
    mode: LearningMode = "apply"
    protection: DecisionProtection = DecisionProtection()


class FastResponseConfiguration(Section):
    message: Annotated[str, Field(min_length=1)]


class FastResponsePlugin(Section):
    type: Literal["fast_response"]
    configuration: FastResponseConfiguration


SystemPromptMode = Literal["replace", "insert", "append"]
"""`append` stands in files of the original, which takes it for `replace`; so do we."""


class SystemPromptConfiguration(Section):
    enabled: bool = True
    system_prompt: Annotated[str, Field(min_length=1)]
    mode: SystemPromptMode = "replace"


class SystemPromptPlugin(Section):
    type: Literal["system_prompt"]
    configuration: SystemPromptConfiguration


class HeaderField(Section):
    name: str
    value: str


class HeaderMutationConfiguration(Section):
    add: tuple[HeaderField, ...] = ()
    update: tuple[HeaderField, ...] = ()
    delete: tuple[str, ...] = ()


class HeaderMutationPlugin(Section):
    type: Literal["header_mutation"]
    configuration: HeaderMutationConfiguration


class PiiConfiguration(Section):
    """Ours: the policy of one decision. Without `pii_types_allowed` every type may pass."""

    enabled: bool = True
    pii_types_allowed: tuple[str, ...] | None = None
    action: PiiAction | None = None


class PiiPlugin(Section):
    type: Literal["pii"]
    configuration: PiiConfiguration


class UnbuiltPlugin(Section):
    """A plugin that `pending` knows: accepted where it is inert or off, and without effect."""

    # fmt: off
    type: Literal[
        "response_cache", "semantic-cache", "semantic_cache", "response-cache", "router_replay",
        "request_params", "tools", "tool_selection", "rag", "memory", "hallucination",
        "response_jailbreak", "context_compression", "image_gen", "jailbreak", "prompt_cache",
        "shadow_dispatch",
    ]
    # fmt: on
    configuration: dict[str, object] = Field(default_factory=dict)


Plugin = Annotated[
    FastResponsePlugin | SystemPromptPlugin | HeaderMutationPlugin | PiiPlugin | UnbuiltPlugin,
    Field(discriminator="type"),
]


class Retention(Section):
    drop: bool | None = None
    ttl_turns: Annotated[Whole, Field(ge=0)] | None = None
    keep_current_model: bool | None = None
    prefer_prefix_retention: bool | None = None


class Emit(Section):
    kind: Literal["retention"]
    retention: Retention


class Decision(Section):
    name: Name
    description: str = ""
    priority: Whole = 0
    tier: Annotated[Whole, Field(ge=0)] = 0
    rules: Rule | None = None
    modelRefs: tuple[ModelRef, ...] = ()
    algorithm: Algorithm = Algorithm()
    plugins: tuple[Plugin, ...] = ()
    candidateIterations: tuple[CandidateIteration, ...] = ()
    adaptations: Adaptations = Adaptations()
    emits: tuple[Emit, ...] = ()
    annotations: dict[str, str | int | float | bool] = Field(default_factory=dict)
