"""Models that the router never chooses: only clients that know their names reach them."""

from __future__ import annotations

from collections.abc import Iterator

from vsr.config.lint.context import Context
from vsr.config.resolve import lora_owners
from vsr.config.schema import Document
from vsr.config.schema.selection import Algorithm


def check_reachable(context: Context) -> None:
    """Told only where something is chosen at all, and clients are not shown the models by name."""
    document, owners = context.document, lora_owners(context.document)
    chosen = {owners.get(name, name) for name in _chosen(document)}
    if not chosen or document.global_.router.include_config_models_in_list:
        return
    default = document.providers.defaults.default_model
    chosen.add(owners.get(default, default))
    for index, model in enumerate(document.providers.models):
        if model.name not in chosen:
            message = f"no decision and no domain chooses model '{model.name}'; clients can only name it"
            context.report.warn(("providers", "models", index), message)


def _chosen(document: Document) -> Iterator[str]:
    for routing in (document.routing, *(recipe.routing for recipe in document.recipes)):
        for decision in routing.decisions:
            yield from (ref.model for ref in decision.modelRefs)
            yield from filter(None, _called(decision.algorithm))
        for domain in routing.signals.domains:
            yield from (score.model for score in domain.model_scores)


def _called(algorithm: Algorithm) -> Iterator[str]:
    """Models that are called besides the decision's own."""
    if algorithm.prompt is not None:
        yield algorithm.prompt.model
    if algorithm.remom is not None:
        yield algorithm.remom.synthesis_model
    if algorithm.fusion is not None:
        yield from (algorithm.fusion.model, *algorithm.fusion.analysis_models)
    if algorithm.workflows is not None:
        yield from (algorithm.workflows.final.model, algorithm.workflows.planner.model)
