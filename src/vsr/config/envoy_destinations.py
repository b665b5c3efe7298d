"""Back ends that Envoy does not know beforehand: reached at the address that the processor names.

Only addresses of plain http inside an allow-list that whoever writes Envoy's configuration gives: the
processor's field is not reason enough to let a proxy connect to anything.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from vsr.config.envoy_errors import Object
from vsr.errors import ConfigError, Problem

DESTINATION_CLUSTER = "vsr-destinations"

_OCTET = "[0-9]{1,3}"


@dataclass(frozen=True, slots=True)
class Destination:
    """regex: what `x-gateway-destination-endpoint` must match from end to end."""

    regex: str


def parse_destination(text: str) -> Destination:
    """`10.0.1.7:8000`, or whole octets of IPv4 addresses at one port: `10.0.1.0/24:8000`. ConfigError."""
    host, _, port = text.rpartition(":")
    if not host or not re.fullmatch(r"[1-9][0-9]{0,4}", port) or int(port) > 65535:
        raise _wrong(text, "write ADDRESS:PORT")
    try:
        network = ipaddress.ip_network(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise _wrong(text, "only IP addresses can be named, since Envoy resolves nothing here") from None
    if isinstance(network, ipaddress.IPv6Network):
        if network.prefixlen != 128:
            raise _wrong(text, "name IPv6 addresses one by one")
        return Destination(re.escape(f"[{network.network_address}]") + f":{port}")
    if network.prefixlen not in (8, 16, 24, 32):
        raise _wrong(text, "a network must end at an octet: /8, /16, /24")
    fixed = network.prefixlen // 8
    octets = [*str(network.network_address).split(".")[:fixed], *[_OCTET] * (4 - fixed)]
    return Destination("[.]".join(octets) + f":{port}")


def destination_cluster(shared: Object) -> Object:
    """`shared` is what all clusters of back ends have in common."""
    return {
        "name": DESTINATION_CLUSTER,
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "original_dst_lb_config": {
            "use_http_header": True,
            "http_header_name": "x-gateway-destination-endpoint",
        },
        **shared,
    }


def destinations(texts: Iterable[str]) -> tuple[Destination, ...]:
    return tuple(parse_destination(text) for text in texts)


def _wrong(text: str, fix: str) -> ConfigError:
    return ConfigError([Problem(f"'{text}' is no destination that can be allowed: {fix}")])
