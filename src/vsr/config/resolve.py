"""Values that follow from more than one key of a document; lint checks them and compile uses them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from vsr.config.labels import NO_PII, domain_label
from vsr.config.schema import Document
from vsr.config.schema.providers import BackendRef, ModelPiiPolicy, ProviderModel, ReasoningFamily
from vsr.config.schema.routing import ModelCard, Recipe
from vsr.config.schema.signals import DomainSignal, Signals
from vsr.route import PiiAction, PiiPolicy

KNOWN_FAMILIES: Final = {
    "qwen3": ReasoningFamily(type="chat_template_kwargs", parameter="enable_thinking"),
    "deepseek": ReasoningFamily(type="chat_template_kwargs", parameter="thinking"),
    "gpt-oss": ReasoningFamily(type="reasoning_effort", parameter="reasoning_effort"),
    "gpt": ReasoningFamily(type="reasoning_effort", parameter="reasoning_effort"),
}
"""Families that need no definition; one of the document comes before them."""
DEFAULT_RECIPE: Final = "default"
"""What the document's own `routing` is called where recipes have names."""


def auto_names(document: Document) -> tuple[str, ...]:
    """An explicit list replaces the defaults; a single name replaces only `MoM`. Entrypoints are names
    that ask the router to choose, too."""
    router = document.global_.router
    if router.auto_model_names is not None:
        names = (*router.auto_model_names, router.auto_model_name)
    else:
        names = ("vllm-sr/auto", "auto", router.auto_model_name or "MoM")
    return tuple(dict.fromkeys(name for name in (*names, *entrypoints(document)) if name))


def entrypoints(document: Document) -> dict[str, str]:
    """Model name of a client → the recipe that it asks."""
    return {name: entry.recipe for entry in document.entrypoints for name in entry.model_names}


def recipe_document(document: Document, recipe: Recipe) -> Document:
    """The document as if the recipe's routing were its own."""
    routing = recipe.routing.model_copy(update={"modelCards": cards(document)})
    return document.model_copy(update={"routing": routing, "recipes": (), "entrypoints": ()})


def strategy(document: Document) -> Literal["priority", "confidence"]:
    return document.routing.strategy or document.global_.router.strategy or "priority"


def cards(document: Document) -> tuple[ModelCard, ...]:
    """What is known about models belongs to all: recipes may add cards of models that have none."""
    found = {card.name: card for card in document.routing.modelCards}
    for recipe in document.recipes:
        found = {card.name: card for card in recipe.routing.modelCards} | found
    return tuple(found.values())


def reasoning_family(model: ProviderModel, document: Document) -> tuple[str, ReasoningFamily | None]:
    """A model's family by its name, empty if it has none; None if nobody knows it."""
    own = model.reasoning
    if own is not None and own.type is not None:
        return model.name, ReasoningFamily(type=own.type, parameter=own.parameter or own.type)
    name = model.reasoning_family or (own.family if own else "")
    return name, (KNOWN_FAMILIES | document.providers.defaults.reasoning_families).get(name)


def lora_owners(document: Document) -> dict[str, str]:
    """LoRA name → the model it belongs to."""
    return {lora.name: card.name for card in cards(document) for lora in card.loras}


def resolve_model(model: str, lora: str, owners: Mapping[str, str]) -> tuple[str, str]:
    """A LoRA may be named as the model; then it is served by the back ends of its owner."""
    return (owners[model], lora or model) if model in owners else (model, lora)


def model_id(model: ProviderModel, ref: BackendRef) -> str:
    """The id that goes into the body: by the back end's type, else its provider, else the model's own."""
    for key in (ref.type, ref.provider):
        if key in model.external_model_ids:
            return model.external_model_ids[key]
    return model.provider_model_id or model.name


SIGNAL_SECTIONS: Final[Mapping[str, str]] = {
    "keyword": "keywords",
    "embedding": "embeddings",
    "domain": "domains",
    "fact_check": "fact_check",
    "user_feedback": "user_feedbacks",
    "reask": "reasks",
    "preference": "preferences",
    "language": "language",
    "context": "context",
    "structure": "structure",
    "complexity": "complexity",
    "modality": "modality",
    "authz": "role_bindings",
    "jailbreak": "jailbreak",
    "pii": "pii",
    "kb": "kb",
    "conversation": "conversation",
    "event": "events",
    "metadata": "metadata",
    "classifier": "classifiers",
}
"""The type that a rule asks for → the key of `routing.signals` that defines such signals."""


def signal_names(signals: Signals) -> dict[str, set[str]]:
    """Per type, what rules may refer to: a domain also by a label, a role binding by its role, the
    verdicts of a complexity signal as `name:hard`."""
    names: dict[str, set[str]] = {
        kind: {rule.name for rule in getattr(signals, section)} for kind, section in SIGNAL_SECTIONS.items()
    }
    names["domain"] |= {domain_label(label) for domain in signals.domains for label in domain.mmlu_categories}
    names["authz"] |= {binding.role for binding in signals.role_bindings if binding.role}
    names["complexity"] |= {
        f"{rule.name}:{verdict}" for rule in signals.complexity for verdict in ("hard", "medium", "easy")
    }
    names["projection"] = set()
    return names


def domain_classes(domain: DomainSignal) -> frozenset[str]:
    return frozenset(domain_label(label) for label in domain.mmlu_categories or (domain.name,))


def pii_policy(types: tuple[str, ...] | None, action: PiiAction | None) -> PiiPolicy:
    """Without a list every type may pass and is reported; with one the default is to block the others."""
    if types is None:
        return PiiPolicy(None, action or "log")
    return PiiPolicy(frozenset(types) - {NO_PII}, action or "block")


def model_pii_policy(policy: ModelPiiPolicy) -> PiiPolicy:
    return pii_policy(None if policy.allow_by_default else policy.pii_types_allowed, policy.action)
