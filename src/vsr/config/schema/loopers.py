"""`decisions[].algorithm` of the types that call several models, and `global.integrations.looper`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from vsr.config.schema.base import Count, Name, Number, Probability, Seconds, Section, Whole

OnError = Literal["skip", "fail"]
Weight = Annotated[Number, Field(ge=0, le=1)]
Temperature = Annotated[Number, Field(ge=0, le=2)]
MegaBytes = Annotated[Whole, Field(ge=1, le=1024)]
Breadth = Annotated[Whole, Field(ge=1, le=128)]


class HybridWeights(Section):
    logprob_weight: Weight = 0.5
    margin_weight: Weight = 0.5

    @model_validator(mode="after")
    def _sum(self) -> HybridWeights:
        if abs(self.logprob_weight + self.margin_weight - 1) > 1e-6:
            raise ValueError("logprob_weight and margin_weight must add up to 1")
        return self


class Confidence(Section):
    """As in the original, a threshold of 0 is the method's default, and so is a time or a size of 0."""

    confidence_method: Literal["avg_logprob", "margin", "hybrid", "self_verify", "automix_entailment"] = (
        "avg_logprob"
    )
    threshold: Probability = 0.0
    hybrid_weights: HybridWeights = HybridWeights()
    escalation_order: Literal["size", "small_to_large", "declared", "cost", "automix"] = "size"
    cost_quality_tradeoff: Probability = 0.3
    token_filter: Literal["all", "tool_call_args"] = "all"
    verifier_server_url: str = ""
    verifier_timeout_seconds: Annotated[Number, Field(ge=0, le=3600)] = 0.0
    max_response_bytes: Annotated[Whole, Field(ge=0, le=64 * 1024 * 1024)] = 0
    on_error: OnError | None = None


class Ratings(Section):
    max_concurrent: Count | None = None
    on_error: OnError | None = None


class Panel(Section):
    """What is the same for the three that hear several models at a time."""

    max_completion_tokens: Count | None = None
    round_timeout_seconds: Seconds | None = None
    min_successful_responses: Count | None = None
    include_intermediate_responses: bool = True
    on_error: OnError | None = None


class Remom(Panel):
    breadth_schedule: Annotated[tuple[Breadth, ...], Field(min_length=1, max_length=16)]
    model_distribution: Literal["weighted", "equal", "round_robin", "first_only"] = "weighted"
    temperature: Temperature = 1.0
    include_reasoning: bool = False
    compaction_strategy: Literal["full", "last_n_tokens"] = "full"
    compaction_tokens: Count = 1000
    synthesis_template: str = ""
    synthesis_model: str = ""
    max_concurrent: Count | None = None
    shuffle_seed: Whole = 42
    max_responses_per_round: Count | None = None


class AnalysisOverride(Section):
    model: Name
    temperature: Temperature | None = None
    max_completion_tokens: Count | None = None


class Grounding(Section):
    enabled: bool = False
    reference: Literal["hybrid", "context", "panel"] = "hybrid"
    policy: Literal["weight", "annotate", "filter"] = "weight"
    min_score: Probability = 0.0
    min_keep: Annotated[Whole, Field(ge=0)] = 1
    on_error: OnError = "skip"


class Fusion(Panel):
    model: str = ""
    analysis_models: tuple[Name, ...] = ()
    analysis_mode: Literal["separate", "one_call", "none"] = "separate"
    analysis_overrides: tuple[AnalysisOverride, ...] = ()
    max_concurrent: Count | None = None
    temperature: Temperature | None = None
    include_analysis: bool = True
    analysis_template: str = ""
    synthesis_template: str = ""
    grounding: Grounding = Grounding()

    @model_validator(mode="after")
    def _template_of_a_stage(self) -> Fusion:
        if self.analysis_template and self.analysis_mode != "separate":
            raise ValueError("analysis_template is for analysis_mode separate, which asks for an analysis")
        return self


class WorkflowRole(Section):
    name: Name
    models: Annotated[tuple[Name, ...], Field(min_length=1)]
    prompt: str = ""
    access_list: tuple[Name, ...] | None = None


class WorkflowFinal(Section):
    model: str = ""
    prompt: str = ""


class WorkflowPlanner(Section):
    model: str = ""
    max_completion_tokens: Count = 2048


class Workflows(Panel):
    mode: Literal["static", "dynamic"] = "static"
    template: Literal["micro_agent"] = "micro_agent"
    roles: tuple[WorkflowRole, ...] = ()
    final: WorkflowFinal = WorkflowFinal()
    planner: WorkflowPlanner = WorkflowPlanner()
    max_steps: Annotated[Count, Field(le=32)] = 3
    max_parallel: Annotated[Count, Field(le=32)] = 2
    temperature: Temperature | None = None

    @model_validator(mode="after")
    def _steps(self) -> Workflows:
        if self.mode == "static" and not self.roles:
            raise ValueError("mode static needs roles; mode dynamic lets planner.model plan the steps")
        if self.mode == "dynamic" and self.roles:
            raise ValueError("roles are for mode static; in mode dynamic the planner makes the steps")
        return self


class LooperNames(Section):
    model_names: tuple[Name, ...] | None = None


class Looper(Section):
    """max_calls, max_total_tokens and max_concurrent are ours."""

    timeout_seconds: Seconds = 1200.0
    max_response_bytes_mb: MegaBytes = 32
    remom: LooperNames = LooperNames()
    fusion: LooperNames = LooperNames()
    flow: LooperNames = LooperNames()
    max_calls: Annotated[Count, Field(le=1000)] = 64
    max_total_tokens: Count = 1_000_000
    max_concurrent: Annotated[Count, Field(le=128)] = 8


class Integrations(Section):
    looper: Looper = Looper()
