"""What the head may call an identifier: values made from the specifications of their types."""

from __future__ import annotations

import pytest

from vsr.signals.plausible import is_plausible


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("CREDIT_CARD", "4111 1111 1111 1111"),
        ("CREDIT_CARD", "４１１１１１１１１１１１１１１１"),
        ("CREDIT_CARD", "6222749113461027740"),  # UnionPay: not every issuer keeps to Luhn's check
        ("CREDIT_CARD", "4242"),  # the last digits of one
        ("CREDIT_CARD", "**** **** **** 4242"),  # written in another way: the head's word counts
        ("US_SSN", "219-09-9998"),
        ("US_SSN", "9998"),
        ("IBAN_CODE", "NO93 8601 1117 947"),
        ("IBAN_CODE", "mt84malt011000012345mtlcast001s"),
        ("OTHER_ID", "11010519491231002x"),
        ("OTHER_ID", "wx_urhd7090"),
        ("PHONE_NUMBER", "555 0132 ext 7"),
        ("EMAIL_ADDRESS", "ann@例子.中国"),
        ("EMAIL_ADDRESS", "ann at mail dot example"),
        ("IP_ADDRESS", "198.51.100.7:8080"),
        ("IP_ADDRESS", "[2001:db8::7]:443"),
        ("IP_ADDRESS", "198.51.100.0/24"),
        ("STREET_ADDRESS", "12 Long Lane, 10115 Berlin"),
        ("PERSON", "4111 1111 1111 1112"),
    ],
)
def test_a_value_that_keeps_to_its_form_stays(kind: str, value: str) -> None:
    assert is_plausible(kind, value, 0, len(value))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("CREDIT_CARD", "4111 1111 1111 1112"),
        ("CREDIT_CARD", "1234567890"),
        ("CREDIT_CARD", "123"),
        ("US_SSN", "000-12-3456"),
        ("US_SSN", "219-09-99980"),
        ("IBAN_CODE", "NO93 8601 1117 948"),
        ("IBAN_CODE", "NO93 8601 1117 9470"),
        ("IBAN_CODE", "account 12345678"),
        ("OTHER_ID", "110105194912310021"),
        ("OTHER_ID", "110105194902310027"),
        ("EMAIL_ADDRESS", "ann@localhost"),
        ("EMAIL_ADDRESS", "@mail.example"),
        ("EMAIL_ADDRESS", "ann"),
        ("PHONE_NUMBER", "1270018415770018415"),
        ("PHONE_NUMBER", "0000"),
        ("IP_ADDRESS", "192.168.1"),
        ("IP_ADDRESS", "2001::db8::1"),
        ("IP_ADDRESS", "00:1A:2B:3C:4D:5E"),
        ("IP_ADDRESS", "127.0.0.1"),
        ("STREET_ADDRESS", "Mill Lane & 128,000 & 950"),
    ],
)
def test_a_value_that_contradicts_its_form_is_refused(kind: str, value: str) -> None:
    assert not is_plausible(kind, value, 0, len(value))


def test_digits_cut_out_of_a_number_that_is_none_are_no_part_of_one() -> None:
    assert not is_plausible("US_SSN", "ssn 449-80-0000", 4, 7)
    assert not is_plausible("US_SSN", "ssn 449-80-0000", 8, 10)
    assert is_plausible("US_SSN", "ends in 9998.", 8, 12)
    assert not is_plausible("CREDIT_CARD", "card 4111 1111 1111 1112", 20, 24)
    assert is_plausible("CREDIT_CARD", "ending in 4242.", 10, 14)


def test_a_part_of_something_longer_is_no_address() -> None:
    assert not is_plausible("IP_ADDRESS", "12345:2001:db8::1", 6, 17)
    assert not is_plausible("IP_ADDRESS", "192.0.2.1.9", 0, 9)
    assert not is_plausible("EMAIL_ADDRESS", "ann@mail.co_m", 0, 11)
