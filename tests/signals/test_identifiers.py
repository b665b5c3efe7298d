"""Pattern recognisers: what they find, and above all what they leave alone."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsr.content import Content
from vsr.facts import Entity, Leaf, Passage
from vsr.signals.identifiers import find_identifiers, merge_entities
from vsr.signals.text import fold


def found(text: str) -> list[tuple[str, str]]:
    return [(kind, text[start:end]) for kind, start, end, _ in find_identifiers(text)]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("write to Ann.Lee+x@mail.example.co.uk.", "EMAIL_ADDRESS", "Ann.Lee+x@mail.example.co.uk"),
        ("我的邮箱是zhang@qq.com，谢谢", "EMAIL_ADDRESS", "zhang@qq.com"),
        ("from o'brien@mail.example", "EMAIL_ADDRESS", "o'brien@mail.example"),
        ("from josé.díaz@correo.example", "EMAIL_ADDRESS", "josé.díaz@correo.example"),
        ("to ann@会社.jp。", "EMAIL_ADDRESS", "ann@会社.jp"),
        ("邮箱：zhang@163.com（工作）", "EMAIL_ADDRESS", "zhang@163.com"),
        ("ann@mail.example（工作）", "EMAIL_ADDRESS", "ann@mail.example"),
        ("john@x.com(work)", "EMAIL_ADDRESS", "john@x.com"),
        ("zhang@163.com-张三", "EMAIL_ADDRESS", "zhang@163.com"),
        ('to "ann lee"@mail.example', "EMAIL_ADDRESS", '"ann lee"@mail.example'),
        ("to ann@[192.0.2.7].", "EMAIL_ADDRESS", "ann@[192.0.2.7]"),
        ("to ann@[IPv6:2001:db8::7]", "EMAIL_ADDRESS", "ann@[IPv6:2001:db8::7]"),
        ("邮箱：ｚｈａｎｇ＠ｑｑ．ｃｏｍ。", "EMAIL_ADDRESS", "ｚｈａｎｇ＠ｑｑ．ｃｏｍ"),
        ("pay 4111 1111 1111 1111 12/26", "CREDIT_CARD", "4111 1111 1111 1111"),
        ("card 4012-8888-8888-1881 please", "CREDIT_CARD", "4012-8888-8888-1881"),
        ("amex 378282246310005.", "CREDIT_CARD", "378282246310005"),
        ("卡号４１１１１１１１１１１１１１１１。", "CREDIT_CARD", "４１１１１１１１１１１１１１１１"),
        ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "CREDIT_CARD", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"),
        ("41\u200b11111111111111 is hidden", "CREDIT_CARD", "41\u200b11111111111111"),
        ("my ssn is 536-22-8726, thanks", "US_SSN", "536-22-8726"),
        ("social security number: 536228726", "US_SSN", "536228726"),
        ("to DE89 3704 0044 0532 0130 00 by Friday", "IBAN_CODE", "DE89 3704 0044 0532 0130 00"),
        ("MT84MALT011000012345MTLCAST001S", "IBAN_CODE", "MT84MALT011000012345MTLCAST001S"),
        ("card 5555.5555.5555.4444", "CREDIT_CARD", "5555.5555.5555.4444"),
        ("ssh to 192.168.7.41 now", "IP_ADDRESS", "192.168.7.41"),
        ("ssh root@192.168.7.41 now", "IP_ADDRESS", "192.168.7.41"),
        ("the ip is 1:: here", "IP_ADDRESS", "1::"),
        ("connected from ::1", "IP_ADDRESS", "::1"),
        ("the unspecified address ::", "IP_ADDRESS", "::"),
        ("route ::/0 is default", "IP_ADDRESS", "::/0"),
        ("fe80::1%eth0 answers", "IP_ADDRESS", "fe80::1%eth0"),
        ("64:ff9b::198.51.100.7", "IP_ADDRESS", "64:ff9b::198.51.100.7"),
        ("net 2001:db8::/32.", "IP_ADDRESS", "2001:db8::/32"),
        ("range 10.1.2.0/24.", "IP_ADDRESS", "10.1.2.0/24"),
        ("host [2001:db8::8a2e:370:7334]:80", "IP_ADDRESS", "2001:db8::8a2e:370:7334"),
        ("身份证11010519491231002X", "OTHER_ID", "11010519491231002X"),
        ("身份证号 110105 1949 1231 002X", "OTHER_ID", "110105 1949 1231 002X"),
        ("call (415) 555-0132 ext 12 now", "PHONE_NUMBER", "(415) 555-0132 ext 12"),
        ("ring +44 20 7946 0958 today", "PHONE_NUMBER", "+44 20 7946 0958"),
        ("(+49 30 82259557)", "PHONE_NUMBER", "+49 30 82259557"),
        ("ring +44 (0)20 7946 0958 today", "PHONE_NUMBER", "+44 (0)20 7946 0958"),
        ("我的手机13812345678，打给我", "PHONE_NUMBER", "13812345678"),
        ("手机 138-1234-5678", "PHONE_NUMBER", "138-1234-5678"),
        ("+86 13812345678", "PHONE_NUMBER", "+86 13812345678"),
        ("手机：+86 138-1234-5678。", "PHONE_NUMBER", "+86 138-1234-5678"),
        ("手机（+86）138 1234 5678", "PHONE_NUMBER", "（+86）138 1234 5678"),
        ("(+86) 138 1234 5678", "PHONE_NUMBER", "(+86) 138 1234 5678"),
        ("ring 0086 13812345678 today", "PHONE_NUMBER", "0086 13812345678"),
        ("座机（010）62345678", "PHONE_NUMBER", "（010）62345678"),
        ("fax: 2128675309", "PHONE_NUMBER", "2128675309"),
        ("key sk-proj-aB3dE5gH7jK9mN1pQ3rS5 leaked", "PASSWORD", "sk-proj-aB3dE5gH7jK9mN1pQ3rS5"),
        ("AKIAIOSFODNN7EXAMPLE", "PASSWORD", "AKIAIOSFODNN7EXAMPLE"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEv", "PASSWORD", "-----BEGIN PRIVATE KEY-----\nMIIEv"),
    ],
)
def test_an_identifier_is_found_with_its_exact_span(text: str, kind: str, value: str) -> None:
    assert found(text) == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    [
        "4012-8888-8888-1882",  # fails the checksum
        "DE89 3704 0044 0532 0130 01",
        "110105194912310021",
        "000-12-3456",
        "666-12-3456 and 900-12-3456 and 123-00-4567 and 123-45-0000",
        "990101199001011235",  # no such province
        "ann@mail.co_m, ann@mail.co.uk_x, ann@localhost, ann@mail.",
        '{"a": ", "@type": "x.org/y"}',
        "x[1::2] + y[::1], f :: Int -> Int, use std::max",
        "12345:db8::1 and 2001::25de::cade and ::ffff:192.168.1",
        "pi is 3.14159265358979323846",
        "the timestamp 1700000000000 in milliseconds, or 1700000000000000",
        "1000 2000 3000 4000 5000 6000 7000 8000",
        "3 1 4 1 5 9 2 6 5 3 5 8 9 7 9 3 2 3 8 4 6",
        "on 31.02.2021 and 2021-13-01, 100-200-300",  # no such days
        "version 1.2.3.4, section 4.3.2.1, 999.1.1.1",
        "std::vector<a::b> x[1::2] 12:34:56 00:1A:2B:3C:4D:5E",
        "127.0.0.1 and ::1 and 0.0.0.0 and 255.255.255.0",
        "clone git@github.com:org/repo, use @decorator and x @ y.T and A@B.inv()",
        "A@B.dot(C) + A@B.sum(axis=0) - q@k.to(device), x@w.com(), W@self.net(x)",
        "sk-xxxxxxxxxxxxxxxxxxxx1111",
        "serial 9992739871300004",  # a right check digit, and no issuer has this prefix
        "order 0099-123456, lot +9991234567",  # no country's telephone numbers
        "x = 5+12345678901 - 2*9876543210",
        "ISBN 978-3-16-148410-0",
        "0,0212345678",  # a fraction
        "7 536 22 8726 and 536 22 8726 7",  # groups of a longer number
        "",
    ],
)
def test_what_only_looks_like_an_identifier_is_left_alone(text: str) -> None:
    assert found(text) == []


def test_every_number_of_a_list_is_found() -> None:
    assert len(found("13812345678,13912345678 15812345678\n4111111111111111 5555555555554444")) == 5


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("John,42,536-22-8726,NY", ["536-22-8726"]),
        ("536-22-8726,219-09-9998", ["536-22-8726", "219-09-9998"]),
        ("7 536-22-8726 219-09-9998", ["536-22-8726", "219-09-9998"]),
        ("42,415-555-2671", ["415-555-2671"]),
        ("415-555-2671,415-555-2672", ["415-555-2671", "415-555-2672"]),
        ("电话010-62345678，010-62345679", ["010-62345678", "010-62345679"]),
        ("01062345678,01062345679", ["01062345678", "01062345679"]),
        ("10.1.0.5,10.1.0.6，10.1.0.7", ["10.1.0.5", "10.1.0.6", "10.1.0.7"]),
        ("1,4111 1111 1111 1111\n2,4012-8888-8888-1881", ["4111 1111 1111 1111", "4012-8888-8888-1881"]),
        ("7 4012-8888-8888-1881", ["4012-8888-8888-1881"]),
    ],
)
def test_commas_part_identifiers(text: str, values: list[str]) -> None:
    assert [value for _, value in found(text)] == values


def test_the_surer_of_two_recognisers_has_the_characters() -> None:
    assert found("13812345678@example.com") == [("EMAIL_ADDRESS", "13812345678@example.com")]


def test_an_identifier_deep_in_a_long_text_is_found() -> None:
    text = "lorem ipsum 42 dolor " * 5_000 + "mail a.b@c.org or call 13812345678" + " sit amet 7" * 5_000
    assert [value for _, value in found(text)] == ["a.b@c.org", "13812345678"]


@pytest.mark.parametrize(
    "unit", ["a@", "1-", "1 ", "a.", "fe80:", "GB82 ", "+1 (", "eyJaaaaaaaaa.", "(1)", "0"]
)
@pytest.mark.timeout(10)  # a quadratic expression would take minutes here
def test_repetitive_text_does_not_blow_up(unit: str) -> None:
    assert find_identifiers(unit * 100_000) == []


CARD_NUMBER = "4111111111111111"
ZEROS = (0x0E50, 0x09E6, 0x0966, 0x0660, 0x07C0, 0x17E0, 0xFF10, 0x1D7CE)
HIDDEN = "\u034f\u180e\u202a\u202e\u2066\u2069\u206a\u206f\ufe00\ufe0f\U000e0001\U000e0041\U000e01ef"


@pytest.mark.parametrize("zero", ZEROS)
def test_digits_of_every_script_are_digits(zero: int) -> None:
    number = "".join(chr(zero + int(digit)) for digit in CARD_NUMBER)
    assert found(f"my card is {number}, thanks") == [("CREDIT_CARD", number)]


@pytest.mark.parametrize("hidden", HIDDEN)
def test_what_nobody_sees_hides_no_number(hidden: str) -> None:
    number = hidden.join(CARD_NUMBER)
    assert found(f"my card is {number}, thanks") == [("CREDIT_CARD", number)]


def test_many_kinds_of_digits_and_hidden_characters_are_read_at_once() -> None:
    signs = (chr(zero + int(digit)) for digit, zero in zip(CARD_NUMBER, ZEROS * 2, strict=True))
    number = (
        "".join(sign + hidden for sign, hidden in zip(signs, HIDDEN + "\u200b\u200c", strict=False)) + "1"
    )
    assert found(f"my card is {number}, thanks") == [("CREDIT_CARD", number)]


def test_a_hidden_character_weighs_no_more_than_the_text() -> None:
    text = "x" * 100_000 + "\u200b"
    tracemalloc.start()
    fold(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * len(text)


@given(st.text(alphabet="a１\u200b\u00ad", max_size=30))
def test_a_folded_span_is_where_its_characters_stood(text: str) -> None:
    kept = [index for index, character in enumerate(text) if character not in "\u200b\u00ad"]
    folded = fold(text)
    assert len(folded.text) == len(kept)
    for start, index in enumerate(kept):
        assert folded.span(start, len(kept)) == (index, kept[-1] + 1)


@given(st.text(alphabet="0123456789 -+().:@aGBx/１３＋\u200b—", max_size=60))
@settings(max_examples=300, deadline=None)
def test_spans_are_ordered_apart_and_inside_the_text(text: str) -> None:
    position = 0
    for _, start, end, score in find_identifiers(text):
        assert position <= start < end <= len(text)
        assert 0 < score <= 1
        position = end


TEXT = "John Smith 13812345678 or 4111111111111111"
PASSAGE = Passage("user", Content(TEXT), (Leaf(0, len(TEXT), ("messages", 0, "content")),))
PHONE = Entity("PHONE_NUMBER", 0, 11, 22, 0.95, "pattern")
CARD = Entity("CREDIT_CARD", 0, 26, 42, 0.99, "pattern")


def test_a_pattern_wins_over_an_encoder_span_of_another_type() -> None:
    mistaken = Entity("PHONE_NUMBER", 0, 25, 42, 0.8)
    assert merge_entities([PASSAGE], [mistaken], [CARD]) == (CARD,)
    with_a_word = Entity("PHONE_NUMBER", 0, 23, 42, 0.8)
    assert merge_entities([PASSAGE], [with_a_word], [CARD]) == (CARD,)


def test_an_encoder_span_keeps_what_lies_beside_a_pattern() -> None:
    person = Entity("PERSON", 0, 0, 15, 0.9)
    merged = merge_entities([PASSAGE], [person], [PHONE])
    assert merged == (Entity("PERSON", 0, 0, 10, 0.9), PHONE)


def test_spans_of_one_type_become_their_union() -> None:
    shorter = Entity("PHONE_NUMBER", 0, 8, 16, 0.99)
    assert merge_entities([PASSAGE], [shorter], [PHONE]) == (
        Entity("PHONE_NUMBER", 0, 8, 22, 0.99, "pattern"),
    )
    longer = Entity("PHONE_NUMBER", 0, 5, 25, 0.5)
    assert merge_entities([PASSAGE], [longer], [PHONE]) == (
        Entity("PHONE_NUMBER", 0, 5, 25, 0.95, "pattern"),
    )


def test_a_pattern_says_where_an_exact_form_ends() -> None:
    longer = Entity("CREDIT_CARD", 0, 23, 42, 0.99)
    assert merge_entities([PASSAGE], [longer], [CARD]) == (CARD,)


def test_a_second_identifier_in_one_span_of_the_encoder_is_kept() -> None:
    text = "4111111111111111, 6222749113461027740 or 123"  # not every issuer keeps to the check digit
    passage = Passage("user", Content(text), (Leaf(0, len(text), ("messages", 0, "content")),))
    first = Entity("CREDIT_CARD", 0, 0, 16, 0.99, "pattern")
    both = Entity("CREDIT_CARD", 0, 0, 37, 0.8)
    assert merge_entities([passage], [both], [first]) == (first, Entity("CREDIT_CARD", 0, 18, 37, 0.8))


def test_an_encoder_span_that_contradicts_its_form_is_not_served() -> None:
    mistaken = Entity("CREDIT_CARD", 0, 11, 22, 0.99)
    assert merge_entities([PASSAGE], [mistaken], []) == ()


def test_spans_of_different_passages_never_meet() -> None:
    elsewhere = Entity("PERSON", 1, 11, 22, 0.7)
    assert merge_entities([PASSAGE, PASSAGE], [elsewhere], [PHONE]) == (PHONE, elsewhere)
