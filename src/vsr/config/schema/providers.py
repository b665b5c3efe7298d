"""`listeners` and `providers`: where requests come in, and the models and servers they go out to."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from vsr.config.schema.base import Effort, Name, PiiAction, Port, Seconds, Section, refuse_bool
from vsr.config.schema.selection import Pricing


class ApiKey(Section):
    """Ours: a key that says whose it is."""

    key: str
    user: str = ""
    groups: tuple[Name, ...] = ()


class Listener(Section):
    name: Name = "default"
    address: Name = "127.0.0.1"
    port: Port = 8801
    timeout: Seconds = 300.0
    api_keys: tuple[str | ApiKey, ...] = ()
    identity_headers: Literal["ignored", "trusted"] = "ignored"


class ReasoningFamily(Section):
    type: Literal["chat_template_kwargs", "reasoning_effort", "top_level_reasoning_effort"]
    parameter: Name


class Defaults(Section):
    """model and reasoning_effort are the other two by the names they have in files since 0.4."""

    default_model: str = ""
    default_reasoning_effort: Effort = "medium"
    model: str = ""
    reasoning_effort: Effort | None = None
    reasoning_families: dict[str, ReasoningFamily] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _by_one_name(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        named = {f"default_{key}": data[key] for key in ("model", "reasoning_effort") if key in data}
        for key in named.keys() & data.keys():
            raise ValueError(f"has both {key} and {key.removeprefix('default_')}; keep one of them")
        return data | named


class Reasoning(Section):
    """Of one model, since 0.4: one of the known families, or a family of its own."""

    family: str = ""
    type: Literal["chat_template_kwargs", "reasoning_effort", "top_level_reasoning_effort"] | None = None
    parameter: str = ""


class ModelPiiPolicy(Section):
    """Ours: the flat format's `model_config.*.pii_policy`, and what to do with types that are not allowed."""

    allow_by_default: bool = False
    pii_types_allowed: tuple[str, ...] = ()
    action: PiiAction = "block"


class Reliability(Section):
    """Envoy's words; both doors heed them. What is left out has the defaults of `policy_reliability`."""

    lb_policy: Literal["round_robin", "least_request"] = "round_robin"
    retry_count: Annotated[int, BeforeValidator(refuse_bool), Field(ge=0, le=100)] | None = None
    retry_on: str = ""
    consecutive_5xx: Annotated[int, BeforeValidator(refuse_bool), Field(ge=0, le=1_000_000)] = 5
    base_ejection_time: Seconds = 30.0
    max_ejection_percent: Annotated[int, BeforeValidator(refuse_bool), Field(ge=0, le=100)] = 100
    health_check_path: str = ""
    health_check_interval: Seconds = 10.0
    health_check_timeout: Seconds = 2.0


class BackendRef(Section):
    name: str = ""
    endpoint: str = ""
    protocol: Literal["http", "https"] = "http"
    base_url: str = ""
    weight: Annotated[int, BeforeValidator(refuse_bool), Field(ge=0, le=1_000_000)] = 1
    type: str = ""
    provider: str = ""
    auth_header: str = ""
    auth_prefix: str | None = None
    extra_headers: dict[str, str] = Field(default_factory=dict)
    api_version: str = ""
    chat_path: str = ""
    api_key: str = ""
    api_key_env: str = ""
    forward_authorization: bool = False


class ProviderModel(Section):
    name: Name
    reasoning_family: str = ""
    reasoning: Reasoning | None = None
    provider_model_id: str = ""
    api_format: Literal["openai"] = "openai"
    external_model_ids: dict[str, Name] = Field(default_factory=dict)
    pii_policy: ModelPiiPolicy | None = None
    pricing: Pricing | None = None
    reliability: Reliability = Reliability()
    backend_refs: tuple[BackendRef, ...] = ()


class Providers(Section):
    defaults: Defaults = Defaults()
    models: tuple[ProviderModel, ...] = ()
