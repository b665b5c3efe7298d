"""Headers an operator may set, and those nobody may."""

from __future__ import annotations

import pytest

from vsr.plugins.header_mutation import apply
from vsr.route import HeaderMutation


def test_add_and_update_set_headers_in_lower_case() -> None:
    mutation = HeaderMutation(add=(("X-Team", "maths"),), update=(("Accept", "text/plain"),))
    assert apply({"accept": "*/*"}, mutation) == ({"x-team": "maths", "accept": "text/plain"}, frozenset())


def test_delete_removes_what_is_there() -> None:
    assert apply({"x-debug": "1"}, HeaderMutation(delete=("X-Debug", "x-absent"))) == (
        {},
        frozenset({"x-debug"}),
    )


def test_a_header_that_is_deleted_and_set_is_set() -> None:
    mutation = HeaderMutation(add=(("x-team", "maths"),), delete=("x-team",))
    assert apply({"x-team": "client"}, mutation) == ({"x-team": "maths"}, frozenset())


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        ":authority",
        "Content-Length",
        "transfer-encoding",
        "Connection",
        "TE",
        "accept-encoding",
        "proxy-authorization",
        "x-vsr-selected-model",
        "X-Selected-Model",
        "x-gateway-destination-endpoint",
        "x-envoy-original-path",
        "x-authz-user-id",
        "bad name",
        "",
    ],
)
def test_headers_that_frame_or_route_are_out_of_reach(name: str) -> None:
    mutation = HeaderMutation(add=((name, "1"),), update=((name, "2"),), delete=(name,))
    assert apply({name.lower(): "kept"}, mutation) == ({}, frozenset())


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "a\x00b", "数学"])
def test_a_value_that_could_start_another_header_is_not_sent(value: str) -> None:
    assert apply({}, HeaderMutation(add=(("x-team", value),))) == ({}, frozenset())
