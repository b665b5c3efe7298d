"""Keys of the original that this version knows and does not carry out yet, each with its reason.

`refused`: leaving it out silently would change safety or routing, so the file is not accepted.
`unless_off`: the same, but a section that says `enabled: false` (or a plain `false`) is accepted.
`inert`: accepted, without effect, and listed when the router starts.
Patterns write `[]` for a list's items and `*` for free names. A refused key hides what is below it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["refused", "unless_off", "inert"]


@dataclass(frozen=True, slots=True)
class Pending:
    kind: Kind
    reason: str


def _all(kind: Kind, reason: str, prefix: str, *keys: str) -> dict[str, Pending]:
    return {prefix + key: Pending(kind, reason) for key in keys}


_CARD = "describes the model; no selection algorithm reads it yet"
_OTHER_SIGNALS = "only domains, keywords, jailbreak and pii signals are built"
_OWN_HEAD = "the bundle's own head is used"
_NO_CACHE = "answers are not cached yet"
_COMPOSED = "decisions can choose one model or answer at once"

KEYS: Final[Mapping[str, Pending]] = {
    **_all("inert", "belongs to the original's set-up assistant", "", "setup"),
    **_all("refused", "one set of decisions serves all requests", "", "entrypoints", "recipes"),
    # providers
    **_all("inert", "costs are not computed yet", "providers.models[].", "pricing"),
    **_all(
        "inert", "retries and health checks are not configurable yet", "providers.models[].", "reliability"
    ),
    **_all(
        "refused",
        "use Azure's v1 endpoint, base_url https://NAME.openai.azure.com/openai/v1",
        "providers.models[].backend_refs[].",
        "api_version",
    ),
    # routing
    **_all(
        "inert",
        _CARD,
        "routing.modelCards[].",
        *("param_size", "context_window_size", "capabilities", "quality_score", "modality", "tags"),
    ),
    **_all(
        "refused",
        _OTHER_SIGNALS,
        "routing.signals.",
        *("embeddings", "fact_check", "user_feedbacks", "reasks", "preferences", "language", "context"),
        *("structure", "complexity", "modality", "role_bindings", "kb", "conversation", "events"),
        *("metadata", "classifiers"),
    ),
    **_all("unless_off", "keywords match exactly", "routing.signals.keywords[].", "fuzzy_match"),
    **_all(
        "inert",
        "belongs to a matching method that is not built",
        "routing.signals.keywords[].",
        *("fuzzy_threshold", "bm25_threshold", "ngram_threshold", "ngram_arity"),
    ),
    **_all(
        "refused",
        "jailbreaks are found by the classifier only",
        "routing.signals.jailbreak[].",
        *("jailbreak_patterns", "benign_patterns"),
    ),
    **_all("refused", "rules combine signals directly", "routing.", "projections"),
    **_all(
        "refused", "a rule asks whether a signal matches", "routing.decisions[].rules.", "label", "predicate"
    ),
    **_all(
        "refused",
        _COMPOSED,
        "routing.decisions[].",
        *("candidateIterations", "adaptations", "emits", "output_contract", "output_contract_spec"),
    ),
    **_all("inert", "is a note", "routing.decisions[].", "annotations"),
    **_all("inert", "is a note", "routing.decisions[].modelRefs[].", "reasoning_description"),
    **_all("inert", "is a note", "routing.signals.domains[].model_scores[].", "reasoning_description"),
    **_all(
        "inert", "the static algorithm cannot fail", "routing.decisions[].algorithm.", "on_error", "static"
    ),
    # global.router
    **_all("unless_off", "request bodies are read whole", "global.router.", "streamed_body"),
    **_all("unless_off", "no request may skip judging", "global.router.", "skip_processing"),
    **_all("inert", "decisions name their algorithm; static is built", "global.router.", "model_selection"),
    **_all("unless_off", "the router does not learn from outcomes yet", "global.router.", "learning"),
    # global.services
    **_all(
        "inert",
        "the encoder batches by itself",
        "global.services.api.batch_classification.",
        *("concurrency_threshold", "max_concurrency", "metrics"),
    ),
    **_all("inert", "/v1/responses is not served yet", "global.services.", "response_api"),
    **_all("inert", "requests are not recorded yet", "global.services.", "router_replay"),
    **_all("inert", "readiness is served by /readyz", "global.services.", "startup_status"),
    **_all(
        "inert", "metrics are always served; traces are not exported yet", "global.services.", "observability"
    ),
    **_all("refused", "clients are known by the listener's api_keys only", "global.services.", "authz"),
    **_all("refused", "no rate limit would be enforced", "global.services.", "ratelimit"),
    **_all(
        "refused",
        "the roles viewer, operator and admin are fixed",
        "global.services.management_api.auth.",
        "roles",
    ),
    # global.stores, global.integrations
    **_all("inert", _NO_CACHE, "global.stores.", "response_cache"),
    **_all(
        "unless_off", "nothing is remembered between requests", "global.stores.", "memory", "vector_store"
    ),
    **_all("unless_off", "tools pass through as the client sent them", "global.integrations.", "tools"),
    **_all("refused", _COMPOSED, "global.integrations.", "looper"),
    # global.model_catalog
    **_all("inert", _OWN_HEAD, "global.model_catalog.", "embeddings", "system", "kbs"),
    **_all("refused", "no external classifier would be asked", "global.model_catalog.", "external"),
    **_all("unless_off", "prompts are judged whole", "global.model_catalog.modules.", "prompt_compression"),
    **_all(
        "inert",
        _OWN_HEAD,
        "global.model_catalog.modules.prompt_guard.",
        *("variant", "positive_labels", "jailbreak_mapping_path", "model_id", "model_ref"),
        *("use_cpu", "use_modernbert", "use_mmbert_32k"),
    ),
    **_all(
        "refused",
        "no remote guard would be asked",
        "global.model_catalog.modules.prompt_guard.",
        "protocol",
    ),
    **_all(
        "inert",
        _OWN_HEAD,
        "global.model_catalog.modules.classifier.domain.",
        *("category_mapping_path", "model_id", "model_ref", "use_cpu", "use_modernbert", "use_mmbert_32k"),
    ),
    **_all(
        "inert",
        _OWN_HEAD,
        "global.model_catalog.modules.classifier.pii.",
        *("pii_mapping_path", "model_id", "model_ref", "use_cpu", "use_modernbert", "use_mmbert_32k"),
    ),
    **_all(
        "unless_off",
        "no MCP server would be asked",
        "global.model_catalog.modules.classifier.",
        "mcp",
    ),
    **_all("inert", _OTHER_SIGNALS, "global.model_catalog.modules.classifier.", "preference"),
    **_all(
        "inert",
        _OTHER_SIGNALS,
        "global.model_catalog.modules.",
        *("complexity", "feedback_detector", "modality_detector"),
    ),
    **_all(
        "unless_off",
        "answers are not checked yet",
        "global.model_catalog.modules.",
        "hallucination_mitigation",
    ),
}

_UNBUILT_PLUGINS = (
    *("request_params", "tools", "tool_selection", "rag", "memory", "hallucination", "response_jailbreak"),
    *("context_compression", "image_gen"),
)
_CACHE_NAMES = ("response_cache", "semantic-cache", "semantic_cache", "response-cache")
_ALGORITHMS = (
    *(
        "router_dc",
        "latency_aware",
        "multi_factor",
        "hybrid",
        "automix",
        "prompt",
        "knn",
        "kmeans",
        "svm",
        "mlp",
    ),
    *("confidence", "ratings", "remom", "fusion", "workflows"),
)
_CONDITIONS = (
    *("embedding", "fact_check", "user_feedback", "reask", "preference", "language", "context", "structure"),
    *(
        "complexity",
        "modality",
        "authz",
        "kb",
        "conversation",
        "event",
        "metadata",
        "classifier",
        "projection",
    ),
)
_PROVIDERS = ("anthropic", "bedrock", "gemini", "vertex-ai", "minimax")


def _values(key: str, kind: Kind, reason: str, *values: str) -> dict[tuple[str, str], Pending]:
    return {(key, value): Pending(kind, reason) for value in values}


VALUES: Final[Mapping[tuple[str, str], Pending]] = {
    **_values("global.router.config_source", "refused", "the file is the only source", "kubernetes"),
    **_values("providers.models[].api_format", "refused", "back ends speak the OpenAI protocol", "anthropic"),
    **_values(
        "providers.models[].backend_refs[].provider",
        "refused",
        "back ends speak the OpenAI protocol; a provider's OpenAI-compatible endpoint works without this key",
        *_PROVIDERS,
    ),
    **_values(
        "providers.models[].backend_refs[].type",
        "refused",
        "back ends speak the OpenAI protocol; a provider's OpenAI-compatible endpoint works without this key",
        *_PROVIDERS,
    ),
    **_values(
        "routing.signals.keywords[].method",
        "refused",
        "keywords match as whole words, or as patterns with method: regex",
        *("bm25", "ngram", "fuzzy"),
    ),
    **_values(
        "routing.signals.jailbreak[].method",
        "refused",
        "jailbreaks are found by the classifier only",
        *("contrastive", "hybrid"),
    ),
    **_values("routing.decisions[].rules.type", "refused", _OTHER_SIGNALS, *_CONDITIONS),
    **_values("routing.decisions[].algorithm.type", "refused", "the static algorithm is built", *_ALGORITHMS),
    **_values(
        "routing.decisions[].plugins[].type",
        "unless_off",
        "fast_response, system_prompt, header_mutation and pii are built",
        *_UNBUILT_PLUGINS,
    ),
    **_values("routing.decisions[].plugins[].type", "inert", _NO_CACHE, *_CACHE_NAMES),
    **_values(
        "routing.decisions[].plugins[].type", "inert", "requests are not recorded yet", "router_replay"
    ),
    **_values(
        "routing.decisions[].plugins[].type",
        "refused",
        "the prompt guard is global (global.guards.jailbreak); a decision can ask for a jailbreak signal",
        "jailbreak",
    ),
}
"""Values of known keys. Below a mapping with such a value nothing else is checked."""
