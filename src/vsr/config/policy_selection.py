"""The compiled selection: how a decision chooses among its models, and what is known about each model.

Part of `policy`, which passes these names on. Defaults are the original's where it has the key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

# ---------------------------------------------------------------- what is known about a model


@dataclass(frozen=True, slots=True)
class Pricing:
    """Per million tokens. cached_input None: cached tokens cost as much as others."""

    prompt: float
    completion: float
    cached_input: float | None = None
    cache_write: float | None = None
    currency: str = "USD"

    @property
    def blended(self) -> float:
        """One price to compare models by: three prompt tokens to one completion token, the mix that
        model catalogues usually assume."""
        return (3 * self.prompt + self.completion) / 4

    @property
    def cached(self) -> float:
        return self.prompt if self.cached_input is None else self.cached_input

    def cost(self, prompt: int, completion: int, cached: int) -> float:
        """Of so many tokens; cached: of the prompt."""
        cached = min(cached, prompt)  # whatever a back end says: a cost is never negative
        read = (prompt - cached) * self.prompt + cached * self.cached
        return (read + completion * self.completion) / 1_000_000


@dataclass(frozen=True, slots=True)
class Card:
    """What a model card says. quality in [0, 1]; parameters in billions; context_window in tokens."""

    quality: float | None = None
    context_window: int | None = None
    parameters: float | None = None
    capabilities: tuple[str, ...] = ()


# ---------------------------------------------------------------- algorithms


@dataclass(frozen=True, slots=True)
class Static:
    name: Literal["static"] = "static"


@dataclass(frozen=True, slots=True)
class RouterDC:
    temperature: float = 0.07
    min_similarity: float = 0.3
    use_capabilities: bool = True
    name: Literal["router_dc"] = "router_dc"


@dataclass(frozen=True, slots=True)
class LatencyAware:
    """A percentile of None leaves that measure out; at least one is given."""

    tpot_percentile: int | None = None
    ttft_percentile: int | None = None
    name: Literal["latency_aware"] = "latency_aware"


@dataclass(frozen=True, slots=True)
class MultiFactor:
    """Weights of the four factors and hard ceilings (None: no ceiling). Times in seconds."""

    quality: float = 0.25
    latency: float = 0.25
    cost: float = 0.25
    load: float = 0.25
    max_tpot: float | None = None
    max_ttft: float | None = None
    max_cost: float | None = None
    max_in_flight: int | None = None
    latency_percentile: int = 95
    on_no_candidates: Literal["cheapest", "first", "fail"] = "cheapest"
    name: Literal["multi_factor"] = "multi_factor"


@dataclass(frozen=True, slots=True)
class Automix:
    verification_threshold: float = 0.7
    max_escalations: int = 2
    cost_aware: bool = True
    cost_quality_tradeoff: float = 0.3
    discount_factor: float = 0.95
    name: Literal["automix"] = "automix"


@dataclass(frozen=True, slots=True)
class Hybrid:
    experience: float = 0.3
    router_dc: float = 0.3
    automix: float = 0.2
    cost: float = 0.2
    quality_gap_threshold: float = 0.1
    normalize: bool = True
    description: RouterDC = RouterDC()
    escalation: Automix = Automix()
    name: Literal["hybrid"] = "hybrid"


@dataclass(frozen=True, slots=True)
class Elo:
    """cost_scaling: rating points taken off for the dearest candidate, in proportion for the others."""

    category_weighted: bool = True
    min_comparisons: int = 5
    cost_scaling: float = 0.0
    name: Literal["elo"] = "elo"


@dataclass(frozen=True, slots=True)
class Thompson:
    cost_weight: float = 0.0
    name: Literal["thompson"] = "thompson"


@dataclass(frozen=True, slots=True)
class Learned:
    """A selector made by `vsr train-selector`. `path` is its directory. k None: as trained."""

    name: Literal["knn", "kmeans", "svm", "mlp"]
    path: str
    cost_weight: float = 0.0
    k: int | None = None


@dataclass(frozen=True, slots=True)
class Difficulty:
    """The hardest `strong_share` of questions go to the best candidate, the others to the cheapest."""

    path: str
    strong_share: float = 0.5
    name: Literal["difficulty"] = "difficulty"


@dataclass(frozen=True, slots=True)
class Prompt:
    """`model` is shown the candidates and the question, and names one within `timeout` seconds. It is asked
    as loopers ask, so this is one too, until its advice is there to choose by."""

    model: str
    instructions: str = ""
    timeout: float = 5.0
    name: Literal["prompt"] = "prompt"


Algorithm = (
    Static
    | RouterDC
    | LatencyAware
    | MultiFactor
    | Automix
    | Hybrid
    | Elo
    | Thompson
    | Learned
    | Difficulty
    | Prompt
)


@dataclass(frozen=True, slots=True)
class Staying:
    """What one decision makes of the protection of sessions: it applies, is only told in the reason
    (observe), or is left out (bypass). None: the margin and the weight that hold for all."""

    mode: Literal["apply", "observe", "bypass"] = "apply"
    switch_margin: float | None = None
    stability_weight: float | None = None


@dataclass(frozen=True, slots=True)
class Choosing:
    """on_error: what happens when the algorithm cannot choose: `skip` takes the static choice, `fail`
    answers 503."""

    algorithm: Algorithm = Static()
    on_error: Literal["skip", "fail"] = "skip"
    staying: Staying = Staying()


STATIC = Choosing()

# ---------------------------------------------------------------- what is kept between requests


@dataclass(frozen=True, slots=True)
class Protection:
    """A session keeps its model unless another gains more than leaving costs. Times in seconds."""

    enabled: bool = False
    scope: Literal["conversation", "session"] = "conversation"
    session_header: str = "x-session-id"
    conversation_header: str = "x-conversation-id"
    idle_timeout: float = 300.0
    min_turns_before_switch: int = 1
    switch_margin: float = 0.05
    stability_weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Learning:
    """tool_loops: a tool loop keeps the model that started it. feedback_file "": outcomes are kept in
    memory only."""

    tool_loops: bool = True
    protection: Protection = field(default_factory=Protection)
    feedback_file: str = ""
    max_sessions: int = 10_000
