"""How a document's decisions choose among their models, as the policy holds it."""

from __future__ import annotations

import re
from typing import Final

from vsr.config.policy_selection import (
    Algorithm,
    Automix,
    Card,
    Choosing,
    Difficulty,
    Elo,
    Hybrid,
    LatencyAware,
    Learned,
    Learning,
    MultiFactor,
    Pricing,
    Prompt,
    Protection,
    RouterDC,
    Static,
    Staying,
    Thompson,
)
from vsr.config.schema import Document, routing
from vsr.config.schema import selection as schema
from vsr.config.schema.decisions import Adaptations, Decision

_SIZE: Final = re.compile(r"(?:(\d+)\s*x\s*)?(\d+(?:\.\d+)?)\s*([kmbt])", re.IGNORECASE)
_HELD_BACK: Final = ("apply", "observe", "bypass")
_BILLIONS: Final = {"k": 1e-6, "m": 1e-3, "b": 1.0, "t": 1e3}


def compile_choosing(decision: Decision, document: Document) -> Choosing:
    """Of a decision that calls one of its models."""
    defaults, given = document.global_.router.model_selection, decision.algorithm
    staying = _staying(decision.adaptations)
    if not defaults.enabled:
        return Choosing(staying=staying)
    return Choosing(_algorithm(given, defaults), "fail" if given.on_error == "fail" else "skip", staying)


def _staying(given: Adaptations) -> Staying:
    """As in the original, a part can be held back further than the decision's own mode, never let out."""
    own = given.protection
    mode = max(given.mode, own.mode or given.mode, key=_HELD_BACK.index)
    return Staying(mode, own.switch_margin, own.stability_weight)


def _algorithm(given: schema.Algorithm, defaults: schema.ModelSelection) -> Algorithm:
    match given.type:
        case "router_dc":
            return _router_dc(given.router_dc or defaults.router_dc)
        case "latency_aware":
            latency = given.latency_aware or schema.LatencyAware()
            return LatencyAware(latency.tpot_percentile, latency.ttft_percentile)
        case "multi_factor":
            return _multi_factor(given.multi_factor or schema.MultiFactor())
        case "automix":
            return _automix(given.automix or defaults.automix)
        case "hybrid":
            return _hybrid(given.hybrid or defaults.hybrid, defaults)
        case "elo":
            elo = given.elo or schema.Elo()
            return Elo(elo.category_weighted, elo.min_comparisons, elo.cost_scaling_factor)
        case "thompson":
            return Thompson((given.thompson or schema.Thompson()).cost_weight)
        case "static":
            return Static()
    if given.prompt is not None:
        return Prompt(given.prompt.model, given.prompt.instructions, given.prompt.timeout_seconds)
    return _trained(given)


def _trained(given: schema.Algorithm) -> Algorithm:
    if given.difficulty is not None:
        return Difficulty(given.difficulty.pretrained_path, given.difficulty.strong_share)
    if given.knn is not None:
        return Learned("knn", given.knn.pretrained_path, given.knn.cost_weight, given.knn.k)
    for name, block in (("kmeans", given.kmeans), ("svm", given.svm), ("mlp", given.mlp)):
        if block is not None:
            return Learned(name, block.pretrained_path, block.cost_weight)  # type: ignore[arg-type] # one of the three
    raise AssertionError("lint asks for the block of a trained algorithm")


def _router_dc(given: schema.RouterDC) -> RouterDC:
    return RouterDC(given.temperature, given.min_similarity, given.use_capabilities)


def _automix(given: schema.Automix) -> Automix:
    return Automix(
        given.verification_threshold,
        given.max_escalations,
        given.cost_aware_routing,
        given.cost_quality_tradeoff,
        given.discount_factor,
    )


def _hybrid(given: schema.Hybrid, defaults: schema.ModelSelection) -> Hybrid:
    return Hybrid(
        experience=given.experience_weight,
        router_dc=given.router_dc_weight,
        automix=given.automix_weight,
        cost=given.cost_weight,
        quality_gap_threshold=given.quality_gap_threshold,
        normalize=given.normalize_scores,
        description=_router_dc(defaults.router_dc),
        escalation=_automix(defaults.automix),
    )


def _multi_factor(given: schema.MultiFactor) -> MultiFactor:
    weights, slo = given.weights, given.slo
    return MultiFactor(
        quality=weights.quality,
        latency=weights.latency,
        cost=weights.cost,
        load=weights.load,
        max_tpot=slo.max_tpot_ms / 1000 or None,
        max_ttft=slo.max_ttft_ms / 1000 or None,
        max_cost=slo.max_cost_per_1m or None,
        max_in_flight=slo.max_inflight or None,
        latency_percentile=given.latency_percentile,
        on_no_candidates=given.on_no_candidates,
    )


def compile_card(card: routing.ModelCard | None) -> Card:
    if card is None:
        return Card()
    return Card(
        quality=card.quality_score,
        context_window=card.context_window_size,
        parameters=parameters(card.param_size),
        capabilities=card.capabilities,
    )


def parameters(text: str) -> float | None:
    """Billions of parameters: `7B`, `8x7B` (56), `500M`; None if there is no such number."""
    found = _SIZE.search(text)
    if found is None:
        return None
    return int(found[1] or 1) * float(found[2]) * _BILLIONS[found[3].lower()]


def compile_pricing(pricing: schema.Pricing | None) -> Pricing | None:
    if pricing is None:
        return None
    return Pricing(
        pricing.prompt_per_1m,
        pricing.completion_per_1m,
        pricing.cached_input_per_1m,
        pricing.cache_write_per_1m,
        pricing.currency,
    )


def compile_learning(document: Document) -> Learning:
    learning = document.global_.router.learning
    protection = learning.protection
    headers, tuning = protection.identity.headers, protection.tuning
    return Learning(
        tool_loops=learning.tool_loops,
        protection=Protection(
            enabled=learning.enabled and protection.enabled,
            scope=protection.scope,
            session_header=headers.session.lower(),
            conversation_header=headers.conversation.lower(),
            idle_timeout=tuning.idle_timeout_seconds,
            min_turns_before_switch=tuning.min_turns_before_switch,
            switch_margin=tuning.switch_margin,
            stability_weight=tuning.stability_weight,
        ),
        feedback_file=learning.feedback_file,
        max_sessions=learning.max_sessions,
    )
