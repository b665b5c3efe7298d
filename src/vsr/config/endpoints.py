"""Where a back end listens and which dialect it speaks, from one entry of `backend_refs`."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote, urlsplit

from vsr.config.dialects import Dialect, dialect_of
from vsr.config.schema.providers import BackendRef

_HOST: Final = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_-]+)*\.?")
_PATH: Final = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)*")
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`base_path` is without a trailing slash; the provider's own (mostly `/v1`) where none is written."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    base_path: str


def parse_endpoint(ref: BackendRef) -> Endpoint:
    """Raises ValueError with a sentence that says what was expected."""
    written = ref.base_url or (f"{ref.protocol}://{ref.endpoint}" if ref.endpoint else "")
    if (ref.endpoint and ref.base_url) or not (written or dialect_of(ref.provider, ref.type).origin):
        raise ValueError("needs either endpoint (host:port) or base_url (https://host/v1)")
    expected = (
        "base_url must look like https://host[:port][/prefix]"
        if ref.base_url
        else "endpoint must look like host:port; with a path or a scheme, write base_url"
    )
    if "://" in ref.endpoint or "/" in ref.endpoint:
        raise ValueError(expected)
    try:
        url = urlsplit(written or dialect_of(ref.provider, ref.type).origin)
        scheme, host, port = url.scheme, url.hostname or "", url.port
    except ValueError as error:
        raise ValueError(expected) from error
    if url.username is not None or url.query or url.fragment or not _is_host(host) or port == 0:
        raise ValueError(expected)
    if scheme not in ("http", "https") or not _PATH.fullmatch(url.path):
        raise ValueError(expected)
    safe: Literal["http", "https"] = "https" if scheme == "https" else "http"
    return Endpoint(safe, host, port or _PORTS[safe], _base_path(url.path, ref, host))


def _base_path(path: str, ref: BackendRef, host: str) -> str:
    own = dialect_of(ref.provider, ref.type, host)
    path = path.rstrip("/") or own.path
    asked = ref.chat_path.removesuffix("/chat/completions") if ref.chat_path else path
    if own.suffix and not asked.endswith(own.suffix):
        raise ValueError(
            f"needs the provider's OpenAI-compatible endpoint, a base_url that ends with {own.suffix}: "
            f"{own.native}"
        )
    return path


def chat_path(ref: BackendRef, endpoint: Endpoint, model_id: str) -> str:
    """The path of chat completions where it is not simply below the base path. With an api_version and no
    path written, Azure is asked in the older way: the deployment in the path, the version behind it."""
    if not ref.api_version:
        return ref.chat_path
    base = endpoint.base_path
    if _is_azure(ref, endpoint.host) and not urlsplit(ref.base_url).path.strip("/"):
        base = f"/openai/deployments/{quote(model_id, safe='')}"
    path = ref.chat_path or f"{base}/chat/completions"
    return f"{path}{'&' if '?' in path else '?'}api-version={quote(ref.api_version, safe='')}"


def credential_header(ref: BackendRef) -> tuple[str, str]:
    """Header name (lower case) and prefix; Azure wants its key bare in `api-key`."""
    header = ref.auth_header.lower() or dialect_of(ref.provider, ref.type).auth_header
    prefix = (
        ref.auth_prefix if ref.auth_prefix is not None else ("Bearer " if header == "authorization" else "")
    )
    return header, prefix if not prefix or prefix.endswith(" ") else prefix + " "


def dialect(ref: BackendRef, endpoint: Endpoint) -> Dialect:
    return dialect_of(ref.provider, ref.type, endpoint.host)


def _is_azure(ref: BackendRef, host: str) -> bool:
    return "azure-openai" in (ref.provider, ref.type) or host.endswith(".openai.azure.com")


def is_loopback(address: str) -> bool:
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def is_address(address: str) -> bool:
    """What a socket can be bound to: an IP address or `localhost`."""
    try:
        return address == "localhost" or ipaddress.ip_address(address) is not None
    except ValueError:
        return False


def _is_host(host: str) -> bool:
    return is_address(host) or _HOST.fullmatch(host) is not None
