"""Checks of the services of others that signals ask, and of the classifier rules that name them."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from vsr.config.endpoints import is_loopback
from vsr.config.lint.context import Context, check_unique
from vsr.config.paths import KeyPath, suggest
from vsr.config.schema.catalog import External, McpServer
from vsr.config.schema.signals import ClassifierSignal
from vsr.config.services import (
    CLASSIFYING,
    GUARDRAIL,
    REMOTE_VECTORS,
    base_url,
    external_url,
    find_external,
    find_server,
    label,
)

_CATALOG: KeyPath = ("global", "model_catalog")
_MODULE: KeyPath = (*_CATALOG, "modules", "classifier", "mcp")
_GUARD: KeyPath = (*_CATALOG, "modules", "prompt_guard")
_SEMANTIC: KeyPath = (*_CATALOG, "embeddings", "semantic")
_RULES: KeyPath = ("routing", "signals", "classifiers")
_FITTING: Final = {
    "model_path": ("local",),
    "model": ("llm", "sequence_classifier", "mcp"),
    "instructions": ("llm",),
}
_SECRETS: Final = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")


def check_services(context: Context) -> None:
    models = context.document.global_.model_catalog
    check_unique((label(one) for one in models.external), (*_CATALOG, "external"), "model", context.report)
    check_unique(
        (one.name for one in models.mcp_servers), (*_CATALOG, "mcp_servers"), "server", context.report
    )
    for index, external in enumerate(models.external):
        _check_external(external, (*_CATALOG, "external", index), context)
    for index, server in enumerate(models.mcp_servers):
        _check_server(server, (*_CATALOG, "mcp_servers", index), context)
    if models.modules.classifier.mcp.enabled:
        _check_server(models.modules.classifier.mcp, _MODULE, context)
    _check_asked(context)
    _check_preferring(context)
    _check_guard(context)
    _check_embeddings(context)


def _chats(external: External, context: Context) -> bool:
    protocol = context.document.global_.model_catalog.modules.prompt_guard.protocol
    guards = external.model_role == GUARDRAIL and protocol == "http_chat"
    return guards or external.model_role == "preference"


def _check_external(external: External, path: KeyPath, context: Context) -> None:
    report, key = context.report, (*path, "access_key")
    if not label(external):
        report.error(path, "needs a name, or llm_model_name to be known by")
    elif not external.llm_model_name and _chats(external, context):
        report.error(path, "needs llm_model_name, which a chat model is asked by")
    if external.access_key and key not in context.references:
        report.error(key, "a key must not stand in the file: write access_key: ${NAME}")
    if key in context.references and not external.access_key:
        report.error(key, "the environment variable of this key is empty")
    try:
        url = external_url(external.llm_endpoint, chat=True)
    except ValueError as error:
        report.error((*path, "llm_endpoint"), str(error))
    else:
        _check_plain(url, bool(external.access_key), path, context)


def _check_plain(url: str, key: bool, path: KeyPath, context: Context) -> None:
    """Prompts and keys should not travel in the clear."""
    host = urlsplit(url).hostname or ""
    if key and url.startswith("http:") and not is_loopback(host):
        context.report.warn(path, f"the key for {host} travels unencrypted; use https")


def _check_server(server: McpServer, path: KeyPath, context: Context) -> None:
    report, stdio = context.report, server.transport_type == "stdio"
    wanted, other = ("command", "url") if stdio else ("url", "command")
    if not getattr(server, wanted):
        report.error((*path, wanted), f"transport_type {server.transport_type} needs a {wanted}")
    if getattr(server, other):
        report.error((*path, other), f"is not for transport_type {server.transport_type}")
    if not stdio and server.url:
        try:
            base_url(server.url)
        except ValueError as error:
            report.error((*path, "url"), str(error))
    for name in server.env:
        where = (*path, "env", name)
        if any(word in name.upper() for word in _SECRETS) and where not in context.references:
            report.error(where, f"a secret must not stand in the file: write {name}: ${{NAME}}")


def _check_asked(context: Context) -> None:
    """A server or a model that no rule asks is a mistake, and in the original it would answer."""
    document = context.document
    routings = (document.routing, *(recipe.routing for recipe in document.recipes))
    rules = [rule for routing in routings for rule in routing.signals.classifiers]
    asked = {rule.model for rule in rules if rule.type == "mcp"}
    if document.global_.model_catalog.modules.classifier.mcp.enabled and "" not in asked:
        context.report.error(
            _MODULE, "is asked by classifier signals of type mcp only: add one, or set enabled: false"
        )
    for index, server in enumerate(document.global_.model_catalog.mcp_servers):
        if server.name not in asked:
            context.report.warn((*_CATALOG, "mcp_servers", index), "no classifier signal of type mcp asks it")
    used = [find_external(document, rule.model) for rule in rules if rule.type not in ("local", "mcp")]
    for index, external in enumerate(document.global_.model_catalog.external):
        if external.model_role in CLASSIFYING and external not in used:
            message = f"no classifier signal asks '{label(external)}'"
            context.report.warn((*_CATALOG, "external", index), message)


def _check_preferring(context: Context) -> None:
    models = context.document.global_.model_catalog
    own = models.modules.classifier.preference.use_contrastive
    found = [index for index, one in enumerate(models.external) if one.model_role == "preference"]
    for index in found[1:]:
        message = "another model has the role preference already; only one is asked"
        context.report.error((*_CATALOG, "external", index, "model_role"), message)
    path = (*_CATALOG, "modules", "classifier", "preference", "use_contrastive")
    if own is False and not found:
        context.report.error(path, "false needs a model in model_catalog.external with the role preference")
    if own and found:
        context.report.warn(path, "examples decide: the external model with the role preference is not asked")


def _check_guard(context: Context) -> None:
    models, report = context.document.global_.model_catalog, context.report
    protocol = models.modules.prompt_guard.protocol
    found = [index for index, one in enumerate(models.external) if one.model_role == GUARDRAIL]
    for index in found[1:]:
        message = "another model has the role guardrail already; only one is asked"
        report.error((*_CATALOG, "external", index, "model_role"), message)
    if protocol and not found:
        message = f"{protocol} needs a model in model_catalog.external with the role guardrail"
        report.error((*_GUARD, "protocol"), message)
    if found and not protocol:
        message = (
            f"'{label(models.external[found[0]])}' is not asked: set modules.prompt_guard.protocol to "
            "http_chat or http_classify"
        )
        report.warn((*_CATALOG, "external", found[0], "model_role"), message)
    if "positive_labels" in models.modules.prompt_guard.model_fields_set and protocol != "http_classify":
        report.warn((*_GUARD, "positive_labels"), "are read with protocol: http_classify only")


def _check_embeddings(context: Context) -> None:
    semantic, report = context.document.global_.model_catalog.embeddings.semantic, context.report
    backend, endpoint = semantic.embedding_config.backend, semantic.endpoint
    where = (*_SEMANTIC, "embedding_config", "backend")
    if backend == REMOTE_VECTORS and endpoint is None:
        report.error(where, f"{REMOTE_VECTORS} needs embeddings.semantic.endpoint with base_url and model")
    if backend not in ("", REMOTE_VECTORS):
        near = suggest(backend, (REMOTE_VECTORS,))
        report.warn(where, f"'{backend}' has no effect: the bundle's own vectors are used{near}")
    if endpoint is None:
        return
    if backend != REMOTE_VECTORS:
        message = f"has no effect without embedding_config.backend: {REMOTE_VECTORS}"
        report.warn((*_SEMANTIC, "endpoint"), message)
        return
    if endpoint.api_key_env and not context.env.get(endpoint.api_key_env):
        message = f"the environment variable {endpoint.api_key_env} is not set"
        report.error((*_SEMANTIC, "endpoint", "api_key_env"), message)
    try:
        url = base_url(endpoint.base_url)
    except ValueError as error:
        report.error((*_SEMANTIC, "endpoint", "base_url"), str(error))
    else:
        _check_plain(url, bool(endpoint.api_key_env), (*_SEMANTIC, "endpoint"), context)


# ---------------------------------------------------------------- rules


def check_classifiers(context: Context) -> None:
    for index, rule in enumerate(context.document.routing.signals.classifiers):
        path = (*_RULES, index)
        for key, types in _FITTING.items():
            if getattr(rule, key) and rule.type not in types:
                context.report.error(
                    (*path, key), f"is not for type {rule.type}, only for {', '.join(types)}"
                )
        check_unique(rule.labels, (*path, "labels"), "label", context.report)
        if rule.type == "local" and not rule.model_path:
            context.report.error(path, "type local needs model_path, the imported model")
        elif rule.type == "mcp":
            _check_mcp(rule, path, context)
        elif rule.type != "local":
            _check_remote(rule, path, context)


def _check_mcp(rule: ClassifierSignal, path: KeyPath, context: Context) -> None:
    if find_server(context.document, rule.model) is not None:
        return
    if not rule.model:
        message = "type mcp needs global.model_catalog.modules.classifier.mcp, or model, one of mcp_servers"
        context.report.error(path, message)
        return
    names = [server.name for server in context.document.global_.model_catalog.mcp_servers]
    message = f"there is no '{rule.model}' in global.model_catalog.mcp_servers{suggest(rule.model, names)}"
    context.report.error((*path, "model"), message)


def _check_remote(rule: ClassifierSignal, path: KeyPath, context: Context) -> None:
    if len(rule.labels) < 2:
        message = f"type {rule.type} needs labels, two at least: those that the model may answer with"
        context.report.error((*path, "labels"), message)
    external = find_external(context.document, rule.model)
    if not rule.model:
        message = f"type {rule.type} needs model, the name of one in global.model_catalog.external"
        context.report.error(path, message)
    elif external is None:
        known = context.document.global_.model_catalog.external
        names = [label(one) for one in known if one.model_role in CLASSIFYING]
        message = f"there is no '{rule.model}' in global.model_catalog.external{suggest(rule.model, names)}"
        context.report.error((*path, "model"), message)
    elif rule.type == "llm" and not external.llm_model_name:
        message = f"'{rule.model}' needs llm_model_name, which a chat model is asked by"
        context.report.error((*path, "model"), message)
