"""Envoy's configuration for a policy: listeners, the processor, one cluster and route per back end.

It fails closed. A request goes to a back end only over a route that matches two headers which the
processor sets and which are removed when a client sends them; without the processor there is an
answer of Envoy's own, in OpenAI's shape, and no way past it. `docs/envoy.md` explains each choice.
"""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from vsr.config.envoy_clusters import (
    PROCESSOR_CLUSTER,
    SLACK,
    destinations_cluster,
    loopback_cluster,
    pool_cluster,
    processor_cluster,
    system_ca_file,
)
from vsr.config.envoy_destinations import Destination
from vsr.config.envoy_errors import EXTENSIONS, Object, local_reply_config
from vsr.config.envoy_pools import all_pools
from vsr.config.envoy_routes import LOOPBACK_MODEL as LOOPBACK_MODEL
from vsr.config.envoy_routes import routes, silence
from vsr.config.envoy_values import address, safe_name, seconds
from vsr.config.policy import Listener, Policy

LISTENER_METADATA = "x-vsr-listener"
"""gRPC metadata by which the processor learns at which listener a request came in."""

MAX_CONNECTIONS = 50_000
"""Client connections, idle ones included; more are closed at once."""

# Set by the processor, or spoken between parts of the router. A client's own are dropped on arrival.
INTERNAL_HEADERS = (
    "x-selected-model",
    "x-gateway-destination-endpoint",
    "x-vsr-internal-auth",
    "x-vsr-selected-recipe",
    "x-vsr-fusion-depth",
)
INTERNAL_PREFIXES = ("x-vsr-looper-", "x-gateway-", "x-authz-", "x-envoy-")


@dataclass(frozen=True, slots=True)
class EnvoyOptions:
    """What a policy does not say. admin_port None: no admin interface; 0: a free port.

    message_timeout is how long the processor may take for one message in seconds; judging a long
    prompt asks for more, up to the listener's timeout. ca_file None: the system's certificates.
    loopback_port: where the router answers requests that need several models.
    """

    extproc_host: str = "127.0.0.1"
    extproc_port: int = 50051
    loopback_port: int = 8802
    admin_port: int | None = None
    message_timeout: float = 10.0
    ca_file: str | None = None
    destinations: tuple[Destination, ...] = ()


def envoy_config(policy: Policy, options: EnvoyOptions | None = None) -> Object:
    """A complete static bootstrap, as plain values ready for YAML or JSON."""
    options = options or EnvoyOptions()
    ca_file = options.ca_file or system_ca_file()
    clusters = [processor_cluster(policy, options.extproc_host, options.extproc_port)]
    clusters += [pool_cluster(policy, pool, ca_file) for pool in all_pools(policy)]
    if options.destinations:
        clusters.append(destinations_cluster(policy))
    if policy.loops:
        clusters.append(loopback_cluster(policy, options.loopback_port))
    config: Object = {
        "static_resources": {
            "listeners": [_listener(policy, listener, options) for listener in policy.listeners],
            "clusters": clusters,
        },
        "overload_manager": {"resource_monitors": [_connection_limit()]},
    }
    if options.admin_port is not None:
        config["admin"] = {"address": address("127.0.0.1", options.admin_port)}
    return config


def to_yaml(config: Object) -> str:
    return yaml.dump(config, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=110)


class _Plain(yaml.SafeDumper):
    """Writes shared values out where they occur: anchors are hard to read and to diff."""

    def ignore_aliases(self, data: object) -> bool:
        return True


# ---------------------------------------------------------------- listeners


def _listener(policy: Policy, listener: Listener, options: EnvoyOptions) -> Object:
    manager = {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": _manager(policy, listener, options),
    }
    host = "127.0.0.1" if listener.address == "localhost" else listener.address  # Envoy resolves no name here
    return {
        "name": listener.name,
        "address": address(host, listener.port),
        "enable_reuse_port": False,  # a port that is in use is an error, not half of the traffic
        "per_connection_buffer_limit_bytes": policy.limits.max_body_bytes + SLACK,
        "filter_chains": [{"filters": [manager]}],
    }


def _manager(policy: Policy, listener: Listener, options: EnvoyOptions) -> Object:
    router = {"name": "envoy.filters.http.router", "typed_config": {
        "@type": f"{EXTENSIONS}.filters.http.router.v3.Router", "suppress_envoy_headers": True,
    }}  # fmt: skip
    return {
        "@type": f"{EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": safe_name(listener.name),
        # What the processor judges is what is forwarded: paths reach it as they came, and it refuses
        # the odd ones itself, as the gateway does.
        "normalize_path": False,
        "merge_slashes": False,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
        "use_remote_address": True,
        "skip_xff_append": True,
        "generate_request_id": True,
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "request_headers_timeout": "30s",
        "request_timeout": seconds(listener.timeout),
        "stream_idle_timeout": seconds(silence(policy) + listener.timeout),
        "early_header_mutation_extensions": [_header_removal(listener)],
        "local_reply_config": local_reply_config(),
        "http_filters": [_processor_filter(listener, options), router],
        "route_config": routes(policy, options.destinations, options.loopback_port),
    }


def _header_removal(listener: Listener) -> Object:
    """Identity headers stay where the processor may believe them; it keeps them from the back ends."""
    identity = (listener.identity.user, listener.identity.groups)
    prefixes: tuple[str, ...] = INTERNAL_PREFIXES
    mutations: list[Object] = [{"remove": name} for name in INTERNAL_HEADERS]
    if listener.identity.trusted:
        prefixes = tuple(one for one in prefixes if not any(name.startswith(one) for name in identity))
    else:
        mutations += [{"remove": name} for name in identity if not name.startswith(prefixes)]
    mutations += [{"remove_on_match": {"key_matcher": {"prefix": prefix}}} for prefix in prefixes]
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": f"{EXTENSIONS}.http.early_header_mutation.header_mutation.v3.HeaderMutation",
            "mutations": mutations,
        },
    }


def _processor_filter(listener: Listener, options: EnvoyOptions) -> Object:
    grpc_service = {
        "envoy_grpc": {"cluster_name": PROCESSOR_CLUSTER},
        "initial_metadata": [{"key": LISTENER_METADATA, "value": listener.name}],
    }
    return {
        "name": "envoy.filters.http.ext_proc",
        "typed_config": {
            "@type": f"{EXTENSIONS}.filters.http.ext_proc.v3.ExternalProcessor",
            "grpc_service": grpc_service,
            "failure_mode_allow": False,
            "status_on_error": {"code": "ServiceUnavailable"},
            "message_timeout": seconds(options.message_timeout),
            "max_message_timeout": seconds(max(listener.timeout, options.message_timeout)),
            "allow_mode_override": True,
            "response_attributes": ["response.code_details"],
            "processing_mode": {
                "request_header_mode": "SEND",
                "request_body_mode": "BUFFERED",
                "request_trailer_mode": "SKIP",
                "response_header_mode": "SEND",
                "response_body_mode": "STREAMED",
                "response_trailer_mode": "SKIP",
            },
        },
    }


def _connection_limit() -> Object:
    return {
        "name": "envoy.resource_monitors.global_downstream_max_connections",
        "typed_config": {
            "@type": f"{EXTENSIONS}.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
            "max_active_downstream_connections": MAX_CONNECTIONS,
        },
    }
