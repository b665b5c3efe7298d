"""Checks of `providers`: every model can be reached, and credentials go only where they belong."""

from __future__ import annotations

import re
from typing import Final

from vsr.config.dialects import DIALECTS
from vsr.config.endpoints import credential_header, is_loopback, parse_endpoint
from vsr.config.headers import header_complaint, is_credential
from vsr.config.lint.context import Context, check_pii_types, check_unique
from vsr.config.paths import KeyPath, suggest
from vsr.config.resolve import KNOWN_FAMILIES, lora_owners, model_id, reasoning_family
from vsr.config.retries import retry_conditions
from vsr.config.schema.providers import BackendRef, ProviderModel

_VERSION: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")


def check_providers(context: Context) -> None:
    providers, report = context.document.providers, context.report
    path: KeyPath = ("providers", "models")
    if not providers.models:
        report.error(path, "providers.models is empty: there is no model to route to")
    check_unique((model.name for model in providers.models), path, "model", report)
    for index, model in enumerate(providers.models):
        _check_model(model, (*path, index), context)
    _check_default(context)
    _check_cards(context)


def _check_default(context: Context) -> None:
    name, path = context.document.providers.defaults.default_model, ("providers", "defaults", "default_model")
    known = [*context.models(), *lora_owners(context.document)]
    if name and name not in known:
        context.report.error(path, f"default_model '{name}' is not in providers.models{suggest(name, known)}")
    if not name:
        context.report.warn(
            path, "no default_model: requests that no decision or domain claims are answered with 400"
        )


def _check_cards(context: Context) -> None:
    models, path = context.models(), ("routing", "modelCards")
    cards = context.document.routing.modelCards
    check_unique((card.name for card in cards), path, "model card", context.report)
    owners: dict[str, str] = {}
    for index, card in enumerate(cards):
        if card.name not in models:
            near = suggest(card.name, models)
            context.report.warn((*path, index, "name"), f"'{card.name}' is not in providers.models{near}")
        for position, lora in enumerate(card.loras):
            where = (*path, index, "loras", position, "name")
            if lora.name in models or lora.name in owners:
                other = f"a LoRA of '{owners[lora.name]}'" if lora.name in owners else "a model"
                context.report.error(where, f"LoRA '{lora.name}' has the name of {other}")
            owners.setdefault(lora.name, card.name)


def _check_model(model: ProviderModel, path: KeyPath, context: Context) -> None:
    report = context.report
    name, family = reasoning_family(model, context.document)
    if name and family is None:
        near = suggest(name, [*KNOWN_FAMILIES, *context.document.providers.defaults.reasoning_families])
        where = (*path, "reasoning_family" if model.reasoning_family else "reasoning")
        report.error(where, f"reasoning family '{name}' is not defined{near}")
    if not model.backend_refs:
        report.error(path, f"model '{model.name}' has no backend_refs: there is nowhere to send its requests")
    check_unique((ref.name for ref in model.backend_refs), (*path, "backend_refs"), "back end", report)
    for index, ref in enumerate(model.backend_refs):
        _check_backend(ref, (*path, "backend_refs", index), context)
    if len({model_id(model, ref) for ref in model.backend_refs}) > 1:
        report.error(
            (*path, "external_model_ids"),
            "back ends of one model that know it by different ids are not supported, because the id goes "
            "into the body before a back end is chosen: define one model for each",
        )
    _check_reliability(model, (*path, "reliability"), context)
    if model.pii_policy is not None:
        check_pii_types(
            model.pii_policy.pii_types_allowed, (*path, "pii_policy", "pii_types_allowed"), report
        )


def _check_reliability(model: ProviderModel, path: KeyPath, context: Context) -> None:
    own, report = model.reliability, context.report
    try:
        conditions = retry_conditions(own.retry_on)
    except ValueError as error:
        report.error((*path, "retry_on"), str(error))
        return
    if own.retry_on and own.retry_count is None and len(model.backend_refs) == 1:
        report.error(
            (*path, "retry_on"), "with one back end nothing is retried unless retry_count says how often"
        )
    if {"5xx", "gateway-error", "reset"} & set(conditions) and own.retry_count != 0:
        report.warn(
            (*path, "retry_on"),
            "repeats requests that a server may have begun to answer: such a request can be billed twice",
        )
    health = own.health_check_path
    if health and (not health.startswith("/") or not health.isprintable() or " " in health):
        report.error((*path, "health_check_path"), "must begin with '/' and hold no spaces, such as /health")
    elif not health and {"health_check_interval", "health_check_timeout"} & own.model_fields_set:
        report.error(path, "health checks need a health_check_path, such as /health")


def _check_backend(ref: BackendRef, path: KeyPath, context: Context) -> None:
    report = context.report
    if ref.provider and ref.provider not in DIALECTS:
        near = suggest(ref.provider, DIALECTS) or f"; known: {', '.join(DIALECTS)}"
        report.error((*path, "provider"), f"unknown provider '{ref.provider}'{near}")
    if ref.chat_path and (not ref.chat_path.startswith("/") or not ref.chat_path.isprintable()):
        report.error((*path, "chat_path"), "chat_path must begin with '/'")
    for name, value in ref.extra_headers.items():
        complaint = header_complaint(name, value)
        if is_credential(name):
            complaint = f"header '{name}' carries a credential: use api_key_env with auth_header"
        if complaint:
            report.error((*path, "extra_headers", name), complaint)
    _check_credential(ref, path, context)
    try:
        endpoint = parse_endpoint(ref)
    except ValueError as error:
        report.error((*path, "base_url" if ref.base_url else "endpoint"), str(error))
        return
    if ref.api_version and not _VERSION.fullmatch(ref.api_version):
        report.error((*path, "api_version"), "must be a version such as 2024-10-21 or preview")
    if (ref.api_key or ref.api_key_env) and endpoint.scheme == "http" and not is_loopback(endpoint.host):
        report.warn(path, f"the key for {endpoint.host} travels unencrypted; use protocol: https")


def _check_credential(ref: BackendRef, path: KeyPath, context: Context) -> None:
    report = context.report
    if ref.api_key and ref.api_key_env:
        report.error((*path, "api_key"), "give either api_key or api_key_env")
    if ref.api_key and (*path, "api_key") not in context.references:
        report.error(
            (*path, "api_key"),
            "a key must not stand in the file: write api_key: ${NAME} or api_key_env: NAME",
        )
    if ref.api_key_env and not context.env.get(ref.api_key_env):
        report.error((*path, "api_key_env"), f"the environment variable {ref.api_key_env} is not set")
    if (*path, "api_key") in context.references and not ref.api_key:
        report.error((*path, "api_key"), "the environment variable of this key is empty")
    header, prefix = credential_header(ref)
    if complaint := header_complaint(header, prefix):
        report.error((*path, "auth_header"), complaint)
    if not ref.forward_authorization:
        return
    if ref.api_key or ref.api_key_env:
        report.error((*path, "forward_authorization"), "give either forward_authorization or a key")
    if any(listener.api_keys for listener in context.document.listeners):
        report.error(
            (*path, "forward_authorization"),
            "would send the clients' keys for this router (listeners' api_keys) to the back end",
        )
