"""Values that follow from more than one key of a document; lint checks them and compile uses them."""

from __future__ import annotations

from typing import Literal

from vsr.config.labels import NO_PII, domain_label
from vsr.config.schema import Document
from vsr.config.schema.providers import BackendRef, ModelPiiPolicy, ProviderModel
from vsr.config.schema.routing import DomainSignal
from vsr.route import PiiAction, PiiPolicy


def auto_names(document: Document) -> tuple[str, ...]:
    """An explicit list replaces the defaults; a single name replaces only `MoM`."""
    router = document.global_.router
    if router.auto_model_names is not None:
        names = (*router.auto_model_names, router.auto_model_name)
    else:
        names = ("vllm-sr/auto", "auto", router.auto_model_name or "MoM")
    return tuple(dict.fromkeys(name for name in names if name))


def strategy(document: Document) -> Literal["priority", "confidence"]:
    return document.routing.strategy or document.global_.router.strategy or "priority"


def lora_owners(document: Document) -> dict[str, str]:
    """LoRA name → the model it belongs to."""
    return {lora.name: card.name for card in document.routing.modelCards for lora in card.loras}


def model_id(model: ProviderModel, ref: BackendRef) -> str:
    """The id that goes into the body: by the back end's type, else its provider, else the model's own."""
    for key in (ref.type, ref.provider):
        if key in model.external_model_ids:
            return model.external_model_ids[key]
    return model.provider_model_id or model.name


def domain_classes(domain: DomainSignal) -> frozenset[str]:
    return frozenset(domain_label(label) for label in domain.mmlu_categories or (domain.name,))


def pii_policy(types: tuple[str, ...] | None, action: PiiAction | None) -> PiiPolicy:
    """Without a list every type may pass and is reported; with one the default is to block the others."""
    if types is None:
        return PiiPolicy(None, action or "log")
    return PiiPolicy(frozenset(types) - {NO_PII}, action or "block")


def model_pii_policy(policy: ModelPiiPolicy) -> PiiPolicy:
    return pii_policy(None if policy.allow_by_default else policy.pii_types_allowed, policy.action)
