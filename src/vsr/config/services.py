"""`model_catalog.external`, `mcp_servers` and the embeddings endpoint: who is named, and where it listens.

Lint checks with these functions, compile uses them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from vsr.config.policy_services import MCPServer, RemoteGuard, Service
from vsr.config.schema import Document, catalog
from vsr.config.schema.signals import ClassifierSignal
from vsr.content import Secret

GUARDRAIL: Final = "guardrail"
"""The `model_role` of a guard of others."""
CLASSIFYING: Final = ("classification", "scoring")
_EVEN: Final = 0.5
REMOTE_VECTORS: Final = "openai_compatible"
"""The `backend` of embeddings that asks an endpoint."""


def base_url(written: str) -> str:
    """Raises ValueError with a sentence that says what was expected."""
    expected = "must look like http://host:port or https://host/v1, without user, query or fragment"
    try:
        url = urlsplit(written)
        port = url.port
    except ValueError as error:
        raise ValueError(expected) from error
    strange = url.username is not None or url.query or url.fragment or port == 0 or not written.isprintable()
    if strange or url.scheme not in ("http", "https") or not url.hostname or " " in written:
        raise ValueError(expected)
    return written.rstrip("/")


def external_url(given: catalog.ExternalEndpoint, *, chat: bool) -> str:
    """What paths are appended to; the chat API of an address is below /v1. Raises ValueError."""
    if bool(given.base_url) == bool(given.address):
        raise ValueError("needs either address and port, or base_url")
    if given.base_url:
        return base_url(given.base_url)
    if any(sign in given.address for sign in "/@?#"):
        raise ValueError("address is a host name or an IP address; with a path, write base_url")
    host = f"[{given.address}]" if given.address.count(":") > 1 else given.address
    origin = f"{given.protocol}://{host}" + (f":{given.port}" if given.port else "")
    return base_url(origin) + ("/v1" if chat else "")


def label(external: catalog.External) -> str:
    return external.name or external.llm_model_name


def find_external(document: Document, name: str) -> catalog.External | None:
    """By its name, else by that of its model; guards and what names preferences label nothing else."""
    known = [one for one in document.global_.model_catalog.external if one.model_role in CLASSIFYING]
    by_name = [one for one in known if one.name == name]
    return next(iter(by_name or [one for one in known if one.llm_model_name == name]), None)


def preferring(document: Document) -> catalog.External | None:
    """The model that names preferences; none if examples are asked for."""
    if document.global_.model_catalog.modules.classifier.preference.use_contrastive:
        return None
    known = document.global_.model_catalog.external
    return next((one for one in known if one.model_role == "preference"), None)


def find_server(document: Document, name: str) -> catalog.McpServer | None:
    """That of the name, or the module's own without one."""
    models = document.global_.model_catalog
    if not name:
        return models.modules.classifier.mcp if models.modules.classifier.mcp.enabled else None
    return next((server for server in models.mcp_servers if server.name == name), None)


# ---------------------------------------------------------------- compiled


def compile_external(external: catalog.External, *, chat: bool) -> Service:
    return Service(
        name=f"external model '{label(external)}'",
        url=external_url(external.llm_endpoint, chat=chat),
        model=external.llm_model_name,
        key=Secret(external.access_key) if external.access_key else None,
        timeout=external.llm_timeout_seconds,
        dialect=external.llm_endpoint.dialect,
        parser=external.parser_type,
        max_tokens=external.max_tokens,
        temperature=external.temperature,
    )


def guarding(document: Document) -> catalog.External | None:
    """The guard that judges beside the bundle's own head; none unless a protocol is given."""
    models = document.global_.model_catalog
    if models.modules.prompt_guard.protocol is None:
        return None
    return next((one for one in models.external if one.model_role == GUARDRAIL), None)


def compile_guard(document: Document) -> RemoteGuard | None:
    module, external = document.global_.model_catalog.modules.prompt_guard, guarding(document)
    if external is None or module.protocol is None:
        return None
    given = (external.threshold, module.threshold, _EVEN)
    return RemoteGuard(
        service=compile_external(external, chat=module.protocol == "http_chat"),
        protocol=module.protocol,
        labels=module.positive_labels,
        threshold=next(one for one in given if one is not None),
        on_unavailable="allow" if module.on_error == "allow" else "refuse",
    )


def compile_preferrer(document: Document) -> Service | None:
    external = preferring(document)
    return compile_external(external, chat=True) if external else None


def compile_embedder(document: Document, env: Mapping[str, str]) -> Service | None:
    semantic = document.global_.model_catalog.embeddings.semantic
    endpoint = semantic.endpoint
    if endpoint is None or semantic.embedding_config.backend != REMOTE_VECTORS:
        return None
    key = env.get(endpoint.api_key_env, "") if endpoint.api_key_env else ""
    return Service(
        name="the embeddings endpoint",
        url=base_url(endpoint.base_url),
        model=endpoint.model,
        key=Secret(key) if key else None,
        timeout=endpoint.timeout_seconds,
        dimension=endpoint.dimensions or 0,
    )


def compile_server(server: catalog.McpServer, name: str) -> MCPServer:
    stdio = server.transport_type == "stdio"
    return MCPServer(
        name=f"MCP server '{name}'" if name else "the MCP server",
        tool=server.tool_name,
        command=server.command if stdio else "",
        args=server.args if stdio else (),
        env=tuple((key, Secret(value)) for key, value in server.env.items()) if stdio else (),
        url="" if stdio else base_url(server.url),
        timeout=server.timeout_seconds,
    )


def service_of(rule: ClassifierSignal, document: Document) -> tuple[Service | MCPServer | None, float]:
    """What a classifier rule asks, and the threshold that is set there."""
    if rule.type == "mcp":
        server = find_server(document, rule.model)
        return (compile_server(server, rule.model), server.threshold) if server else (None, 0.0)
    external = find_external(document, rule.model) if rule.type != "local" else None
    if external is None:
        return None, 0.0
    return compile_external(external, chat=rule.type == "llm"), external.threshold or 0.0
