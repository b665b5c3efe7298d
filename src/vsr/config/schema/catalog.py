"""`global.model_catalog`: what signals read besides their own rules."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from vsr.config.schema.base import Count, Name, Number, Port, Probability, Seconds, Section, Whole
from vsr.config.schema.signals import Cosine, Examples, PrototypeScoring, Texts


class EmbeddingConfig(Section):
    backend: str = ""
    top_k: Annotated[Whole, Field(ge=0)] = 1
    min_score_threshold: Cosine = 0.5
    enable_soft_matching: bool = True
    prototype_scoring: PrototypeScoring = PrototypeScoring()


class EmbeddingEndpoint(Section):
    base_url: Name
    model: Name
    api_key_env: str = ""
    timeout_seconds: Seconds = 5.0
    dimensions: Count | None = None


class SemanticEmbeddings(Section):
    embedding_config: EmbeddingConfig = EmbeddingConfig()
    endpoint: EmbeddingEndpoint | None = None


class Embeddings(Section):
    semantic: SemanticEmbeddings = SemanticEmbeddings()


class KnowledgeSource(Section):
    """A directory and the file in it that holds the labels."""

    path: str = ""
    manifest: str = "labels.json"


class KnowledgeLabel(Section):
    """Ours: examples in the configuration itself."""

    description: str = ""
    exemplars: Annotated[Examples, Field(min_length=1)]


class KnowledgeMetric(Section):
    name: Name
    type: Literal["group_margin"] = "group_margin"
    positive_group: Name
    negative_group: Name


class KnowledgeBase(Section):
    name: Name
    description: str = ""
    source: KnowledgeSource = KnowledgeSource()
    labels: dict[str, KnowledgeLabel] = Field(default_factory=dict)
    threshold: Cosine = 0.5
    label_thresholds: dict[str, Cosine] = Field(default_factory=dict)
    groups: dict[str, Texts] = Field(default_factory=dict)
    metrics: tuple[KnowledgeMetric, ...] = ()
    prototype_scoring: PrototypeScoring | None = None


class FeedbackDetector(Section):
    threshold: Probability = 0.7


class ExternalEndpoint(Section):
    """Where a service listens: address and port, or base_url. base_url, dialect: ours."""

    address: str = ""
    port: Port | None = None
    protocol: Literal["http", "https"] = "http"
    base_url: str = ""
    dialect: Literal["labels", "vllm"] = "labels"


class External(Section):
    """A model of others that is asked about prompts."""

    name: str = ""
    model_role: Literal["classification", "scoring", "preference", "guardrail"]
    llm_endpoint: ExternalEndpoint
    llm_model_name: str = ""
    llm_timeout_seconds: Seconds = 5.0
    parser_type: Literal["qwen3guard", "json", "simple", "auto"] = "auto"
    threshold: Probability | None = None
    access_key: str = ""
    max_tokens: Count = 256
    temperature: Annotated[Number, Field(ge=0, le=2)] = 0.0


class McpServer(Section):
    """A classification server of the Model Context Protocol."""

    transport_type: Literal["stdio", "http"] = "stdio"
    command: str = ""
    args: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    url: str = ""
    tool_name: Name = "classify_text"
    threshold: Probability = 0.5
    timeout_seconds: Seconds = 30.0


class McpModule(McpServer):
    """The server of classifier rules that name none."""

    enabled: bool = False


class NamedMcpServer(McpServer):
    """Ours."""

    name: Name


class PreferenceModule(Section):
    use_contrastive: bool | None = None
