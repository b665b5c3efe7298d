"""Checks of algorithms that call several models: they name models that exist, and can be afforded."""

from __future__ import annotations

from vsr.config.lint.context import Context
from vsr.config.paths import KeyPath, suggest
from vsr.config.resolve import lora_owners
from vsr.config.schema.decisions import Decision
from vsr.config.schema.loopers import Confidence, Fusion, Remom, Workflows
from vsr.config.services import base_url


def check_looper(context: Context, decision: Decision, path: KeyPath) -> None:
    """`path` is that of the decision, whose models have been checked."""
    algorithm, where = decision.algorithm, (*path, "algorithm")
    if algorithm.type in ("remom", "workflows") and getattr(algorithm, algorithm.type) is None:
        needs = "remom: {breadth_schedule: [3]}" if algorithm.type == "remom" else "workflows with roles"
        context.report.error(where, f"{algorithm.type} needs a block of settings: {needs}")
        return
    if not decision.modelRefs:
        context.report.error(path, f"{algorithm.type} calls the models of modelRefs, and there are none")
    if any(plugin.type == "fast_response" for plugin in decision.plugins):
        context.report.error(where, f"fast_response answers instead: {algorithm.type} would never run")
    if algorithm.type in ("confidence", "ratings") and len(decision.modelRefs) == 1:
        context.report.warn(where, f"{algorithm.type} has only one model to call")
    if algorithm.confidence is not None:
        _check_verifier(context, algorithm.confidence, (*where, "confidence"))
    if algorithm.type == "ratings":
        check_calls(context, len(decision.modelRefs), where)
    elif algorithm.remom is not None:
        _check_remom(context, algorithm.remom, (*where, "remom"))
    elif algorithm.type == "fusion":
        _check_fusion(context, decision, algorithm.fusion or Fusion(), (*where, "fusion"))
    elif algorithm.workflows is not None:
        _check_workflows(context, decision, algorithm.workflows, (*where, "workflows"))


def _check_verifier(context: Context, confidence: Confidence, path: KeyPath) -> None:
    where = (*path, "verifier_server_url")
    if confidence.confidence_method != "automix_entailment":
        for key in ("verifier_server_url", "verifier_timeout_seconds", "max_response_bytes"):
            if getattr(confidence, key):
                context.report.error((*path, key), "is for confidence_method automix_entailment")
        return
    if not confidence.verifier_server_url:
        context.report.error(path, "automix_entailment needs verifier_server_url, the server that verifies")
        return
    try:
        base_url(confidence.verifier_server_url)
    except ValueError as error:
        context.report.error(where, str(error))


def _check_remom(context: Context, remom: Remom, path: KeyPath) -> None:
    _check_model(context, remom.synthesis_model, (*path, "synthesis_model"))
    check_calls(context, sum(remom.breadth_schedule) + 1, path)
    _check_quorum(context, remom.min_successful_responses, min(remom.breadth_schedule), path)


def _check_fusion(context: Context, decision: Decision, fusion: Fusion, path: KeyPath) -> None:
    _check_model(context, fusion.model, (*path, "model"))
    for index, name in enumerate(fusion.analysis_models):
        _check_model(context, name, (*path, "analysis_models", index))
    panel = fusion.analysis_models or tuple(ref.lora_name or ref.model for ref in decision.modelRefs)
    for index, override in enumerate(fusion.analysis_overrides):
        if override.model not in panel:
            context.report.error(
                (*path, "analysis_overrides", index, "model"), f"'{override.model}' is not on the panel"
            )
    _check_quorum(context, fusion.min_successful_responses, len(panel), path)
    check_calls(context, len(panel) + (2 if fusion.analysis_mode == "separate" else 1), path)


def _check_workflows(context: Context, decision: Decision, flow: Workflows, path: KeyPath) -> None:
    _check_model(context, flow.final.model, (*path, "final", "model"))
    _check_model(context, flow.planner.model, (*path, "planner", "model"))
    if flow.mode == "dynamic" and not flow.planner.model:
        context.report.error((*path, "planner", "model"), "mode dynamic needs a model that plans")
    own = {name for ref in decision.modelRefs for name in (ref.model, ref.lora_name) if name}
    earlier: set[str] = set()
    for index, role in enumerate(flow.roles):
        where = (*path, "roles", index)
        for place, name in enumerate(role.models):
            if name not in own:
                context.report.error(
                    (*where, "models", place), f"'{name}' is not in modelRefs{suggest(name, own)}"
                )
        if role.name in earlier:
            context.report.error((*where, "name"), f"role '{role.name}' is defined twice")
        for place, name in enumerate(role.access_list or ()):
            if name not in earlier:
                near = suggest(name, earlier)
                context.report.error((*where, "access_list", place), f"'{name}' is no earlier role{near}")
        _check_quorum(context, flow.min_successful_responses, len(role.models), where)
        earlier.add(role.name)
    if flow.mode == "static":
        check_calls(context, sum(len(role.models) for role in flow.roles) + bool(flow.final.model), path)
    else:
        check_calls(context, flow.max_steps + 2, path)


def _check_model(context: Context, name: str, path: KeyPath) -> None:
    known = [*context.models(), *lora_owners(context.document)]
    if name and name not in known:
        context.report.error(path, f"model '{name}' is not in providers.models{suggest(name, known)}")


def _check_quorum(context: Context, quorum: int | None, most: int, path: KeyPath) -> None:
    if quorum is not None and quorum > most:
        context.report.error(path, f"min_successful_responses {quorum} is more than the {most} asked")


def check_calls(context: Context, needed: int, path: KeyPath) -> None:
    limit = context.document.global_.integrations.looper.max_calls
    if needed > limit:
        context.report.error(
            path,
            f"makes {needed} calls for one request, and global.integrations.looper.max_calls is {limit}",
        )
