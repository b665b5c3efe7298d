from __future__ import annotations

import pytest

from vsr.providers.headers import towards_backend, towards_client

HOP_BY_HOP = ["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-connection"]


@pytest.mark.parametrize("name", HOP_BY_HOP)
def test_fields_about_one_connection_go_no_further_in_either_direction(name: str) -> None:
    fields = [(name, "x"), ("x-kept", "1")]
    assert name not in dict(towards_backend(fields, remove=(), set_={}))
    assert dict(towards_client(fields, remove=(), set_={})) == {"x-kept": "1"}


def test_fields_that_connection_names_go_no_further() -> None:
    fields = [("connection", "close, X-Private"), ("x-private", "1"), ("x-kept", "1")]
    assert towards_client(fields, remove=(), set_={}) == [("x-kept", "1")]


def test_a_back_end_is_asked_for_an_answer_that_can_be_read() -> None:
    headers = towards_backend([("accept-encoding", "gzip, br")], remove=(), set_={})
    assert headers == [("accept-encoding", "identity")]


@pytest.mark.parametrize("name", ["host", "content-length", "content-encoding", "expect"])
def test_framing_of_the_client_is_not_handed_to_the_back_end(name: str) -> None:
    assert name not in dict(towards_backend([(name, "x")], remove=(), set_={}))


def test_a_set_field_replaces_what_the_client_sent_and_removed_ones_are_gone() -> None:
    fields = [("x-selected-model", "forged"), ("authorization", "Bearer client"), ("x-trace", "7")]
    headers = towards_backend(fields, remove={"authorization"}, set_={"x-selected-model": "math-7b"})
    assert headers == [("x-trace", "7"), ("x-selected-model", "math-7b"), ("accept-encoding", "identity")]


def test_repeated_fields_of_a_response_all_arrive_in_order() -> None:
    fields = [("x-warning", "a"), ("x-other", "b"), ("x-warning", "c")]
    assert towards_client(fields, remove=(), set_={}) == fields


def test_a_response_field_with_a_control_character_is_dropped() -> None:
    fields = [("x-bad", "a\r\nset-cookie: b"), ("x-tab", "a\tb")]
    assert towards_client(fields, remove=(), set_={}) == [("x-tab", "a\tb")]
