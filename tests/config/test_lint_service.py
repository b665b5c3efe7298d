from __future__ import annotations

import pytest

from tests.config.documents import PROVIDERS, complaint, complaints, load, policy, warned


def backend(fields: str, env: dict[str, str] | None = None) -> str:
    text = PROVIDERS.replace('endpoint: "127.0.0.1:9002"', fields)
    found = complaints(text, env)
    assert len(found) == 1, found
    return found[0]


# ---------------------------------------------------------------- listeners


def test_listening_beyond_loopback_without_keys_is_refused() -> None:
    for address in ("0.0.0.0", "'::'", "10.1.2.3"):
        message = complaint(f"listeners: [{{address: {address}}}]\n")
        assert "without api_keys lets everyone in" in message


def test_loopback_needs_no_keys() -> None:
    for address in ("127.0.0.1", "localhost", "'::1'", "127.9.9.9"):
        assert policy(f"listeners: [{{address: {address}}}]\n").listeners[0].api_keys == ()


def test_listener_keys_come_from_the_environment_only() -> None:
    listener = "listeners:\n  - address: 0.0.0.0\n    api_keys:\n      - %s\n"
    assert policy(listener % "${KEY}", {"KEY": "k"}).listeners[0].api_keys[0].key.matches("k")
    for written in ("sk-123", "x${KEY}", "${KEY:-fallback}"):
        assert "10: a key must not stand in the file" in complaint(listener % written, {"KEY": "k"})
    assert "is empty" in complaint(listener % "${KEY}", {"KEY": ""})
    owned = listener % "{key: %s, user: ann, groups: [ops]}"
    assert policy(owned % "'${KEY}'", {"KEY": "k"}).listeners[0].api_keys[0].groups == {"ops"}
    assert "10: a key must not stand in the file" in complaint(owned % "sk-123")


def test_identity_headers_that_no_listener_believes_are_refused_but_for_the_usual_ones() -> None:
    names = "global: {services: {authz: {identity: {user_id_header: X-User}}}}\n"
    assert "no listener believes these headers" in complaint(names)
    identity = policy(f"listeners: [{{identity_headers: trusted}}]\n{names}").listeners[0].identity
    assert (identity.user, identity.groups, identity.trusted) == ("x-user", "x-authz-user-groups", True)
    assert "no listener believes these headers" in warned(names.replace("X-User", "X-Authz-User-Id"))[0]
    same = "{user_id_header: x-a, user_groups_header: x-A}"
    both = (
        f"listeners: [{{identity_headers: trusted}}]\nglobal: {{services: {{authz: {{identity: {same}}}}}}}\n"
    )
    assert "need a header each" in complaint(both)
    assert "must stay false" in complaint("global: {services: {authz: {fail_open: true}}}\n")


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("listeners: [{address: example.com}]\n", "'example.com' is not an IP address or localhost"),
        ("listeners: [{name: x, port: 1}, {name: y, port: 1}]\n", "port 1 is already taken by listener 'x'"),
        ("listeners: [{port: 8080}]\n", "port 8080 is already taken by the management API"),
        (
            "global: {services: {management_api: {bind_address: 0.0.0.0, remote_exposure: true}}}\n",
            "without tokens lets everyone in",
        ),
        (
            "global: {services: {management_api: {auth: {mode: bearer}}}}\n",
            "auth.mode bearer needs auth.tokens",
        ),
        (
            "global: {services: {management_api: {auth: {mode: bearer, tokens: [{env: T}]}}}}\n",
            "the environment variable T is not set",
        ),
    ],
)
def test_an_address_that_cannot_or_must_not_be_served_is_refused(extra: str, expected: str) -> None:
    assert expected in complaint(extra)


def test_the_management_api_may_be_exposed_with_tokens() -> None:
    extra = (
        "global: {services: {management_api: {bind_address: 0.0.0.0, remote_exposure: true,\n"
        "  auth: {mode: bearer, tokens: [{env: T, role: admin}]}}}}\n"
    )
    management = policy(extra, {"T": "t"}).management
    assert (management.address, management.tokens[0].role) == ("0.0.0.0", "admin")


# ---------------------------------------------------------------- back ends


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("weight: 1", "needs either endpoint (host:port) or base_url"),
        ("endpoint: 'h:1', base_url: 'http://h'", "needs either endpoint (host:port) or base_url"),
        ("endpoint: 'http://h:1'", "endpoint must look like host:port"),
        ("endpoint: 'h:1/v1'", "endpoint must look like host:port"),
        ("endpoint: 'h:99999'", "endpoint must look like host:port"),
        ("endpoint: 'h h:1'", "endpoint must look like host:port"),
        ("endpoint: 'user@h:1'", "endpoint must look like host:port"),
        ("base_url: 'ftp://h'", "base_url must look like https://host[:port][/prefix]"),
        ("base_url: 'https://u:p@h'", "base_url must look like"),
        ("base_url: 'https://h?x=1'", "base_url must look like"),
        ("endpoint: 'h:1', api_key: sk-1", "a key must not stand in the file: write api_key: ${NAME}"),
        ("endpoint: 'h:1', api_key_env: K", "the environment variable K is not set"),
        ("endpoint: 'h:1', chat_path: chat", "chat_path must begin with '/'"),
        ("endpoint: 'h:1', provider: opnai", "unknown provider 'opnai'; did you mean 'openai'?"),
        ("endpoint: 'h:1', extra_headers: {Authorization: x}", "carries a credential: use api_key_env"),
        ("endpoint: 'h:1', extra_headers: {x-vsr-a: x}", "header 'x-vsr-a' belongs to the router"),
        ("endpoint: 'h:1', auth_header: 'a b'", "'a b' is not a header name"),
    ],
)
def test_a_back_end_that_cannot_be_called_is_refused(fields: str, expected: str) -> None:
    message = backend(fields)
    assert message.startswith("6: ")
    assert expected in message
    assert "sk-1" not in message


def test_a_model_without_back_ends_and_a_file_without_models_are_refused() -> None:
    text = PROVIDERS + "    - {name: c}\n"
    assert complaints(text) == ["7: model 'c' has no backend_refs: there is nowhere to send its requests"]
    assert "providers.models is empty" in complaints("version: v0.3\n")[0]


def test_two_ids_for_one_model_are_refused() -> None:
    refs = "external_model_ids: {x: other}, backend_refs: [{endpoint: 'h:1', type: x}, "
    text = PROVIDERS.replace('backend_refs: [{endpoint: "127.0.0.1:9002"}', refs + "{endpoint: 'h:2'}")
    assert "know it by different ids" in complaints(text)[0]


def test_a_clients_key_for_the_router_is_not_forwarded_to_a_back_end() -> None:
    text = PROVIDERS.replace('127.0.0.1:9002"', '127.0.0.1:9002", forward_authorization: true')
    assert load(text).policy.models["b"].backends[0].forward_authorization
    keyed = text + "listeners:\n  - api_keys:\n      - ${K}\n"
    assert "would send the clients' keys" in complaints(keyed, {"K": "k"})[0]


def test_a_key_over_plain_http_to_another_machine_is_a_warning() -> None:
    text = PROVIDERS.replace('endpoint: "127.0.0.1:9002"', "endpoint: 'gpu:80', api_key_env: K")
    assert [warning.message for warning in load(text, {"K": "k"}).warnings] == [
        "the key for gpu travels unencrypted; use protocol: https"
    ]


# ---------------------------------------------------------------- guards


@pytest.mark.parametrize(
    ("guards", "expected"),
    [
        ("pii: {action: block}", "action block needs pii_types_allowed, the types that may pass"),
        ("pii: {pii_types_allowed: [EMAIL]}", "unknown PII type 'EMAIL'"),
        ("jailbreak: {allow_list: ['(']}", "pattern is not a regular expression"),
        ("pii: {allow_list: ['(?=a)a']}", "pattern is not a regular expression in RE2's syntax"),
    ],
)
def test_a_guard_that_cannot_act_as_told_is_refused(guards: str, expected: str) -> None:
    assert expected in complaint(f"global: {{guards: {{{guards}}}}}\n")


@pytest.mark.parametrize(
    ("guard", "module", "expected"),
    [
        ("mode: enforce", "enabled: false", "contradicts prompt_guard.enabled: false"),
        ("threshold: 0.5", "threshold: 0.7", "is also given as prompt_guard.threshold"),
        ("on_unavailable: allow", "on_error: block", "is also given as prompt_guard.on_error"),
    ],
)
def test_our_keys_and_the_originals_must_not_contradict(guard: str, module: str, expected: str) -> None:
    extra = (
        f"global:\n  guards: {{jailbreak: {{{guard}}}}}\n"
        f"  model_catalog: {{modules: {{prompt_guard: {{{module}}}}}}}\n"
    )
    assert expected in complaint(extra)


def test_a_policy_for_a_guard_that_is_off_is_refused() -> None:
    text = PROVIDERS.replace("{name: b,", "{name: b, pii_policy: {allow_by_default: true},")
    assert "cannot be carried out" in complaints(text + "global: {guards: {pii: {mode: off}}}\n")[0]


def test_a_guard_that_does_not_act_is_a_warning() -> None:
    assert warned("global: {guards: {jailbreak: {mode: off}}}\n") == [
        "7: the prompt guard is off: jailbreaks reach the models"
    ]
    assert "only reports" in warned("global: {guards: {jailbreak: {mode: shadow}}}\n")[0]
    assert "the PII guard is off" in warned("global: {guards: {pii: {mode: off}}}\n")[0]
