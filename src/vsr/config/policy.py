"""The compiled configuration: small, immutable, complete. Nothing else of a file survives loading.

`config/compile.py` makes a `Policy` from a validated document; the rest of the program reads it and
knows nothing of YAML, schema versions or defaults. Times are seconds, sizes bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from vsr.config.patterns import Expression
from vsr.config.policy_decisions import Branch as Branch
from vsr.config.policy_decisions import Decision as Decision
from vsr.config.policy_decisions import Leaf as Leaf
from vsr.config.policy_decisions import ModelRef as ModelRef
from vsr.config.policy_decisions import RuleNode as RuleNode
from vsr.config.policy_loopers import Confidence as Confidence
from vsr.config.policy_loopers import Fusion as Fusion
from vsr.config.policy_loopers import Grounding as Grounding
from vsr.config.policy_loopers import Looper as Looper
from vsr.config.policy_loopers import LooperLimits as LooperLimits
from vsr.config.policy_loopers import Override as Override
from vsr.config.policy_loopers import Ratings as Ratings
from vsr.config.policy_loopers import Remom as Remom
from vsr.config.policy_loopers import Role as Role
from vsr.config.policy_loopers import Verifier as Verifier
from vsr.config.policy_loopers import Workflows as Workflows
from vsr.config.policy_projections import Band as Band
from vsr.config.policy_projections import Bands as Bands
from vsr.config.policy_projections import Input as Input
from vsr.config.policy_projections import Partition as Partition
from vsr.config.policy_projections import Projections as Projections
from vsr.config.policy_projections import Score as Score
from vsr.config.policy_reliability import HealthCheck as HealthCheck
from vsr.config.policy_reliability import Reliability as Reliability
from vsr.config.policy_selection import Algorithm as Algorithm
from vsr.config.policy_selection import Automix as Automix
from vsr.config.policy_selection import Card as Card
from vsr.config.policy_selection import Choosing as Choosing
from vsr.config.policy_selection import Difficulty as Difficulty
from vsr.config.policy_selection import Elo as Elo
from vsr.config.policy_selection import Hybrid as Hybrid
from vsr.config.policy_selection import LatencyAware as LatencyAware
from vsr.config.policy_selection import Learned as Learned
from vsr.config.policy_selection import Learning as Learning
from vsr.config.policy_selection import MultiFactor as MultiFactor
from vsr.config.policy_selection import Pricing as Pricing
from vsr.config.policy_selection import Prompt as Prompt
from vsr.config.policy_selection import Protection as Protection
from vsr.config.policy_selection import RouterDC as RouterDC
from vsr.config.policy_selection import Static as Static
from vsr.config.policy_selection import Staying as Staying
from vsr.config.policy_selection import Thompson as Thompson
from vsr.config.policy_services import RemoteGuard as RemoteGuard
from vsr.config.policy_signals import DomainRule as DomainRule
from vsr.config.policy_signals import JailbreakRule as JailbreakRule
from vsr.config.policy_signals import KeywordRule as KeywordRule
from vsr.config.policy_signals import ModelScore as ModelScore
from vsr.config.policy_signals import PiiRule as PiiRule
from vsr.config.policy_signals import Signals as Signals
from vsr.content import Secret
from vsr.route import ALLOW_ALL, PiiPolicy

# ---------------------------------------------------------------- models and back ends


@dataclass(frozen=True, slots=True)
class ReasoningFamily:
    """How a family of models is told to reason: §1.2 `reasoning_families`."""

    name: str
    type: Literal["chat_template_kwargs", "reasoning_effort", "top_level_reasoning_effort"]
    parameter: str


@dataclass(frozen=True, slots=True)
class Backend:
    """One server that serves one model. `name` is unique over the whole policy.

    base_path goes before the part of the client's path after `/v1`; chat_path, if set, replaces the
    whole path of chat completions. dialect is `vllm` or `openai` and decides where reasoning fields go.
    """

    name: str
    model: str
    scheme: Literal["http", "https"]
    host: str
    port: int
    base_path: str = "/v1"
    chat_path: str = ""
    weight: int = 1
    dialect: Literal["vllm", "openai"] = "vllm"
    auth_header: str = "authorization"
    auth_prefix: str = "Bearer "
    api_key: Secret | None = None
    forward_authorization: bool = False
    extra_headers: tuple[tuple[str, str], ...] = ()

    @property
    def destination(self) -> str:
        """`host:port`, the value of `x-gateway-destination-endpoint`; IPv6 hosts in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Model:
    """A logical model. `loras` are names that resolve to this model's back ends."""

    name: str
    model_id: str
    backends: tuple[Backend, ...]
    reasoning_family: ReasoningFamily | None = None
    loras: tuple[str, ...] = ()
    pii: PiiPolicy | None = None
    description: str = ""
    card: Card = field(default_factory=Card)
    pricing: Pricing | None = None
    reliability: Reliability = field(default_factory=Reliability)


# ---------------------------------------------------------------- guards


@dataclass(frozen=True, slots=True)
class PromptGuard:
    """threshold None: the bundle's operating points. allow_list: a passage that one of these
    matches from end to end is not judged (a substring would be a way around the guard). on_unavailable: of
    the bundle's own head. remote: judges too, and either may refuse."""

    mode: Literal["enforce", "shadow", "off"] = "enforce"
    threshold: float | None = None
    system_threshold: float | None = None
    on_unavailable: Literal["refuse", "allow"] = "refuse"
    allow_list: tuple[Expression, ...] = ()
    remote: RemoteGuard | None = None

    def exempts(self, text: str) -> bool:
        """Whether the allow-list matches a whole passage."""
        return any(pattern.fullmatch(text.strip()) for pattern in self.allow_list)


@dataclass(frozen=True, slots=True)
class PiiGuard:
    """policy applies where neither the decision nor the model has one of its own. allow_list: values
    (whole entities) that are not personal data here, e.g. the company's own address."""

    mode: Literal["enforce", "shadow", "off"] = "enforce"
    threshold: float | None = None
    policy: PiiPolicy = ALLOW_ALL
    on_unavailable: Literal["refuse", "allow"] = "refuse"
    allow_list: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True)
class Guards:
    """refusal: `error` answers 403, `completion` a 200 with finish_reason content_filter."""

    jailbreak: PromptGuard = PromptGuard()
    pii: PiiGuard = PiiGuard()
    refusal: Literal["error", "completion"] = "error"
    refusal_message: str = "The request was refused by the safety policy of this service."


# ---------------------------------------------------------------- service


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key and whom it makes of its holder. user: empty where the key itself is all that is known."""

    key: Secret
    user: str = ""
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class IdentityHeaders:
    """Headers in which a proxy that authenticates says who is asking. trusted: they are believed; whether
    or not, no back end gets to see them."""

    user: str = "x-authz-user-id"
    groups: str = "x-authz-user-groups"
    trusted: bool = False


@dataclass(frozen=True, slots=True)
class Listener:
    """api_keys empty: no authentication, allowed on loopback only."""

    name: str
    address: str = "127.0.0.1"
    port: int = 8801
    timeout: float = 300.0
    api_keys: tuple[ApiKey, ...] = ()
    identity: IdentityHeaders = IdentityHeaders()


@dataclass(frozen=True, slots=True)
class Limits:
    """max_prompt_tokens: more is refused with 413, since nothing reaches a model unread."""

    max_body_bytes: int = 50 * 1024 * 1024
    max_prompt_tokens: int = 4_000_000
    max_concurrent_requests: int = 1024
    max_nesting: int = 100


@dataclass(frozen=True, slots=True)
class Timeouts:
    """connect: to a back end. first_token: from sending the request to the first byte of the answer.
    idle: between two chunks. judge: base time for judging; longer prompts get more."""

    connect: float = 5.0
    first_token: float = 120.0
    idle: float = 60.0
    judge: float = 5.0


@dataclass(frozen=True, slots=True)
class ManagementToken:
    token: Secret
    role: Literal["viewer", "operator", "admin"]


@dataclass(frozen=True, slots=True)
class Management:
    address: str = "127.0.0.1"
    port: int = 8080
    tokens: tuple[ManagementToken, ...] = ()
    max_batch_size: int = 100


@dataclass(frozen=True, slots=True)
class Policy:
    """A whole configuration, ready to run.

    models are keyed by name. default_lora: the LoRA of default_model that serves instead of it, if one does.
    auto_names are the names that ask the router to choose. digest identifies the source.
    inert lists known keys that were given and have no effect yet.
    entrypoints: model names of clients that ask a recipe; a recipe is a policy of its own that differs
    in signals, projections, decisions and strategy. recipe is the name of this one.
    looper_names: model names of clients that ask for decisions of one looper only, and which.
    """

    listeners: tuple[Listener, ...] = (Listener(name="default"),)
    models: Mapping[str, Model] = field(default_factory=dict)
    default_model: str = ""
    default_lora: str = ""
    default_reasoning_effort: str = "medium"
    auto_names: tuple[str, ...] = ("vllm-sr/auto", "auto", "MoM")
    strategy: Literal["priority", "confidence"] = "priority"
    signals: Signals = field(default_factory=Signals)
    projections: Projections = field(default_factory=Projections)
    decisions: tuple[Decision, ...] = ()
    recipe: str = "default"
    recipes: Mapping[str, Policy] = field(default_factory=dict)
    entrypoints: Mapping[str, str] = field(default_factory=dict)
    looper_names: Mapping[str, str] = field(default_factory=dict)
    looper_limits: LooperLimits = field(default_factory=LooperLimits)
    guards: Guards = Guards()
    domain_threshold: float = 0.5
    fallback_category: str = "other"
    unknown_model_status: Literal[400, 404] = 404
    include_models_in_list: bool = False
    clear_route_cache: bool = True
    reveal_headers: bool = True
    limits: Limits = Limits()
    timeouts: Timeouts = Timeouts()
    management: Management = Management()
    learning: Learning = field(default_factory=Learning)
    digest: str = ""
    inert: tuple[str, ...] = ()

    @property
    def auto_name(self) -> str:
        """What to ask for where the router shall choose: `auto`, as people know it, if it is such a name."""
        return "auto" if "auto" in self.auto_names else next(iter(self.auto_names), "auto")

    @property
    def loops(self) -> bool:
        """Whether a decision, of whatever recipe, may call several models."""
        policies = (self, *self.recipes.values())
        return any(one.looper is not None for policy in policies for one in policy.decisions)

    def for_model(self, name: str) -> Policy:
        """The recipe that a client asks with this model name, or the decisions of the looper that it asks
        for; this very policy for all other names."""
        kind = self.looper_names.get(name)
        if kind is None:
            return self.recipes.get(self.entrypoints.get(name, ""), self)
        decisions = tuple(one for one in self.decisions if one.looper is not None and one.looper.name == kind)
        return replace(self, decisions=decisions, auto_names=(name,))
