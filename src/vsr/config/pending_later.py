"""Keys that the original's files have had since its version 0.4, and that are not carried out here.

Its files call themselves v0.3 all the same, so a file of today must be told exactly what is missing.
Kinds and patterns are those of `pending`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vsr.config.pending_entry import Pending, keys, values

_NOTE = "is a note"
_WHOLE = "everything is read, in windows"
_ANSWERS = "answers of services are read up to 4 MiB"
_OTHER_HEAD = "the bundle's own head answers; a decision can ask a remote model by a classifier signal"
_CANDIDATES = "an algorithm chooses among the models that the decision names"
_RETRIES = "what fails is sent again as reliability and retry_on of the models say"
_CARD = "routing.modelCards[]."
_EXTERNAL = "global.model_catalog.external[]."
_CLASSIFIER = "global.model_catalog.modules.classifier."
_REASONING = "providers.models[].reasoning."
_MULTI_FACTOR = "routing.decisions[].algorithm.multi_factor."

KEYS: Final[Mapping[str, Pending]] = {
    **keys("inert", "models are rated by quality_score of their card", "", "evaluation"),
    # providers
    **keys(
        "refused",
        "no catalogue of models is at hand; write backend_refs, and a card in routing.modelCards",
        "providers.models[].",
        "catalog",
    ),
    **keys(
        "refused",
        "one field of a request switches reasoning",
        _REASONING,
        "activation_parameter",
        "effort_flags",
    ),
    **keys(
        "inert",
        "use_reasoning and reasoning_effort of the decision say how a model reasons",
        _REASONING,
        *("levels", "default", "modes", "default_mode", "disabled"),
    ),
    # routing
    **keys(
        "inert",
        _NOTE,
        _CARD,
        *("display_name", "publisher", "presentation", "distribution", "family", "revision"),
        *("released_at", "knowledge_cutoff", "lifecycle", "max_output_tokens", "modalities", "reasoning"),
    ),
    **keys("refused", _CANDIDATES, "routing.", "candidate_requirements"),
    **keys("refused", "signals ask the bundle, or the model that they name", "routing.", "model_bindings"),
    **keys("inert", "requests are not recorded yet", "routing.", "data_policy"),
    **keys("unless_off", _RETRIES, "routing.", "fallback"),
    **keys(
        "refused",
        "the bundle has no head for kinds of harm; a decision can ask a model by a classifier signal",
        "routing.signals.",
        "safety",
    ),
    **keys("refused", "answers are not checked yet", "routing.signals.", "hallucination"),
    **keys(
        "refused",
        "images are told by a conversation signal with the source image_content",
        "routing.signals.",
        "input_modality",
    ),
    **keys("refused", "prompts are judged, answers are not yet", "routing.signals.jailbreak[].", "direction"),
    **keys(
        "refused",
        "a higher score is harder; write hard_above and easy_below",
        "routing.signals.complexity[].",
        *("hard_below", "easy_above"),
    ),
    **keys("inert", "labels come without a rationale", "routing.signals.classifiers[].", "disable_rationale"),
    **keys(
        "refused",
        "a signal that failed does not match, unless on_error at its leaf says otherwise",
        "routing.decisions[].rules.",
        "on_unknown",
    ),
    **keys(
        "refused",
        "a signal that failed does not match, unless on_error at its leaf says otherwise",
        "routing.signals.complexity[].composer.",
        "on_unknown",
    ),
    **keys(
        "refused",
        "a model that a client names is kept; the guards judge its requests, too",
        "routing.decisions[].",
        "action",
    ),
    **keys("inert", "use_reasoning says the same", "routing.decisions[].modelRefs[].", "reasoning_mode"),
    **keys("inert", _CANDIDATES, "routing.decisions[].algorithm.", "minimum_candidates"),
    **keys("refused", "models are rated by quality_score of their card", _MULTI_FACTOR, "quality"),
    **keys("refused", "the factors are weighed, none comes before the others", _MULTI_FACTOR, "objective"),
    **keys(
        "refused",
        "latency is the time to the first token and per token together",
        _MULTI_FACTOR,
        "latency_metric",
    ),
    **keys("inert", "prices are compared per token", _MULTI_FACTOR, "expected_output_tokens"),
    **keys(
        "refused",
        "min_successful_responses and on_error decide when answers are missing",
        "routing.decisions[].algorithm.fusion.",
        *("quorum_failure_policy", "quorum_fallback_target"),
    ),
    **keys(
        "refused",
        "a recipe's decisions name their models themselves; write modelRefs there",
        "entrypoints[].",
        "assignments",
    ),
    # global.router, global.services, global.integrations
    **keys("unless_off", _RETRIES, "global.router.", "fallback"),
    **keys(
        "unless_off",
        "outcomes do not change how a session keeps its model",
        "global.router.learning.protection.tuning.",
        "progress_gate",
    ),
    **keys("unless_off", "no vectors are served", "global.services.api.", "embeddings"),
    **keys("inert", "/api/v1/eval has the limits of requests", "global.services.api.", "routing_preview"),
    **keys(
        "refused",
        "requests go only to the back ends that are configured, and no other policy file is read",
        "global.services.",
        *("backend_egress", "backend_dispatch"),
    ),
    **keys("inert", "prices have their own currency", "global.", "billing"),
    **keys("inert", "bodies have limits of their own", "global.integrations.looper.", "grpc_max_msg_size_mb"),
    # global.model_catalog
    **keys(
        "refused",
        "models beside the bundle are imported (vsr models import) and named by a classifier signal",
        "global.model_catalog.",
        *("bindings", "deployments"),
    ),
    **keys("inert", "the encoder has a bounded queue of its own", "global.model_catalog.", "admission"),
    **keys(
        "inert",
        "the bundle's own vectors are used",
        "global.model_catalog.embeddings.semantic.",
        "embedding_config.full_context",
    ),
    **keys("inert", _ANSWERS, "global.model_catalog.embeddings.semantic.endpoint.", "max_response_bytes"),
    **keys("inert", _NOTE, f"{_EXTERNAL}llm_endpoint.", "name"),
    **keys("inert", "a service is asked as it is set up", _EXTERNAL, "reasoning"),
    **keys("inert", _ANSWERS, _EXTERNAL, "max_request_bytes", "max_response_bytes"),
    **keys("inert", _ANSWERS, f"{_CLASSIFIER}mcp.", "max_response_bytes"),
    **keys("refused", _OTHER_HEAD, _CLASSIFIER, "domain.backend", "pii.backend"),
    **keys("inert", "every head reads in the same pass", _CLASSIFIER, "domain.enabled", "pii.enabled"),
    **keys("inert", _WHOLE, _CLASSIFIER, "domain.max_sequence_length", "pii.max_sequence_length"),
    **keys("inert", _WHOLE, _CLASSIFIER, "pii.window"),
    **keys("inert", "the bundle's own head is used", _CLASSIFIER, "domain.variant"),
    **keys(
        "inert",
        "the bundle's own vectors are used",
        _CLASSIFIER,
        "preference.embedding_model",
    ),
    **keys(
        "inert",
        "examples are scored as embeddings.semantic.embedding_config says",
        _CLASSIFIER,
        "preference.prototype_scoring",
    ),
    **keys(
        "refused",
        "a guard of others is a model with the role guardrail and prompt_guard.protocol",
        "global.model_catalog.modules.prompt_guard.",
        "backend",
    ),
    **keys("inert", _WHOLE, "global.model_catalog.modules.prompt_guard.", "max_sequence_length", "window"),
    **keys("inert", _WHOLE, "global.model_catalog.modules.feedback_detector.", "max_sequence_length"),
    **keys("inert", "no signal reads it", "global.model_catalog.modules.", "safety"),
}

VALUES: Final[Mapping[tuple[str, str], Pending]] = {
    **values(
        "routing.signals.conversation[].feature.source.type",
        "refused",
        "workflows keep no state in a conversation",
        "flow_tool_state",
    ),
    **values(
        "routing.decisions[].rules.type",
        "refused",
        "no signal of this type is computed",
        *("safety", "hallucination", "input_modality"),
    ),
    **values(
        "routing.decisions[].plugins[].type",
        "unless_off",
        "fast_response, system_prompt, header_mutation and pii are built",
        *("prompt_cache", "shadow_dispatch"),
    ),
}
