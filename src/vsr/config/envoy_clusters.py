"""Envoy's clusters for a policy: the processor, and one for each back end; and how values are written."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
import ssl
from pathlib import Path

from vsr.config.envoy_errors import EXTENSIONS, Object
from vsr.config.policy import Backend, Policy

PROCESSOR_CLUSTER = "vsr-processor"

SLACK = 64 * 1024
"""Bytes by which Envoy's buffers exceed the body limit, so that the router can refuse in its own words."""


def processor_cluster(policy: Policy, host: str, port: int) -> Object:
    return {
        "name": PROCESSOR_CLUSTER,
        **_endpoint(PROCESSOR_CLUSTER, host, port),
        "connect_timeout": "1s",
        "circuit_breakers": _breakers(4 * policy.limits.max_concurrent_requests),
        "typed_extension_protocol_options": _protocol(
            {
                "http2_protocol_options": {
                    # A body of some MB travels as one message; small windows would make it crawl.
                    "initial_stream_window_size": 16 * 1024 * 1024,
                    "initial_connection_window_size": 24 * 1024 * 1024,
                    # More connections under load, so that processes which share the port share the work.
                    "max_concurrent_streams": 32,
                }
            }
        ),
    }


def backend_cluster(policy: Policy, backend: Backend, ca_file: str) -> Object:
    name = cluster_name(backend)
    cluster: Object = {
        "name": name,
        **_endpoint(name, backend.host, backend.port),
        "connect_timeout": seconds(policy.timeouts.connect),
        "per_connection_buffer_limit_bytes": policy.limits.max_body_bytes + SLACK,
        "circuit_breakers": _breakers(policy.limits.max_concurrent_requests),
        "typed_extension_protocol_options": _protocol({"http_protocol_options": {}}),
    }
    if backend.scheme == "https":
        cluster["transport_socket"] = _tls(backend.host, ca_file)
    return cluster


def cluster_name(backend: Backend) -> str:
    """Safe for Envoy's statistics, and distinct even where two names differ only in odd characters."""
    safe = safe_name(backend.name)
    if safe == backend.name:
        return f"backend-{safe}"
    return f"backend-{safe}-{hashlib.sha256(backend.name.encode()).hexdigest()[:8]}"


def _endpoint(cluster: str, host: str, port: int) -> Object:
    endpoint = {"endpoint": {"address": address(host, port)}}
    kind: Object = {"type": "STATIC"} if _is_ip(host) else {"type": "STRICT_DNS", "dns_lookup_family": "ALL"}
    return {
        **kind,
        "load_assignment": {"cluster_name": cluster, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _tls(host: str, ca_file: str) -> Object:
    san_type = "IP_ADDRESS" if _is_ip(host) else "DNS"
    validation = {
        "trusted_ca": {"filename": ca_file},
        "match_typed_subject_alt_names": [{"san_type": san_type, "matcher": {"exact": host}}],
    }
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{EXTENSIONS}.transport_sockets.tls.v3.UpstreamTlsContext",
            **({} if _is_ip(host) else {"sni": host}),
            "common_tls_context": {"validation_context": validation},
        },
    }


def _protocol(options: Object) -> Object:
    key = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    return {key: {"@type": f"type.googleapis.com/{key}", "explicit_http_config": options}}


def _breakers(limit: int) -> Object:
    threshold = {"max_connections": limit, "max_pending_requests": limit, "max_requests": limit}
    return {"thresholds": [threshold]}


def system_ca_file() -> str:
    """Where this system keeps the certificates it trusts; Envoy has no default of its own."""
    candidates = (
        os.environ.get("SSL_CERT_FILE"),
        ssl.get_default_verify_paths().cafile,
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/cert.pem",
    )
    found = next((path for path in candidates if path and Path(path).is_file()), None)
    return found or "/etc/ssl/certs/ca-certificates.crt"


def address(host: str, port: int) -> Object:
    return {"socket_address": {"address": host, "port_value": port}}


def seconds(value: float) -> str:
    return f"{value:.3f}s"


def safe_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
