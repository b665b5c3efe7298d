from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from vsr.config.envoy import EnvoyOptions, envoy_config, to_yaml
from vsr.config.envoy_destinations import destinations
from vsr.config.envoy_errors import LOCAL_REPLIES, error_for
from vsr.config.envoy_pools import Pool, pools
from vsr.config.policy import (
    ApiKey,
    Backend,
    HealthCheck,
    IdentityHeaders,
    Limits,
    Listener,
    Model,
    Policy,
    Reliability,
    Timeouts,
)
from vsr.content import Secret
from vsr.errors import BackendTimeout, BadBackend, Overloaded, TooLarge, Unavailable

PLAIN = Backend("math/0", "math", "http", "10.0.0.1", 8000)
SECURE = Backend("gpt/0", "gpt", "https", "api.example.com", 443)
POLICY = Policy(
    models={
        "math": Model("math", "math", (PLAIN,), loras=("math-lora",)),
        "gpt": Model("gpt", "gpt-4", (SECURE, Backend("gpt/1", "gpt", "http", "10.0.0.1", 8000))),
    },
    listeners=(Listener("one", port=1, timeout=100), Listener("two", port=2)),
    limits=Limits(max_body_bytes=1000),
    timeouts=Timeouts(connect=3, first_token=20, idle=10),
)


def dig(config: object, *path: str | int) -> Any:
    value: Any = config
    for step in path:
        value = value[step]
    return value


def manager(policy: Policy = POLICY, listener: int = 0, options: EnvoyOptions | None = None) -> Any:
    path = ("static_resources", "listeners", listener, "filter_chains", 0, "filters", 0, "typed_config")
    return dig(envoy_config(policy, options), *path)


def processor(options: EnvoyOptions | None = None, listener: int = 0) -> Any:
    return dig(manager(listener=listener, options=options), "http_filters", 0, "typed_config")


def routes(policy: Policy = POLICY) -> Any:
    return dig(manager(policy), "route_config", "virtual_hosts", 0, "routes")


def cluster_name(backend: Backend) -> str:
    return Pool((backend,), Reliability()).name


def clusters(policy: Policy = POLICY) -> dict[str, Any]:
    return {cluster["name"]: cluster for cluster in dig(envoy_config(policy), "static_resources", "clusters")}


def test_a_listener_on_localhost_listens_at_an_address() -> None:
    config = envoy_config(Policy(listeners=(Listener("one", "localhost", port=1),)))
    bound = dig(config, "static_resources", "listeners", 0, "address", "socket_address")
    assert bound == {"address": "127.0.0.1", "port_value": 1}


def test_every_route_to_a_back_end_needs_both_headers_of_the_processor() -> None:
    *to_back_ends, nowhere = routes()
    wanted = set()
    for route in to_back_ends:
        model, destination = route["match"]["headers"]
        assert (model["name"], destination["name"]) == ("x-selected-model", "x-gateway-destination-endpoint")
        wanted.add((model["string_match"]["exact"], destination["string_match"]["exact"]))
    assert wanted == {
        ("math", "10.0.0.1:8000"),
        ("math-lora", "10.0.0.1:8000"),
        ("gpt", "api.example.com:443"),
        ("gpt", "10.0.0.1:8000"),
    }
    assert "route" not in nowhere
    assert nowhere["direct_response"] == {"status": 503}


def test_a_route_compares_a_name_as_the_processor_writes_it() -> None:
    policy = Policy(models={"数学": Model("数学", "math", (PLAIN,), loras=("é",))})
    names = [route["match"]["headers"][0]["string_match"]["exact"] for route in routes(policy)[:-1]]
    assert names == ["%E6%95%B0%E5%AD%A6", "%C3%A9"]


def test_the_processor_cannot_be_passed_by() -> None:
    assert processor()["failure_mode_allow"] is False
    assert processor()["status_on_error"] == {"code": "ServiceUnavailable"}
    modes = processor()["processing_mode"]
    assert (modes["request_header_mode"], modes["request_body_mode"]) == ("SEND", "BUFFERED")


def test_the_processor_comes_first_and_nothing_comes_between_it_and_the_router() -> None:
    names = [one["name"] for one in manager()["http_filters"]]
    assert names == ["envoy.filters.http.ext_proc", "envoy.filters.http.router"]


def test_the_processor_learns_the_listener() -> None:
    metadata = [processor(listener=index)["grpc_service"]["initial_metadata"] for index in (0, 1)]
    assert metadata == [[{"key": "x-vsr-listener", "value": name}] for name in ("one", "two")]


def test_the_processor_may_ask_for_as_much_time_as_the_listener_allows() -> None:
    assert processor(EnvoyOptions(message_timeout=2))["message_timeout"] == "2.000s"
    assert processor()["max_message_timeout"] == "100.000s"


def test_internal_headers_are_removed_before_any_filter_runs() -> None:
    mutations = dig(manager(), "early_header_mutation_extensions", 0, "typed_config", "mutations")
    removed = {mutation.get("remove") for mutation in mutations}
    assert removed >= {"x-selected-model", "x-gateway-destination-endpoint", "x-vsr-internal-auth"}
    prefixes = {
        dig(one, "remove_on_match", "key_matcher", "prefix") for one in mutations if "remove" not in one
    }
    assert prefixes == {"x-authz-", "x-envoy-", "x-gateway-", "x-vsr-looper-"}


def test_paths_are_not_rewritten_on_the_way_to_the_judge() -> None:
    assert manager()["normalize_path"] is False
    assert manager()["merge_slashes"] is False
    assert manager()["path_with_escaped_slashes_action"] == "KEEP_UNCHANGED"


def test_streams_have_no_total_timeout_but_limits_on_silence() -> None:
    route = routes()[0]["route"]
    assert route["timeout"] == "0s"
    assert route["retry_policy"]["per_try_timeout"] == "20.000s"
    assert route["retry_policy"]["per_try_idle_timeout"] == "25.000s"


def test_buffers_hold_a_body_of_the_largest_size_and_little_more() -> None:
    limit = dig(envoy_config(POLICY), "static_resources", "listeners", 0, "per_connection_buffer_limit_bytes")
    assert limit == 1000 + 64 * 1024


def test_a_secure_back_end_is_verified_by_name_against_the_system_s_authorities() -> None:
    tls = dig(clusters()[cluster_name(SECURE)], "transport_socket", "typed_config")
    assert tls["sni"] == "api.example.com"
    validation = dig(tls, "common_tls_context", "validation_context")
    assert validation["trusted_ca"]["filename"].startswith("/")
    expected = [{"san_type": "DNS", "matcher": {"exact": "api.example.com"}}]
    assert validation["match_typed_subject_alt_names"] == expected


def test_a_plain_back_end_has_an_address_and_no_tls() -> None:
    cluster = clusters()[cluster_name(PLAIN)]
    assert cluster["type"] == "STATIC"
    assert cluster["connect_timeout"] == "3.000s"
    assert "transport_socket" not in cluster


def test_a_name_is_not_asked_at_ipv6_addresses_that_may_lead_nowhere() -> None:
    cluster = clusters()[cluster_name(SECURE)]
    assert (cluster["type"], cluster["dns_lookup_family"]) == ("STRICT_DNS", "V4_PREFERRED")


def test_the_authority_names_a_port_only_where_it_is_not_the_scheme_s_own() -> None:
    rewrites = {route["route"]["host_rewrite_literal"] for route in routes()[:-1]}
    assert rewrites == {"api.example.com", "10.0.0.1:8000"}


def test_cluster_names_stay_distinct_when_odd_characters_are_replaced() -> None:
    names = {cluster_name(Backend(name, "m", "http", "h", 1)) for name in ("a b", "a/b", "a_b", "a.b")}
    assert len(names) == 4
    assert all(" " not in name and "/" not in name for name in names)


def test_a_back_end_named_by_two_models_is_one_cluster() -> None:
    shared = Policy(models={name: Model(name, name, (PLAIN,)) for name in ("a", "b")})
    assert list(clusters(shared)) == ["vsr-processor", cluster_name(PLAIN)]


# ---------------------------------------------------------------- several back ends of one model

ONE = Backend("m/1", "m", "http", "10.0.0.1", 8000, weight=3)
TWO = replace(ONE, name="m/2", host="10.0.0.2", weight=1)


def of(*backends: Backend, **reliability: Any) -> Policy:
    return Policy(models={"m": Model("m", "m", backends, reliability=Reliability(**reliability))})


def only_pool(policy: Policy) -> Any:
    (cluster,) = [one for name, one in clusters(policy).items() if name.startswith("pool-")]
    return cluster


def test_back_ends_that_get_the_same_request_share_a_cluster_by_weight() -> None:
    endpoints = dig(only_pool(of(ONE, TWO)), "load_assignment", "endpoints", 0, "lb_endpoints")
    assert [(one["endpoint"]["hostname"], one["load_balancing_weight"]) for one in endpoints] == [
        ("10.0.0.1:8000", 3),
        ("10.0.0.2:8000", 1),
    ]
    assert {route["route"]["cluster"] for route in routes(of(ONE, TWO))[:-1]} == {
        only_pool(of(ONE, TWO))["name"]
    }
    assert all(route["route"]["auto_host_rewrite"] for route in routes(of(ONE, TWO))[:-1])


@pytest.mark.parametrize(
    "other",
    [
        replace(TWO, api_key=Secret("k")),
        replace(TWO, base_path="/other"),
        replace(TWO, chat_path="/chat"),
        replace(TWO, extra_headers=(("x-a", "1"),)),
        replace(TWO, forward_authorization=True),
        replace(TWO, scheme="https"),
        replace(TWO, dialect="openai"),
    ],
)
def test_a_key_or_a_path_never_goes_to_a_back_end_that_has_another(other: Backend) -> None:
    assert [pool.backends for pool in pools(of(ONE, other).models["m"])] == [(ONE,), (other,)]


def test_weight_0_takes_a_back_end_out_unless_all_have_it() -> None:
    idle = replace(TWO, weight=0)
    assert [pool.backends for pool in pools(of(ONE, idle).models["m"])] == [(ONE,)]
    assert [pool.backends for pool in pools(of(idle).models["m"])] == [(idle,)]


def test_by_default_another_server_is_tried_only_if_none_has_served_the_request() -> None:
    policy = routes(of(ONE, TWO))[0]["route"]["retry_policy"]
    assert policy["num_retries"] == 1
    assert policy["retry_on"] == "connect-failure,refused-stream,retriable-status-codes"
    assert policy["retriable_status_codes"] == [502, 503]
    assert policy["retry_host_predicate"][0]["name"] == "envoy.retry_host_predicates.previous_hosts"


def test_what_reliability_says_is_written_out() -> None:
    policy = of(
        *(ONE, TWO),
        lb_policy="least_request",
        retry_count=3,
        retry_on=("5xx",),
        consecutive_5xx=7,
        base_ejection_time=400.0,
        max_ejection_percent=50,
        health_check=HealthCheck("/health", 4, 1),
    )
    cluster, retries = only_pool(policy), routes(policy)[0]["route"]["retry_policy"]
    assert cluster["lb_policy"] == "LEAST_REQUEST"
    assert (retries["num_retries"], retries["retry_on"]) == (3, "5xx")
    outliers = cluster["outlier_detection"]
    assert (outliers["consecutive_5xx"], outliers["max_ejection_percent"]) == (7, 50)
    assert (outliers["base_ejection_time"], outliers["max_ejection_time"]) == ("400.000s", "400.000s")
    assert cluster["health_checks"][0]["http_health_check"] == {"path": "/health"}
    assert cluster["health_checks"][0]["interval"] == "4.000s"


def test_each_server_of_a_secure_pool_is_verified_by_its_own_name() -> None:
    backends = [replace(one, scheme="https", host=f"{one.name[-1]}.example.com") for one in (ONE, TWO)]
    sockets = only_pool(of(*backends))["transport_socket_matches"]
    assert [one["transport_socket"]["typed_config"]["sni"] for one in sockets] == [
        "1.example.com",
        "2.example.com",
    ]
    assert [one["match"]["server"] for one in sockets] == ["m/1", "m/2"]


def test_unknown_destinations_need_the_processor_s_choice_and_the_operator_s_allowance() -> None:
    options = EnvoyOptions(destinations=destinations(["10.0.1.0/24:8000"]))
    route = dig(manager(options=options), "route_config", "virtual_hosts", 0, "routes")[-2]
    model, destination = route["match"]["headers"]
    assert model == {"name": "x-selected-model", "present_match": True}
    assert destination["string_match"]["safe_regex"]["regex"] == "10[.]0[.]1[.][0-9]{1,3}:8000"
    assert "vsr-destinations" not in clusters()


def test_there_is_no_admin_interface_unless_one_is_asked_for() -> None:
    assert "admin" not in envoy_config(POLICY)
    admin = dig(envoy_config(POLICY, EnvoyOptions(admin_port=9901)), "admin", "address", "socket_address")
    assert admin == {"address": "127.0.0.1", "port_value": 9901}


def test_keys_never_stand_in_the_configuration() -> None:
    secret = Backend("s", "s", "https", "h", 443, api_key=Secret("sk-canary"))
    policy = Policy(
        models={"s": Model("s", "s", (secret,))},
        listeners=(Listener("l", api_keys=(ApiKey(Secret("canary-2")),)),),
    )
    assert "canary" not in to_yaml(envoy_config(policy))


def test_yaml_says_the_same() -> None:
    text = to_yaml(envoy_config(POLICY))
    assert to_yaml(yaml.safe_load(text)) == text
    assert "&id" not in text


def test_details_of_envoy_mean_errors() -> None:
    meanings = {
        "ext_proc_error_gRPC_error_14": Unavailable,
        "request_payload_too_large": TooLarge,
        "upstream_reset_before_response_started{remote_connection_failure}": BadBackend,
        "upstream_reset_before_response_started{connection_timeout}": BackendTimeout,
        "upstream_reset_before_response_started{overflow}": Overloaded,
        "upstream_per_try_timeout": BackendTimeout,
        "no_healthy_upstream": BadBackend,
        "direct_response": Unavailable,
        "something_new": BadBackend,
    }
    for details, error in meanings.items():
        assert type(error_for(details)) is error, details


def test_answers_of_back_ends_and_of_the_processor_are_no_errors_of_envoy() -> None:
    assert error_for("via_upstream") is None
    assert error_for("vsr_content_policy_violation") is None
    assert error_for("") is None


def test_local_replies_are_openai_json_with_the_status_of_the_error() -> None:
    mappers = manager()["local_reply_config"]["mappers"]
    assert len(mappers) == len(LOCAL_REPLIES) + 2
    for mapper, reply in zip(mappers, LOCAL_REPLIES, strict=False):
        assert mapper["status_code"] == reply.error.http_status
        body = mapper["body_format_override"]
        assert body["content_type"] == "application/json"
        assert "%" not in body["text_format_source"]["inline_string"]
        assert yaml.safe_load(body["text_format_source"]["inline_string"])["error"]["code"]


def test_identity_headers_reach_the_processor_only_where_it_believes_them() -> None:
    def removed(identity: IdentityHeaders) -> str:
        policy = Policy(models=POLICY.models, listeners=(Listener("l", identity=identity),))
        return str(dig(manager(policy), "early_header_mutation_extensions", 0, "typed_config", "mutations"))

    assert "'x-authz-'" not in removed(IdentityHeaders(trusted=True))
    assert "'x-authz-'" in removed(IdentityHeaders("x-user", "x-groups", trusted=True))
    assert "'x-user'" in removed(IdentityHeaders("x-user", "x-groups"))
    assert "'x-user'" not in removed(IdentityHeaders("x-user", "x-groups", trusted=True))
