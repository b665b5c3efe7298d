"""`decisions[].algorithm` and `global.router.{model_selection,learning}`: choosing among models."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from vsr.config.schema.base import Count, Name, Number, Probability, Seconds, Section, Whole
from vsr.config.schema.loopers import Confidence, Fusion, Ratings, Remom, Workflows

Percentile = Annotated[Whole, Field(ge=1, le=100)]
Weight = Annotated[Number, Field(ge=0)]
Positive = Annotated[Number, Field(gt=0)]


class Pricing(Section):
    currency: Name = "USD"
    prompt_per_1m: Weight = 0.0
    completion_per_1m: Weight = 0.0
    cached_input_per_1m: Weight | None = None
    cache_write_per_1m: Weight | None = None


class RouterDC(Section):
    temperature: Positive = 0.07
    min_similarity: Annotated[Number, Field(ge=-1, le=1)] = 0.3
    use_capabilities: bool = True
    require_descriptions: bool = False


class LatencyAware(Section):
    tpot_percentile: Percentile | None = None
    ttft_percentile: Percentile | None = None
    description: str = ""


class Weights(Section):
    quality: Weight = 0.25
    latency: Weight = 0.25
    cost: Weight = 0.25
    load: Weight = 0.25

    @model_validator(mode="after")
    def _some_weight(self) -> Weights:
        if self.quality + self.latency + self.cost + self.load == 0:
            raise ValueError("at least one weight must be above 0")
        return self


class Slo(Section):
    """As in the original, 0 means no ceiling."""

    max_tpot_ms: Weight = 0.0
    max_ttft_ms: Weight = 0.0
    max_cost_per_1m: Weight = 0.0
    max_inflight: Annotated[Whole, Field(ge=0)] = 0


class MultiFactor(Section):
    weights: Weights = Weights()
    slo: Slo = Slo()
    latency_percentile: Percentile = 95
    on_no_candidates: Literal["cheapest", "first", "fail"] = "cheapest"


class Automix(Section):
    verification_threshold: Probability = 0.7
    max_escalations: Annotated[Whole, Field(ge=0, le=10)] = 2
    cost_aware_routing: bool = True
    cost_quality_tradeoff: Probability = 0.3
    discount_factor: Probability = 0.95


class Hybrid(Section):
    experience_weight: Weight = 0.3
    router_dc_weight: Weight = 0.3
    automix_weight: Weight = 0.2
    cost_weight: Weight = 0.2
    quality_gap_threshold: Probability = 0.1
    normalize_scores: bool = True


class Elo(Section):
    category_weighted: bool = True
    min_comparisons: Annotated[Whole, Field(ge=0)] = 5
    cost_scaling_factor: Weight = 0.0


class Thompson(Section):
    cost_weight: Weight = 0.0


class Learned(Section):
    """pretrained_path: a directory made by `vsr train-selector`."""

    pretrained_path: Name
    cost_weight: Weight = 0.0


class Knn(Learned):
    k: Annotated[Count, Field(le=1000)] | None = None


class Difficulty(Section):
    """Ours."""

    pretrained_path: Name
    strong_share: Probability = 0.5


class Prompt(Section):
    model: Name
    instructions: str = ""
    timeout_seconds: Seconds = 5.0


class Algorithm(Section):
    """The block named after `type` holds the settings of that type. on_error `fallback` is what the
    original calls `skip` for the type prompt."""

    # fmt: off
    type: Literal[
        "static", "router_dc", "latency_aware", "multi_factor", "hybrid", "automix", "prompt",
        "knn", "kmeans", "svm", "mlp", "difficulty", "elo", "thompson",
        "confidence", "ratings", "remom", "fusion", "workflows",
    ] = "static"
    # fmt: on
    on_error: Literal["skip", "fail", "fallback"] = "skip"
    router_dc: RouterDC | None = None
    latency_aware: LatencyAware | None = None
    multi_factor: MultiFactor | None = None
    hybrid: Hybrid | None = None
    automix: Automix | None = None
    knn: Knn | None = None
    kmeans: Learned | None = None
    svm: Learned | None = None
    mlp: Learned | None = None
    difficulty: Difficulty | None = None
    elo: Elo | None = None
    thompson: Thompson | None = None
    prompt: Prompt | None = None
    confidence: Confidence | None = None
    ratings: Ratings | None = None
    remom: Remom | None = None
    fusion: Fusion | None = None
    workflows: Workflows | None = None

    @model_validator(mode="after")
    def _own_block(self) -> Algorithm:
        for name in BLOCKS:
            if getattr(self, name) is not None and name != self.type:
                raise ValueError(f"has settings for {name}, but its type is {self.type}")
        if self.on_error == "fallback" and self.type != "prompt":
            raise ValueError("on_error fallback is for type prompt; write skip")
        return self


BLOCKS = tuple(name for name in Algorithm.model_fields if name not in ("type", "on_error"))


class ModelSelection(Section):
    """Settings for decisions that name the algorithm and give none of their own."""

    enabled: bool = True
    router_dc: RouterDC = RouterDC()
    automix: Automix = Automix()
    hybrid: Hybrid = Hybrid()


class IdentityHeaders(Section):
    session: Name = "x-session-id"
    conversation: Name = "x-conversation-id"


class Identity(Section):
    headers: IdentityHeaders = IdentityHeaders()


class Tuning(Section):
    idle_timeout_seconds: Seconds = 300.0
    min_turns_before_switch: Annotated[Whole, Field(ge=0)] = 1
    switch_margin: Probability = 0.05
    stability_weight: Weight = 1.0


class Protection(Section):
    enabled: bool = False
    scope: Literal["conversation", "session"] = "conversation"
    identity: Identity = Identity()
    tuning: Tuning = Tuning()


class Learning(Section):
    """tool_loops, feedback_file and max_sessions are ours."""

    enabled: bool = True
    protection: Protection = Protection()
    tool_loops: bool = True
    feedback_file: str = ""
    max_sessions: Annotated[Count, Field(le=1_000_000)] = 10_000
