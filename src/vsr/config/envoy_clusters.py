"""Envoy's clusters for a policy: the processor, one for each pool of back ends, and allowed destinations."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from vsr.config.envoy_destinations import destination_cluster
from vsr.config.envoy_errors import EXTENSIONS, Object
from vsr.config.envoy_pools import Pool
from vsr.config.envoy_values import address, authority, is_ip, seconds
from vsr.config.policy import Backend, HealthCheck, Policy, Reliability
from vsr.config.policy_reliability import MAX_EJECTION

PROCESSOR_CLUSTER = "vsr-processor"

LOOPBACK_CLUSTER = "vsr-loopback"

SLACK = 64 * 1024
"""Bytes by which Envoy's buffers exceed the body limit, so that the router can refuse in its own words."""

_MATCH = "envoy.transport_socket_match"


def processor_cluster(policy: Policy, host: str, port: int) -> Object:
    endpoint: Object = {"endpoint": {"address": address(host, port)}}
    return {
        "name": PROCESSOR_CLUSTER,
        **_discovery([host]),
        "load_assignment": _assignment(PROCESSOR_CLUSTER, [endpoint]),
        "connect_timeout": "1s",
        "circuit_breakers": _breakers(4 * policy.limits.max_concurrent_requests),
        "typed_extension_protocol_options": _protocol(
            {
                "explicit_http_config": {
                    "http2_protocol_options": {
                        # A body of some MB travels as one message; small windows would make it crawl.
                        "initial_stream_window_size": 16 * 1024 * 1024,
                        "initial_connection_window_size": 24 * 1024 * 1024,
                        # More connections under load, so that processes which share the port share the work.
                        "max_concurrent_streams": 32,
                    }
                }
            }
        ),
    }


def pool_cluster(policy: Policy, pool: Pool, ca_file: str) -> Object:
    """Requests are shared out by weight. All servers of a pool failing does not stop Envoy from asking
    them: a refusal of its own would help nobody."""
    backends, own = pool.backends, pool.reliability
    secure = backends[0].scheme == "https"
    cluster: Object = {
        "name": pool.name,
        **_discovery([backend.host for backend in backends]),
        "lb_policy": own.lb_policy.upper(),
        "load_assignment": _assignment(pool.name, [_endpoint(backend, pool) for backend in backends]),
        **_shared(policy, secure=secure),
        "common_lb_config": {"healthy_panic_threshold": {"value": 1}},
    }
    if len(backends) > 1 and own.consecutive_5xx:
        cluster["outlier_detection"] = _outliers(own)
    if own.health_check is not None:
        cluster["health_checks"] = [_health_check(own.health_check, secure=secure)]
    if secure:
        cluster |= _transport(backends, ca_file)
    return cluster


def loopback_cluster(policy: Policy, port: int) -> Object:
    """The router's own gateway, for requests that several models answer."""
    endpoint: Object = {"endpoint": {"address": address("127.0.0.1", port)}}
    return {
        "name": LOOPBACK_CLUSTER,
        "type": "STATIC",
        "load_assignment": _assignment(LOOPBACK_CLUSTER, [endpoint]),
        **_shared(policy, secure=False),
    }


def destinations_cluster(policy: Policy) -> Object:
    return destination_cluster(_shared(policy, secure=False))


def _shared(policy: Policy, *, secure: bool) -> Object:
    # Over TLS the server chooses between HTTP/2 and HTTP/1.1; a plain one is asked in HTTP/1.1.
    both: Object = {"auto_config": {"http_protocol_options": {}, "http2_protocol_options": {}}}
    plain: Object = {"explicit_http_config": {"http_protocol_options": {}}}
    return {
        "connect_timeout": seconds(policy.timeouts.connect),
        "per_connection_buffer_limit_bytes": policy.limits.max_body_bytes + SLACK,
        "circuit_breakers": _breakers(policy.limits.max_concurrent_requests),
        "typed_extension_protocol_options": _protocol(both if secure else plain),
    }


# ---------------------------------------------------------------- servers


def _discovery(hosts: list[str]) -> Object:
    if all(is_ip(host) for host in hosts):
        return {"type": "STATIC"}
    # Each address that is found is a server of its own; those of IPv6, where there is no route to them,
    # would make every other request fail.
    return {"type": "STRICT_DNS", "dns_lookup_family": "V4_PREFERRED"}


def _assignment(cluster: str, endpoints: list[Object]) -> Object:
    return {"cluster_name": cluster, "endpoints": [{"lb_endpoints": endpoints}]}


def _endpoint(backend: Backend, pool: Pool) -> Object:
    endpoint: Object = {"address": address(backend.host, backend.port)}
    result: Object = {"endpoint": endpoint}
    if len(pool.backends) > 1:
        endpoint["hostname"] = authority(backend)  # the route rewrites the host to it
        result["load_balancing_weight"] = max(1, backend.weight)
        if backend.scheme == "https":
            result["metadata"] = {"filter_metadata": {_MATCH: {"server": backend.name}}}
    if pool.reliability.health_check is not None:
        endpoint["health_check_config"] = {"hostname": authority(backend)}
    return result


# ---------------------------------------------------------------- when a server fails


def _outliers(own: Reliability) -> Object:
    return {
        "consecutive_5xx": own.consecutive_5xx,
        "base_ejection_time": seconds(own.base_ejection_time),
        "max_ejection_time": seconds(max(MAX_EJECTION, own.base_ejection_time)),
        "max_ejection_percent": own.max_ejection_percent,
        "always_eject_one_host": True,
        "interval": "1s",
        # Everything else that Envoy would do by itself: rules that the gateway does not have.
        "enforcing_consecutive_5xx": 100,
        "enforcing_success_rate": 0,
        "enforcing_consecutive_gateway_failure": 0,
    }


def _health_check(check: HealthCheck, *, secure: bool) -> Object:
    return {
        "timeout": seconds(check.timeout),
        "interval": seconds(check.interval),
        "no_traffic_interval": seconds(check.interval),
        "unhealthy_threshold": check.unhealthy_after,
        "healthy_threshold": check.healthy_after,
        "http_health_check": {"path": check.path},
        # It is asked in HTTP/1.1, so nothing else may be agreed on.
        **({"tls_options": {"alpn_protocols": ["http/1.1"]}} if secure else {}),
    }


def _breakers(limit: int) -> Object:
    threshold = {
        "max_connections": limit,
        "max_pending_requests": limit,
        "max_requests": limit,
        "max_retries": limit,  # Envoy's own limit of 3 at once would make retries fail just under load
    }
    return {"thresholds": [threshold]}


# ---------------------------------------------------------------- TLS and protocols


def _transport(backends: tuple[Backend, ...], ca_file: str) -> Object:
    """Each server is verified by its own name."""
    if len(backends) == 1:
        return {"transport_socket": _tls(backends[0].host, ca_file)}
    sockets = [
        {
            "name": backend.name,
            "match": {"server": backend.name},
            "transport_socket": _tls(backend.host, ca_file),
        }
        for backend in backends
    ]
    # Nothing falls to the default one, but Envoy wants it to negotiate like the others.
    return {"transport_socket_matches": sockets, "transport_socket": _tls(backends[0].host, ca_file)}


def _tls(host: str, ca_file: str) -> Object:
    san_type = "IP_ADDRESS" if is_ip(host) else "DNS"
    validation = {
        "trusted_ca": {"filename": ca_file},
        "match_typed_subject_alt_names": [{"san_type": san_type, "matcher": {"exact": host}}],
    }
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{EXTENSIONS}.transport_sockets.tls.v3.UpstreamTlsContext",
            **({} if is_ip(host) else {"sni": host}),
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "validation_context": validation,
            },
        },
    }


def _protocol(options: Object) -> Object:
    key = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    return {key: {"@type": f"type.googleapis.com/{key}", **options}}


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
