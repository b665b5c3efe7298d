"""`global`: how the router itself behaves. The groups marked "ours" do not exist in the original."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from vsr.config.schema.base import Bytes, Count, Mode, Name, PiiAction, Port, Probability, Seconds, Section
from vsr.config.schema.catalog import (
    Embeddings,
    External,
    FeedbackDetector,
    KnowledgeBase,
    McpModule,
    NamedMcpServer,
    PreferenceModule,
)
from vsr.config.schema.loopers import Integrations
from vsr.config.schema.selection import Learning, ModelSelection

Action = Literal["refuse", "allow"]


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


HeaderName = Annotated[str, BeforeValidator(_lower), Field(pattern=r"^[a-z0-9!#$%&'*+.^_`|~-]{1,100}$")]


def _status(value: object) -> object:
    return int(value) if value in ("400", "404") else value


class Router(Section):
    auto_model_name: str = ""
    auto_model_names: tuple[Name, ...] | None = None
    include_config_models_in_list: bool = False
    clear_route_cache: bool = True
    strategy: Literal["priority", "confidence"] | None = None
    config_source: Literal["file"] = "file"
    unknown_model_status: Annotated[Literal[404, 400], BeforeValidator(_status)] = 404
    response_headers: bool = True
    model_selection: ModelSelection = ModelSelection()
    learning: Learning = Learning()


class BatchClassification(Section):
    max_batch_size: Count = 100


class Api(Section):
    batch_classification: BatchClassification = BatchClassification()


class ManagementToken(Section):
    env: Name
    role: Literal["viewer", "operator", "admin"] = "viewer"


class ManagementAuth(Section):
    mode: Literal["disabled", "bearer"] = "disabled"
    tokens: tuple[ManagementToken, ...] = ()


class ManagementApi(Section):
    bind_address: Name = "127.0.0.1"
    port: Port = 8080
    remote_exposure: bool = False
    auth: ManagementAuth = ManagementAuth()


class AuthzIdentity(Section):
    user_id_header: HeaderName = "x-authz-user-id"
    user_groups_header: HeaderName = "x-authz-user-groups"


def _closed(value: bool) -> bool:
    if value:
        raise ValueError("must stay false: nobody gets in whose key cannot be checked")
    return value


class Authz(Section):
    fail_open: Annotated[bool, AfterValidator(_closed)] = False
    identity: AuthzIdentity = AuthzIdentity()


class Services(Section):
    api: Api = Api()
    authz: Authz = Authz()
    management_api: ManagementApi = ManagementApi()


class PromptGuardModule(Section):
    enabled: bool = True
    threshold: Probability | None = None
    on_error: Literal["allow", "block"] | None = None
    protocol: Literal["http_chat", "http_classify"] | None = None
    positive_labels: Annotated[tuple[Name, ...], Field(min_length=1)] = ("jailbreak",)


class DomainClassifier(Section):
    threshold: Probability = 0.5
    fallback_category: Name = "other"


class PiiClassifier(Section):
    threshold: Probability | None = None
    on_error: Literal["allow", "block"] | None = None


class Classifier(Section):
    domain: DomainClassifier = DomainClassifier()
    pii: PiiClassifier = PiiClassifier()
    mcp: McpModule = McpModule()
    preference: PreferenceModule = PreferenceModule()


class Modules(Section):
    prompt_guard: PromptGuardModule = PromptGuardModule()
    classifier: Classifier = Classifier()
    feedback_detector: FeedbackDetector = FeedbackDetector()


class ModelCatalog(Section):
    embeddings: Embeddings = Embeddings()
    external: tuple[External, ...] = ()
    mcp_servers: tuple[NamedMcpServer, ...] = ()
    kbs: tuple[KnowledgeBase, ...] = ()
    modules: Modules = Modules()


class JailbreakGuard(Section):
    mode: Mode | None = None
    threshold: Probability | None = None
    system_threshold: Probability | None = None
    on_unavailable: Action | None = None
    allow_list: tuple[Name, ...] = ()


class PiiGuard(Section):
    mode: Mode = "enforce"
    threshold: Probability | None = None
    action: PiiAction | None = None
    pii_types_allowed: tuple[str, ...] | None = None
    on_unavailable: Action | None = None
    allow_list: tuple[Name, ...] = ()


class Guards(Section):
    """Ours."""

    refusal: Literal["error", "completion"] = "error"
    refusal_message: Annotated[str, Field(min_length=1)] = (
        "The request was refused by the safety policy of this service."
    )
    jailbreak: JailbreakGuard = JailbreakGuard()
    pii: PiiGuard = PiiGuard()


class Limits(Section):
    """Ours."""

    max_body_bytes: Bytes = 50 * 1024 * 1024
    max_prompt_tokens: Count = 4_000_000
    max_concurrent_requests: Count = 1024
    max_nesting: Annotated[Count, Field(le=500)] = 100


class Timeouts(Section):
    """Ours."""

    connect: Seconds = 5.0
    first_token: Seconds = 120.0
    idle: Seconds = 60.0
    judge: Seconds = 5.0


class Global(Section):
    router: Router = Router()
    services: Services = Services()
    integrations: Integrations = Integrations()
    model_catalog: ModelCatalog = ModelCatalog()
    guards: Guards = Guards()
    limits: Limits = Limits()
    timeouts: Timeouts = Timeouts()
