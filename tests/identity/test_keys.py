from __future__ import annotations

import pytest

from vsr.config.policy import ApiKey, IdentityHeaders, Listener
from vsr.content import Secret
from vsr.errors import InvalidRequest, Unauthenticated
from vsr.identity.keys import authenticate
from vsr.identity.principal import ANONYMOUS

USER, GROUPS = "x-authz-user-id", "x-authz-user-groups"
KEYED = Listener("l", api_keys=(ApiKey(Secret("plain")), ApiKey(Secret("anns"), "ann", frozenset({"ops"}))))
TRUSTING = Listener("l", identity=IdentityHeaders(trusted=True))


def bearer(key: str) -> tuple[str, str]:
    return ("authorization", f"Bearer {key}")


def test_a_key_of_a_user_brings_the_users_groups() -> None:
    ann = authenticate(KEYED, [bearer("anns")])
    assert (ann.user, sorted(ann.groups)) == ("ann", sorted({"ops"}))
    assert ann.id.startswith("user-")
    assert "ann" not in ann.id


def test_two_keys_of_one_user_are_one_principal() -> None:
    keys = tuple(ApiKey(Secret(one), "ann", frozenset({"ops"})) for one in ("one", "two"))
    listener = Listener("l", api_keys=keys)
    assert authenticate(listener, [bearer("one")]) == authenticate(listener, [bearer("two")])


def test_a_key_of_nobody_is_known_by_itself_and_in_no_group() -> None:
    holder = authenticate(KEYED, [("x-api-key", "plain")])
    assert (holder.user, holder.groups) == ("", frozenset())
    assert holder.id.startswith("key-")


def test_a_client_that_names_itself_is_not_believed() -> None:
    assert authenticate(Listener("l"), [(USER, "root"), (GROUPS, "admins")]) is ANONYMOUS
    assert authenticate(KEYED, [bearer("plain"), (USER, "root"), (GROUPS, "admins")]).groups == frozenset()


def test_a_trusted_proxy_names_user_and_groups() -> None:
    bob = authenticate(TRUSTING, [(USER, "bob"), (GROUPS, "premium, ops,")])
    assert (bob.user, sorted(bob.groups)) == ("bob", sorted({"premium", "ops"}))


def test_headers_that_a_proxy_sets_may_have_other_names() -> None:
    headers = IdentityHeaders("x-user", "x-roles", trusted=True)
    listener = Listener("l", identity=headers)
    bob = authenticate(listener, [("x-user", "bob"), ("x-roles", "ops"), (USER, "root")])
    assert (bob.user, sorted(bob.groups)) == ("bob", sorted({"ops"}))


def test_groups_without_a_user_are_nobodys() -> None:
    assert authenticate(TRUSTING, [(GROUPS, "admins")]) is ANONYMOUS


@pytest.mark.parametrize(
    "fields",
    [
        [(USER, "root"), (USER, "bob")],
        [(USER, "bob"), (GROUPS, "admins"), (GROUPS, "ops")],
        [(USER, "root, bob")],
        [(USER, "b" * 300)],
        [(USER, "bob"), (GROUPS, ",".join(map(str, range(300))))],
    ],
)
def test_an_identity_that_a_client_added_to_is_refused(fields: list[tuple[str, str]]) -> None:
    with pytest.raises(InvalidRequest):
        authenticate(TRUSTING, fields)


def test_a_trusted_proxy_must_show_its_key_where_there_are_keys() -> None:
    listener = Listener("l", api_keys=(ApiKey(Secret("proxys")),), identity=IdentityHeaders(trusted=True))
    assert authenticate(listener, [bearer("proxys"), (USER, "bob")]).user == "bob"
    with pytest.raises(Unauthenticated):
        authenticate(listener, [bearer("guessed"), (USER, "bob")])


def test_a_user_and_groups_that_are_not_ascii_are_known_by_their_names() -> None:
    user, groups = ("张三".encode().decode("latin-1"), "研发, à la carte".encode().decode("latin-1"))
    found = authenticate(TRUSTING, [(USER, user), (GROUPS, groups)])
    assert (found.user, found.groups) == ("张三", frozenset({"研发", "à la carte"}))
    # as Envoy tells it where it sends text
    assert authenticate(TRUSTING, [(USER, "张三"), (GROUPS, "研发,à la carte")]) == found
