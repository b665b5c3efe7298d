"""The loopers of a document as the policy holds them."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, TypedDict

from vsr.config.policy_loopers import (
    Confidence,
    Fusion,
    Grounding,
    Looper,
    LooperLimits,
    OnError,
    Override,
    Ratings,
    Remom,
    Role,
    Verifier,
    Workflows,
)
from vsr.config.resolve import auto_names
from vsr.config.schema import Document
from vsr.config.schema import loopers as schema
from vsr.config.schema.selection import Algorithm
from vsr.config.services import base_url

LOOPERS: Final = ("confidence", "ratings", "remom", "fusion", "workflows")

# The original's, by method; the first takes every answer that comes with log-probabilities.
_THRESHOLDS: Final = {
    "avg_logprob": -1.0,
    "margin": 0.5,
    "hybrid": 0.5,
    "self_verify": 0.7,
    "automix_entailment": 0.7,
}
_NAMES: Final = {"remom": "vllm-sr/remom", "fusion": "vllm-sr/fusion", "flow": "vllm-sr/flow"}


class _Common(TypedDict):
    """What is the same for the three that hear several models at a time."""

    max_completion_tokens: int | None
    round_timeout: float | None
    quorum: int | None
    reveal: bool
    on_error: OnError


def compile_looper(given: Algorithm) -> Looper:
    """The block's `on_error` comes before the algorithm's; workflows fail unless told otherwise."""
    match given.type:
        case "confidence":
            return _confidence(given.confidence or schema.Confidence(), given)
        case "ratings":
            ratings = given.ratings or schema.Ratings()
            return Ratings(ratings.max_concurrent, _on_error(ratings.on_error, given))
        case "fusion":
            return _fusion(given.fusion or schema.Fusion(), given)
    if given.remom is not None:
        return _remom(given.remom, given)
    assert given.workflows is not None, "lint asks for the block of remom and workflows"
    return _workflows(given.workflows, given)


def _on_error(own: OnError | None, algorithm: Algorithm) -> OnError:
    if own is not None:
        return own
    if "on_error" in algorithm.model_fields_set:
        return "fail" if algorithm.on_error == "fail" else "skip"
    return "fail" if algorithm.type == "workflows" else "skip"


def _common(given: schema.Panel, algorithm: Algorithm) -> _Common:
    return _Common(
        max_completion_tokens=given.max_completion_tokens,
        round_timeout=given.round_timeout_seconds,
        quorum=given.min_successful_responses,
        reveal=given.include_intermediate_responses,
        on_error=_on_error(given.on_error, algorithm),
    )


def _confidence(given: schema.Confidence, algorithm: Algorithm) -> Confidence:
    weights = given.hybrid_weights
    return Confidence(
        method=given.confidence_method,
        threshold=given.threshold or _THRESHOLDS[given.confidence_method],
        order=given.escalation_order,
        cost_quality_tradeoff=given.cost_quality_tradeoff,
        only_arguments=given.token_filter == "tool_call_args",
        logprob_weight=weights.logprob_weight,
        margin_weight=weights.margin_weight,
        verifier=_verifier(given) if given.confidence_method == "automix_entailment" else None,
        on_error=_on_error(given.on_error, algorithm),
    )


def _verifier(given: schema.Confidence) -> Verifier:
    """A time or a size of 0 is the default."""
    default = Verifier(base_url(given.verifier_server_url))
    return replace(
        default,
        timeout=given.verifier_timeout_seconds or default.timeout,
        answer_bytes=given.max_response_bytes or default.answer_bytes,
    )


def _remom(given: schema.Remom, algorithm: Algorithm) -> Remom:
    return Remom(
        breadth=given.breadth_schedule,
        distribution=given.model_distribution,
        temperature=given.temperature,
        include_reasoning=given.include_reasoning,
        kept_tokens=given.compaction_tokens if given.compaction_strategy == "last_n_tokens" else None,
        synthesis_template=given.synthesis_template,
        synthesis_model=given.synthesis_model,
        max_concurrent=given.max_concurrent,
        seed=given.shuffle_seed,
        most_answers=given.max_responses_per_round,
        **_common(given, algorithm),
    )


def _fusion(given: schema.Fusion, algorithm: Algorithm) -> Fusion:
    return Fusion(
        judge=given.model,
        panel=given.analysis_models,
        mode=given.analysis_mode,
        overrides={
            one.model: Override(one.temperature, one.max_completion_tokens)
            for one in given.analysis_overrides
        },
        max_concurrent=given.max_concurrent,
        temperature=given.temperature,
        analysis_template=given.analysis_template,
        synthesis_template=given.synthesis_template,
        reveal_analysis=given.include_analysis,
        grounding=_grounding(given.grounding) if given.grounding.enabled else None,
        **_common(given, algorithm),
    )


def _grounding(given: schema.Grounding) -> Grounding:
    return Grounding(given.reference, given.policy, given.min_score, given.min_keep, given.on_error)


def _workflows(given: schema.Workflows, algorithm: Algorithm) -> Workflows:
    return Workflows(
        dynamic=given.mode == "dynamic",
        roles=tuple(Role(role.name, role.models, role.prompt, role.access_list) for role in given.roles),
        final=given.final.model,
        final_prompt=given.final.prompt,
        planner=given.planner.model,
        planner_tokens=given.planner.max_completion_tokens,
        max_steps=given.max_steps,
        max_parallel=given.max_parallel,
        temperature=given.temperature,
        **_common(given, algorithm),
    )


def looper_limits(document: Document) -> LooperLimits:
    given = document.global_.integrations.looper
    return LooperLimits(
        calls=given.max_calls,
        tokens=given.max_total_tokens,
        seconds=given.timeout_seconds,
        response_bytes=given.max_response_bytes_mb * 1024 * 1024,
        concurrent=given.max_concurrent,
    )


def looper_names(document: Document) -> dict[str, str]:
    """Model names of clients that ask for one kind of looper only → that algorithm. Names that choose
    among all decisions come first, and without a decision of its kind a name does not exist."""
    given = document.global_.integrations.looper
    there = {decision.algorithm.type for decision in document.routing.decisions}
    taken = set(auto_names(document))
    found: dict[str, str] = {}
    for key, names in (("remom", given.remom), ("fusion", given.fusion), ("flow", given.flow)):
        kind = "workflows" if key == "flow" else key
        for name in names.model_names if names.model_names is not None else (_NAMES[key],):
            if kind in there and name not in taken:
                found.setdefault(name, kind)
    return found
