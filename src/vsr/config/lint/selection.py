"""Checks of how decisions choose among their models: the algorithm has what it chooses by."""

from __future__ import annotations

import json
from pathlib import Path

from vsr.config.compile_loopers import LOOPERS
from vsr.config.compile_selection import compile_pricing
from vsr.config.lint.context import Context, check_model
from vsr.config.lint.loopers import check_calls
from vsr.config.paths import KeyPath
from vsr.config.resolve import lora_owners
from vsr.config.schema.decisions import Decision
from vsr.config.schema.providers import ProviderModel
from vsr.config.schema.routing import ModelCard
from vsr.config.schema.selection import Difficulty, Learned

TRAINED = ("knn", "kmeans", "svm", "mlp", "difficulty")


def check_selection(context: Context, decision: Decision, path: KeyPath) -> None:
    """`path` is that of the decision, whose models have been checked."""
    algorithm, where = decision.algorithm, (*path, "algorithm")
    if algorithm.type == "static" or algorithm.type in LOOPERS:
        return
    if len(decision.modelRefs) == 1:
        context.report.warn(where, f"{algorithm.type} has only one model to choose from")
    if algorithm.type in TRAINED:
        _check_trained(context, decision, where)
    if algorithm.type == "latency_aware":
        latency = algorithm.latency_aware
        if latency is None or (latency.tpot_percentile is None and latency.ttft_percentile is None):
            context.report.error(where, "latency_aware needs tpot_percentile, ttft_percentile or both")
    if algorithm.type == "router_dc":
        _check_descriptions(context, decision, where)
    if algorithm.type in ("automix", "difficulty") and not _has_quality(context, decision):
        context.report.error(
            where,
            f"{algorithm.type} needs to know which model is better: give the models a quality_score in "
            "routing.modelCards",
        )
    if algorithm.type == "multi_factor":
        _check_factors(context, decision, where)
    if algorithm.type == "prompt":
        _check_prompt(context, decision, where)
    currencies = {model.pricing.currency for model in _models(context, decision) if model.pricing}
    if len(currencies) > 1:
        names = ", ".join(sorted(currencies))
        context.report.error(where, f"the models' prices are in different currencies ({names})")


def _models(context: Context, decision: Decision) -> list[ProviderModel]:
    owners = lora_owners(context.document)
    named = [owners.get(ref.model, ref.model) for ref in decision.modelRefs]
    known = {model.name: model for model in context.document.providers.models}
    return [known[name] for name in named if name in known]


def _cards(context: Context, decision: Decision) -> list[ModelCard | None]:
    cards = {card.name: card for card in context.document.routing.modelCards}
    return [cards.get(model.name) for model in _models(context, decision)]


def _has_quality(context: Context, decision: Decision) -> bool:
    names = {model.name for model in _models(context, decision)}
    scored = {score.model for rule in context.document.routing.signals.domains for score in rule.model_scores}
    carded = any(card is not None and card.quality_score is not None for card in _cards(context, decision))
    return carded or bool(names & scored)


def _check_descriptions(context: Context, decision: Decision, path: KeyPath) -> None:
    settings = decision.algorithm.router_dc or context.document.global_.router.model_selection.router_dc
    missing = [
        model.name
        for model, card in zip(_models(context, decision), _cards(context, decision), strict=True)
        if card is None or not _describes(card, settings.use_capabilities)
    ]
    hint = "give it a description in routing.modelCards"
    if settings.require_descriptions and missing:
        context.report.error(path, f"'{missing[0]}' has no description: {hint}")
    elif missing and len(missing) == len(_models(context, decision)):
        context.report.error(path, f"router_dc compares descriptions, and no model has one: {hint}")
    elif missing:
        context.report.warn(path, f"'{missing[0]}' has no description and is never chosen: {hint}")


def _describes(card: ModelCard, use_capabilities: bool) -> bool:
    texts = (card.description, *(card.capabilities if use_capabilities else ()))
    return any(text.strip() for text in texts)


def _check_factors(context: Context, decision: Decision, path: KeyPath) -> None:
    settings = decision.algorithm.multi_factor
    prices = [compile_pricing(model.pricing) for model in _models(context, decision)]
    if settings is None:
        return
    ceiling = settings.slo.max_cost_per_1m
    if ceiling and prices and all(price is not None and price.blended > ceiling for price in prices):
        context.report.error(
            (*path, "multi_factor", "slo", "max_cost_per_1m"), "excludes every model of the decision"
        )
    if ceiling and not any(prices):
        context.report.error(
            (*path, "multi_factor", "slo", "max_cost_per_1m"),
            "no model of the decision has a price: give it pricing in providers.models",
        )
    if settings.weights.quality and not _has_quality(context, decision):
        context.report.warn(path, "no model has a quality_score, so the weight of quality has no effect")
    if settings.weights.cost and not any(prices):
        context.report.warn(path, "no model has pricing, so the weight of cost has no effect")


def _check_prompt(context: Context, decision: Decision, path: KeyPath) -> None:
    settings = decision.algorithm.prompt
    if settings is None:
        context.report.error(path, "prompt needs prompt: {model: NAME}, the model that chooses")
        return
    check_model(settings.model, "", (*path, "prompt"), context)
    names = [ref.lora_name or ref.model for ref in decision.modelRefs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        context.report.error(path, f"'{twice[0]}' stands in modelRefs twice; prompt chooses by name")
    if any(plugin.type == "fast_response" for plugin in decision.plugins):
        context.report.error(path, "fast_response answers instead: prompt would never ask")
    if not settings.instructions and not any(card and card.description for card in _cards(context, decision)):
        context.report.error(
            (*path, "prompt"),
            f"'{settings.model}' has nothing to choose by: write instructions, or give the models a "
            "description in routing.modelCards",
        )
    check_calls(context, 2, path)


def _check_trained(context: Context, decision: Decision, path: KeyPath) -> None:
    """What the selector's manifest says; arrays and the bundle's digest are checked at start."""
    kind = decision.algorithm.type
    block: Learned | Difficulty | None = getattr(decision.algorithm, kind)
    if block is None:
        context.report.error(
            path, f"{kind} needs {kind}: {{pretrained_path: DIR}}, made by vsr train-selector"
        )
        return
    where = (*path, kind, "pretrained_path")
    try:
        manifest = json.loads((Path(block.pretrained_path) / "selector.json").read_bytes())
        found, models = manifest["kind"], set(manifest["models"])
    except OSError as error:
        context.report.error(
            where,
            f"'{block.pretrained_path}' holds no trained selector: {error.strerror}; see train-selector",
        )
        return
    except (ValueError, KeyError, TypeError):
        context.report.error(where, f"selector.json in '{block.pretrained_path}' cannot be understood")
        return
    if found != kind:
        context.report.error(where, f"'{block.pretrained_path}' is a selector of type {found}, not {kind}")
    elif kind != "difficulty":
        for ref, model in zip(decision.modelRefs, _models(context, decision), strict=False):
            names = {ref.model, ref.lora_name, model.name, model.provider_model_id}
            if not names & models:
                context.report.error(where, f"the selector was not trained on '{ref.lora_name or ref.model}'")
