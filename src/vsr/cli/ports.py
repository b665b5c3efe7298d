"""Addresses to listen on, checked before anything slow is started."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from vsr.cli.serve_options import ServeOptions
from vsr.config.policy import Policy
from vsr.errors import ConfigError, Problem, StartError

Address = tuple[str, int]


def wanted(policy: Policy, options: ServeOptions) -> dict[str, Address]:
    """Everything that this configuration will listen on, by purpose. Port 0 means any."""
    addresses: dict[str, Address] = {
        f"listener {listener.name}": (listener.address, listener.port) for listener in policy.listeners
    }
    addresses["management API"] = (policy.management.address, policy.management.port)
    addresses["metrics"] = (options.metrics_host, options.metrics_port)
    if options.extproc:
        addresses["external processor"] = (options.extproc_host, options.extproc_port)
        if policy.loops:
            addresses["loopback"] = ("127.0.0.1", options.loopback_port)
    return addresses


def reached_at(host: str) -> str:
    """Where this machine finds what listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def taken(addresses: dict[str, Address]) -> list[str]:
    """One sentence for each address that cannot be had."""
    return [
        f"{purpose}: cannot listen on {host}:{port}: {reason}"
        for purpose, (host, port) in addresses.items()
        if (reason := _refusal(host, port))
    ]


def demand(addresses: dict[str, Address]) -> None:
    """ConfigError if two purposes have the same address, StartError naming every one that cannot be had."""
    doubles = [Problem(f"{one} and {other} have the same address") for one, other in _doubles(addresses)]
    if doubles:
        raise ConfigError(doubles)
    sentences = [f"{sentence}. Stop what uses it, or choose another port." for sentence in taken(addresses)]
    if sentences:
        raise StartError("\n".join(sentences))


def _refusal(host: str, port: int) -> str:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def _doubles(addresses: dict[str, Address]) -> Iterable[tuple[str, str]]:
    seen: dict[Address, str] = {}
    for purpose, address in addresses.items():
        if address in seen and address[1]:
            yield seen[address], purpose
        seen.setdefault(address, purpose)
