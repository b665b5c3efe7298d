"""Envoy's routes for a policy: from the processor's choice to a cluster, and how often to try.

A route matches two fields that only the processor sets; what it has not chosen goes nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from vsr.config.envoy_clusters import LOOPBACK_CLUSTER
from vsr.config.envoy_destinations import DESTINATION_CLUSTER, Destination
from vsr.config.envoy_errors import EXTENSIONS, Object
from vsr.config.envoy_pools import Pool, routed
from vsr.config.envoy_values import authority, seconds
from vsr.config.headers import printable
from vsr.config.policy import Backend, Policy
from vsr.config.policy_reliability import NOT_SERVED

LOOPBACK_MODEL = "vsr-looper"
"""What `x-selected-model` says for a request that the router itself answers, on loopback."""

IDLE_MARGIN = 5.0
"""Seconds by which Envoy's own idle timeout exceeds the policy's."""

# Where a client sits is no business of a model's provider.
_CLIENT_ADDRESS = ("x-forwarded-for", "x-envoy-external-address", "x-envoy-internal")


def routes(policy: Policy, destinations: Sequence[Destination], loopback_port: int) -> Object:
    """The one virtual host of all listeners."""
    loopback = [_loopback(policy, loopback_port)] if policy.loops else []
    known = [_known(policy, name, backend, pool) for name, backend, pool in routed(policy)]
    unknown = [_unknown(policy, destination) for destination in destinations]
    # Without a processor's choice there is nowhere to go; local_reply_config gives it a body.
    nowhere: Object = {"match": {"prefix": "/"}, "direct_response": {"status": 503}}
    host = {
        "name": "vsr",
        "domains": ["*"],
        "request_headers_to_remove": list(_CLIENT_ADDRESS),
        "routes": [*loopback, *known, *unknown, nowhere],
    }
    return {"name": "vsr", "virtual_hosts": [host]}


def silence(policy: Policy) -> float:
    """Seconds without a byte, at any time, after which Envoy gives up by itself."""
    # Envoy's idle timer runs before the first byte too, so it must not be the shorter one; and the
    # processor, which can end a stream with an error event, is to notice first.
    return max(policy.timeouts.idle, policy.timeouts.first_token) + IDLE_MARGIN


def _known(policy: Policy, model: str, backend: Backend, pool: Pool) -> Object:
    chosen = {"name": "x-gateway-destination-endpoint", "string_match": {"exact": backend.destination}}
    single = len(pool.backends) == 1
    host: Object = {"host_rewrite_literal": authority(backend)} if single else {"auto_host_rewrite": True}
    return {
        "match": {"prefix": "/", "headers": [_exactly("x-selected-model", printable(model)), chosen]},
        "route": {
            "cluster": pool.name,
            **host,
            "timeout": "0s",  # a stream may last; silence is what is limited
            "retry_policy": _one_try(policy) | _retries(pool),
        },
    }


def _loopback(policy: Policy, port: int) -> Object:
    """To the router's own gateway, which watches each of the calls it makes and answers when it is done."""
    here = {"name": "x-gateway-destination-endpoint", "string_match": {"exact": f"127.0.0.1:{port}"}}
    return {
        "match": {"prefix": "/", "headers": [_exactly("x-selected-model", LOOPBACK_MODEL), here]},
        "route": {
            "cluster": LOOPBACK_CLUSTER,
            "timeout": "0s",
            "idle_timeout": seconds(policy.looper_limits.seconds + silence(policy)),
            "retry_policy": {"num_retries": 0},
        },
    }


def _unknown(policy: Policy, destination: Destination) -> Object:
    """For back ends that a newer configuration of the router has, and this one has not."""
    allowed = {
        "name": "x-gateway-destination-endpoint",
        "string_match": {"safe_regex": {"regex": destination.regex}},
    }
    return {
        "match": {"prefix": "/", "headers": [{"name": "x-selected-model", "present_match": True}, allowed]},
        "route": {
            "cluster": DESTINATION_CLUSTER,
            "host_rewrite_header": "x-gateway-destination-endpoint",
            "timeout": "0s",
            "retry_policy": _one_try(policy) | {"num_retries": 0},
        },
    }


def _one_try(policy: Policy) -> Object:
    return {
        # To the first byte: ignored by Envoy once the response has begun.
        "per_try_timeout": seconds(policy.timeouts.first_token),
        "per_try_idle_timeout": seconds(silence(policy)),
    }


def _retries(pool: Pool) -> Object:
    if not pool.retries:
        return {"num_retries": 0}
    conditions = pool.reliability.retry_on
    policy: Object = {"num_retries": pool.retries, "retry_on": ",".join(conditions)}
    if "retriable-status-codes" in conditions:
        policy["retriable_status_codes"] = list(NOT_SERVED)
    if len(pool.backends) > 1:
        policy["retry_host_predicate"] = [_another_host()]
        policy["host_selection_retry_max_attempts"] = 3 * len(pool.backends)
    return policy


def _another_host() -> Object:
    name = "envoy.retry_host_predicates.previous_hosts"
    kind = f"{EXTENSIONS}.retry.host.previous_hosts.v3.PreviousHostsPredicate"
    return {"name": name, "typed_config": {"@type": kind}}


def _exactly(header: str, value: str) -> Object:
    return {"name": header, "string_match": {"exact": value}}
