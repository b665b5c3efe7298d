"""The compiled loopers: algorithms of a decision that call several models for one request.

Part of `policy`, which passes these names on. Defaults are the original's where it has the key. Times
are seconds; None is no limit of the algorithm's own (those of `LooperLimits` always hold).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from vsr.config.policy_selection import Prompt

OnError = Literal["skip", "fail"]


@dataclass(frozen=True, slots=True)
class LooperLimits:
    """Of one run. calls: to models in all. tokens: after so many no further intermediate call is made.
    seconds: until the end of the answer. response_bytes: of one model's answer. concurrent: calls at
    the same time."""

    calls: int = 64
    tokens: int = 1_000_000
    seconds: float = 1200.0
    response_bytes: int = 32 * 1024 * 1024
    concurrent: int = 8


@dataclass(frozen=True, slots=True)
class Verifier:
    """A server that judges answers at `{url}/verify`. answer_bytes: of what it says, at most."""

    url: str
    timeout: float = 60.0
    answer_bytes: int = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Confidence:
    """Models one after the other until one is sure enough. Weights are of the method `hybrid`, the verifier
    of `automix_entailment`. only_arguments: tokens of tool calls' arguments count alone, where there are any.
    """

    method: Literal["avg_logprob", "margin", "hybrid", "self_verify", "automix_entailment"] = "avg_logprob"
    threshold: float = -1.0
    order: Literal["size", "small_to_large", "declared", "cost", "automix"] = "size"
    cost_quality_tradeoff: float = 0.3
    only_arguments: bool = False
    logprob_weight: float = 0.5
    margin_weight: float = 0.5
    verifier: Verifier | None = None
    on_error: OnError = "skip"
    name: Literal["confidence"] = "confidence"


@dataclass(frozen=True, slots=True)
class Ratings:
    """All models, one choice each, the best rated first."""

    max_concurrent: int | None = None
    on_error: OnError = "skip"
    name: Literal["ratings"] = "ratings"


@dataclass(frozen=True, slots=True)
class Remom:
    """Rounds of so many calls, each seeing the answers of the round before, then one synthesis.

    kept_tokens: of each answer's end that the next round sees, None for all. synthesis_model "": the
    first model. most_answers: of a round that the next one sees.
    """

    breadth: tuple[int, ...]
    distribution: Literal["weighted", "equal", "round_robin", "first_only"] = "weighted"
    temperature: float = 1.0
    include_reasoning: bool = False
    kept_tokens: int | None = None
    synthesis_template: str = ""
    synthesis_model: str = ""
    max_concurrent: int | None = None
    max_completion_tokens: int | None = None
    round_timeout: float | None = None
    quorum: int | None = None
    seed: int = 42
    reveal: bool = True
    most_answers: int | None = None
    on_error: OnError = "skip"
    name: Literal["remom"] = "remom"


@dataclass(frozen=True, slots=True)
class Override:
    """What one model of a panel is asked with instead of the panel's own settings."""

    temperature: float | None = None
    max_completion_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Grounding:
    """How well answers are supported, by the vectors of their sentences. reference: by what, `context` being
    the documents and tool results of the request, `panel` the other answers, `hybrid` the context where there
    is one. policy: the judge is told the support and to weigh by it (weight), told only (annotate), or does
    not see what is supported by less than `min_score` (filter), but `min_keep` answers at least."""

    reference: Literal["hybrid", "context", "panel"] = "hybrid"
    policy: Literal["weight", "annotate", "filter"] = "weight"
    min_score: float = 0.0
    min_keep: int = 1
    on_error: OnError = "skip"


@dataclass(frozen=True, slots=True)
class Fusion:
    """A panel answers, a judge compares and synthesises. judge "": the first of the panel. panel empty:
    the models of the decision."""

    judge: str = ""
    panel: tuple[str, ...] = ()
    mode: Literal["separate", "one_call", "none"] = "separate"
    overrides: Mapping[str, Override] = field(default_factory=dict)
    max_concurrent: int | None = None
    max_completion_tokens: int | None = None
    round_timeout: float | None = None
    quorum: int | None = None
    temperature: float | None = None
    analysis_template: str = ""
    synthesis_template: str = ""
    reveal: bool = True
    reveal_analysis: bool = True
    grounding: Grounding | None = None
    on_error: OnError = "skip"
    name: Literal["fusion"] = "fusion"


@dataclass(frozen=True, slots=True)
class Role:
    """One step of a workflow. sees: names of the earlier steps whose answers it is shown, None for all."""

    name: str
    models: tuple[str, ...]
    prompt: str = ""
    sees: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Workflows:
    """Steps one after the other, the models of a step at the same time. With a planner the steps are
    what it plans, of the decision's models; without, they are `roles`. final "": the last step answers
    (with a planner: the planner does)."""

    dynamic: bool = False
    roles: tuple[Role, ...] = ()
    final: str = ""
    final_prompt: str = ""
    planner: str = ""
    planner_tokens: int = 2048
    max_steps: int = 3
    max_parallel: int = 2
    max_completion_tokens: int | None = None
    round_timeout: float | None = None
    quorum: int | None = None
    temperature: float | None = None
    reveal: bool = True
    on_error: OnError = "fail"
    name: Literal["workflows"] = "workflows"


Looper = Confidence | Ratings | Remom | Fusion | Workflows | Prompt
