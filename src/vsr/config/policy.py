"""The compiled configuration: small, immutable, complete. Nothing else of a file survives loading.

`config/compile.py` makes a `Policy` from a validated document; the rest of the program reads it and
knows nothing of YAML, schema versions or defaults. Times are seconds, sizes bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from re import Pattern
from typing import Literal

from vsr.content import Secret
from vsr.route import ALLOW_ALL, PiiPolicy, Plugin

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


# ---------------------------------------------------------------- signals


@dataclass(frozen=True, slots=True)
class ModelScore:
    model: str
    score: float
    use_reasoning: bool = False
    reasoning_effort: str = ""
    lora: str = ""


@dataclass(frozen=True, slots=True)
class DomainRule:
    """classes: the head's labels that count as this domain (`mmlu_categories`, or its own name)."""

    name: str
    classes: frozenset[str]
    threshold: float
    model_scores: tuple[ModelScore, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class KeywordRule:
    """patterns: one compiled regular expression a keyword, same order as `keywords`."""

    name: str
    operator: Literal["AND", "OR", "NOR"]
    keywords: tuple[str, ...]
    patterns: tuple[Pattern[str], ...]


@dataclass(frozen=True, slots=True)
class JailbreakRule:
    """threshold None: the bundle's operating point for the length of the request."""

    name: str
    threshold: float | None = None
    include_history: bool = True


@dataclass(frozen=True, slots=True)
class PiiRule:
    name: str
    threshold: float | None = None
    allowed: frozenset[str] = frozenset()
    include_history: bool = True


@dataclass(frozen=True, slots=True)
class Signals:
    domains: tuple[DomainRule, ...] = ()
    keywords: tuple[KeywordRule, ...] = ()
    jailbreaks: tuple[JailbreakRule, ...] = ()
    piis: tuple[PiiRule, ...] = ()


# ---------------------------------------------------------------- decisions


@dataclass(frozen=True, slots=True)
class Leaf:
    """Matches when the signal `type:name` does. on_error: what an unavailable signal counts as."""

    type: str
    name: str
    on_error: Literal["match", "no_match"] = "no_match"


@dataclass(frozen=True, slots=True)
class Branch:
    operator: Literal["AND", "OR", "NOT"]
    children: tuple[RuleNode, ...]


RuleNode = Leaf | Branch


@dataclass(frozen=True, slots=True)
class ModelRef:
    model: str
    lora: str = ""
    weight: float = 1.0
    use_reasoning: bool = False
    reasoning_effort: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """rules None is a catch-all. plugins holds at most one of each kind, in order of application."""

    name: str
    priority: int = 0
    tier: int = 0
    rules: RuleNode | None = None
    models: tuple[ModelRef, ...] = ()
    plugins: tuple[Plugin, ...] = ()
    description: str = ""


# ---------------------------------------------------------------- guards


@dataclass(frozen=True, slots=True)
class PromptGuard:
    """threshold None: the bundle's operating points. allow_list: a passage that one of these
    matches from end to end is not judged (a substring would be a way around the guard)."""

    mode: Literal["enforce", "shadow", "off"] = "enforce"
    threshold: float | None = None
    system_threshold: float | None = None
    on_unavailable: Literal["refuse", "allow"] = "refuse"
    allow_list: tuple[Pattern[str], ...] = ()


@dataclass(frozen=True, slots=True)
class PiiGuard:
    """policy applies where neither the decision nor the model has one of its own. allow_list: values
    (whole entities) that are not personal data here, e.g. the company's own address."""

    mode: Literal["enforce", "shadow", "off"] = "enforce"
    threshold: float | None = None
    policy: PiiPolicy = ALLOW_ALL
    on_unavailable: Literal["refuse", "allow"] = "refuse"
    allow_list: tuple[Pattern[str], ...] = ()


@dataclass(frozen=True, slots=True)
class Guards:
    """refusal: `error` answers 403, `completion` a 200 with finish_reason content_filter."""

    jailbreak: PromptGuard = PromptGuard()
    pii: PiiGuard = PiiGuard()
    refusal: Literal["error", "completion"] = "error"
    refusal_message: str = "The request was refused by the safety policy of this service."


# ---------------------------------------------------------------- service


@dataclass(frozen=True, slots=True)
class Listener:
    """api_keys empty: no authentication, allowed on loopback only."""

    name: str
    address: str = "127.0.0.1"
    port: int = 8801
    timeout: float = 300.0
    api_keys: tuple[Secret, ...] = ()


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

    models and backends are keyed by name; aliases map every other name a client may use (LoRA names)
    to a model. auto_names are the names that ask the router to choose. digest identifies the source.
    inert lists known keys that were given and have no effect yet.
    """

    listeners: tuple[Listener, ...] = (Listener(name="default"),)
    models: Mapping[str, Model] = field(default_factory=dict)
    default_model: str = ""
    default_reasoning_effort: str = "medium"
    auto_names: tuple[str, ...] = ("vllm-sr/auto", "auto", "MoM")
    strategy: Literal["priority", "confidence"] = "priority"
    signals: Signals = Signals()
    decisions: tuple[Decision, ...] = ()
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
    digest: str = ""
    inert: tuple[str, ...] = ()
