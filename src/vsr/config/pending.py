"""Keys of the original that this version knows and does not carry out yet, each with its reason.

`refused`: leaving it out silently would change safety or routing, so the file is not accepted.
`unless_off`: the same, but a section that says `enabled: false` (or a plain `false`) is accepted.
`inert`: accepted, without effect, and listed when the router starts.
Patterns write `[]` for a list's items and `*` for free names. A refused key hides what is below it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vsr.config import pending_later as later
from vsr.config.pending_entry import Pending
from vsr.config.pending_entry import keys as _all
from vsr.config.pending_entry import values as _values

_CARD = "describes the model; no selection algorithm reads it"
_NO_ADAPTATION = (
    "no request goes to another model than its algorithm chose only to try that out; the algorithm thompson "
    "of a decision draws among its models by their outcomes"
)
_NOT_LEARNED = "descriptions are compared as they stand; nothing is trained while serving"
_NO_IMAGES = "images are not embedded; the texts decide"
_EXAMPLES = "examples are scored as embeddings.semantic.embedding_config says"
_OWN_HEAD = "the bundle's own head is used"
_NO_CACHE = "answers are not cached yet"


def _selection(prefix: str) -> dict[str, Pending]:
    """Settings of algorithms that stand both with a decision and in the defaults for all."""
    return {
        **_all(
            "inert",
            _NOT_LEARNED,
            f"{prefix}router_dc.",
            *("dimension_size", "use_query_contrastive", "use_model_contrastive"),
        ),
        **_all("inert", "nothing is verified", f"{prefix}automix.", "use_logprob_verification"),
    }


KEYS: Final[Mapping[str, Pending]] = {
    **later.KEYS,
    **_all("inert", "belongs to the original's set-up assistant", "", "setup"),
    # routing
    **_all(
        "refused",
        "the original has dropped it, too: its plugin tools says what may be called",
        "routing.decisions[].",
        *("tool_scope", "allow_tools", "block_tools"),
    ),
    **_all(
        "refused",
        "the original has dropped it, too: write algorithm",
        "routing.decisions[].",
        "modelSelectionAlgorithm",
    ),
    **_all(
        "inert",
        _CARD,
        "routing.modelCards[].",
        *("modality", "tags"),
    ),
    **_all(
        "inert",
        _NO_IMAGES,
        "routing.signals.embeddings[].",
        *("image_candidates", "negative_image_candidates"),
    ),
    **_all("inert", _NO_IMAGES, "routing.signals.complexity[].hard.", "image_candidates"),
    **_all("inert", _NO_IMAGES, "routing.signals.complexity[].easy.", "image_candidates"),
    **_all("inert", "one machine runs all models", "routing.signals.classifiers[].", "use_cpu"),
    **_all("inert", _NO_ADAPTATION, "routing.decisions[].adaptations.", "adaptation"),
    **_all(
        "refused",
        "answers are passed on as the model gives them; a client can ask for response_format",
        "routing.decisions[].",
        *("output_contract", "output_contract_spec"),
    ),
    **_all("inert", "is a note", "routing.decisions[].modelRefs[].", "reasoning_description"),
    **_all(
        "inert", "is a note", "routing.decisions[].candidateIterations[].models[].", "reasoning_description"
    ),
    **_all("inert", "is a note", "routing.signals.domains[].model_scores[].", "reasoning_description"),
    **_all("inert", "the static algorithm has no settings", "routing.decisions[].algorithm.", "static"),
    **_selection("routing.decisions[].algorithm."),
    **_selection("global.router.model_selection."),
    **_all("inert", "decisions name their algorithm", "global.router.model_selection.", "method", "ml"),
    **_all("unless_off", "scores are not smoothed", "global.router.model_selection.", "momentum"),
    # global.router
    **_all("unless_off", "request bodies are read whole", "global.router.", "streamed_body"),
    **_all("unless_off", "no request may skip judging", "global.router.", "skip_processing"),
    **_all("unless_off", _NO_ADAPTATION, "global.router.learning.", "adaptation"),
    **_all("inert", "outcomes go to feedback_file", "global.router.learning.", "state_store"),
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
    **_all(
        "refused",
        "a back end gets its credential from its backend_refs (api_key_env, forward_authorization)",
        "global.services.authz.",
        "providers",
    ),
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
    **_all(
        "inert",
        "models are called directly",
        "global.integrations.looper.",
        *("endpoint", "retry_count", "headers"),
    ),
    **_all("inert", "a tool's answer starts the workflow anew", "global.integrations.looper.flow.", "state"),
    **_all(
        "inert",
        "vectors tell support, not contradiction",
        "routing.decisions[].algorithm.fusion.grounding.",
        *("nli_contradiction_penalty", "contradiction_penalty"),
    ),
    **_all("inert", "is a note", "routing.decisions[].algorithm.fusion.", "judge_prompt_version"),
    # global.model_catalog
    **_all("inert", _OWN_HEAD, "global.model_catalog.", "system"),
    **_all(
        "inert",
        "the bundle's own vectors are used",
        "global.model_catalog.embeddings.semantic.",
        *("mmbert_model_path", "qwen3_model_path", "gemma_model_path", "multimodal_model_path"),
        *("bert_model_path", "use_cpu"),
    ),
    **_all(
        "inert",
        "the bundle's own vectors are used",
        "global.model_catalog.embeddings.semantic.embedding_config.",
        *("model_type", "preload_embeddings", "target_dimension", "target_layer"),
    ),
    **_all(
        "inert",
        "a call that failed is an error of the signal, not made again",
        "global.model_catalog.embeddings.semantic.endpoint.",
        "max_retries",
    ),
    **_all("inert", "is a note", "global.model_catalog.external[].", "llm_provider"),
    **_all(
        "inert",
        "a service applies the chat template of its model itself",
        "global.model_catalog.external[].llm_endpoint.",
        "use_chat_template",
    ),
    **_all(
        "refused",
        "a chat model is told the labels and the instructions of the rule that asks it; write them there",
        "global.model_catalog.external[].llm_endpoint.",
        "prompt_template",
    ),
    **_all("unless_off", "prompts are judged whole", "global.model_catalog.modules.", "prompt_compression"),
    **_all(
        "inert",
        _OWN_HEAD,
        "global.model_catalog.modules.prompt_guard.",
        *("variant", "jailbreak_mapping_path", "model_id", "model_ref"),
        *("use_cpu", "use_modernbert", "use_mmbert_32k"),
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
    **_all("inert", _EXAMPLES, "global.model_catalog.modules.", "complexity"),
    **_all(
        "inert",
        "feedback is read where a rule asks for it",
        "global.model_catalog.modules.feedback_detector.",
        "enabled",
    ),
    **_all(
        "inert", "modality is told by words and fields", "global.model_catalog.modules.", "modality_detector"
    ),
    **_all(
        "inert",
        _OWN_HEAD,
        "global.model_catalog.modules.feedback_detector.",
        *("feedback_mapping_path", "model_id", "model_ref", "use_cpu", "use_modernbert", "use_mmbert_32k"),
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


VALUES: Final[Mapping[tuple[str, str], Pending]] = {
    **later.VALUES,
    **_values("global.router.config_source", "refused", "the file is the only source", "kubernetes"),
    **_values("providers.models[].api_format", "refused", "back ends speak the OpenAI protocol", "anthropic"),
    **_values(
        "global.model_catalog.external[].model_role",
        "refused",
        "nothing is remembered between requests",
        *("memory_rewrite", "memory_extraction"),
    ),
    **_values(
        "routing.signals.embeddings[].query_modality", "refused", "only text is embedded", "image", "audio"
    ),
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
