"""Where a back end listens and which dialect it speaks, from one entry of `backend_refs`."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

from vsr.config.schema.providers import BackendRef

_HOST: Final = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_-]+)*\.?")
_PATH: Final = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)*")
_PORTS: Final = {"http": 80, "https": 443}
_OPENAI: Final = ("openai", "azure-openai")

PROVIDERS: Final = ("vllm", *_OPENAI)
"""Values of `provider` that are built; `pending` lists those that are not."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`base_path` is without a trailing slash; `/v1` where none is written."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    base_path: str


def parse_endpoint(ref: BackendRef) -> Endpoint:
    """Raises ValueError with a sentence that says what was expected."""
    if bool(ref.endpoint) == bool(ref.base_url):
        raise ValueError("needs either endpoint (host:port) or base_url (https://host/v1)")
    expected = (
        "base_url must look like https://host[:port][/prefix]"
        if ref.base_url
        else "endpoint must look like host:port; with a path or a scheme, write base_url"
    )
    if "://" in ref.endpoint or "/" in ref.endpoint:
        raise ValueError(expected)
    try:
        url = urlsplit(ref.base_url or f"{ref.protocol}://{ref.endpoint}")
        scheme, host, port = url.scheme, url.hostname or "", url.port
    except ValueError as error:
        raise ValueError(expected) from error
    if url.username is not None or url.query or url.fragment or not _is_host(host) or port == 0:
        raise ValueError(expected)
    if scheme not in ("http", "https") or not _PATH.fullmatch(url.path):
        raise ValueError(expected)
    safe: Literal["http", "https"] = "https" if scheme == "https" else "http"
    return Endpoint(safe, host, port or _PORTS[safe], url.path.rstrip("/") or "/v1")


def dialect(ref: BackendRef, endpoint: Endpoint) -> Literal["vllm", "openai"]:
    official = endpoint.host == "api.openai.com" or endpoint.host.endswith(".openai.azure.com")
    return "openai" if official or ref.provider in _OPENAI or ref.type in _OPENAI else "vllm"


def credential_header(ref: BackendRef) -> tuple[str, str]:
    """Header name (lower case) and prefix; Azure wants its key bare in `api-key`."""
    azure = "azure-openai" in (ref.provider, ref.type)
    header = ref.auth_header.lower() or ("api-key" if azure else "authorization")
    prefix = (
        ref.auth_prefix if ref.auth_prefix is not None else ("Bearer " if header == "authorization" else "")
    )
    return header, prefix if not prefix or prefix.endswith(" ") else prefix + " "


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
