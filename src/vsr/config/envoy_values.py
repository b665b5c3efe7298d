"""How values are written in Envoy's configuration."""

from __future__ import annotations

import ipaddress
import re

from vsr.config.envoy_errors import Object
from vsr.config.policy import Backend


def address(host: str, port: int) -> Object:
    return {"socket_address": {"address": host, "port_value": port}}


def seconds(value: float) -> str:
    return f"{value:.3f}s"


def safe_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)


def authority(backend: Backend) -> str:
    """The `host` field of requests to a back end: with a port only where it is not the scheme's own."""
    default_port = 443 if backend.scheme == "https" else 80
    return backend.destination.removesuffix(f":{default_port}")


def is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
