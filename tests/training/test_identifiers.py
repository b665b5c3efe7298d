"""Made-up identifiers: valid where validity exists, and in more than one form."""

from __future__ import annotations

import ipaddress
import random

import pytest

from vsr.training.identifiers import (
    Value,
    address_of_machine,
    card,
    harmless,
    iban,
    identity,
    name_en,
    name_zh,
    social_security,
    street,
    street_zh,
)

SEEDS = range(300)


def test_card_numbers_pass_the_luhn_check() -> None:
    lengths = set()
    for seed in SEEDS:
        digits = [int(c) for c in card(random.Random(seed)) if c.isdigit()]
        doubled = sum(sum(divmod(2 * d, 10)) for d in digits[-2::-2])
        assert (sum(digits[-1::-2]) + doubled) % 10 == 0
        lengths.add(len(digits))
    assert lengths == {14, 15, 16, 19}


def test_account_numbers_leave_one_when_divided_by_97() -> None:
    made = [iban(random.Random(seed)) for seed in SEEDS]
    for value in made:
        plain = value.replace(" ", "").replace("-", "").upper()
        assert int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1
    assert any(" " in value for value in made)
    assert any(value.islower() for value in made)


def test_chinese_identities_are_numbers_with_a_right_check_digit_or_plates() -> None:
    made = {identity(random.Random(seed)) for seed in SEEDS}
    numbers = [value for value in made if value[0].isdigit()]
    assert numbers
    assert len(numbers) < len(made)
    for value in numbers:
        digits = [10 if c in "Xx" else int(c) for c in value]
        assert len(digits) == 18
        assert sum(d * pow(2, 17 - i, 11) for i, d in enumerate(digits)) % 11 == 1


def test_machine_addresses_are_of_both_versions() -> None:
    made = [ipaddress.ip_interface(address_of_machine(random.Random(seed))) for seed in SEEDS]
    assert {value.version for value in made} == {4, 6}


def test_social_security_numbers_avoid_the_areas_never_issued() -> None:
    for seed in SEEDS:
        area, group, serial = social_security(random.Random(seed)).replace(" ", "-").split("-")
        assert area not in ("000", "666")
        assert area < "900"
        assert group != "00"
        assert serial != "0000"


def test_chinese_addresses_hold_a_number_a_crossing_or_a_township_and_end_in_no_mark() -> None:
    for seed in SEEDS:
        made = street_zh(random.Random(seed))
        assert any(part in made for part in ("号", "交叉口", "镇", "乡"))
        assert made[-1] not in "，。,"


@pytest.mark.parametrize("value", [name_en, name_zh, street, street_zh])
def test_hardly_a_name_or_an_address_comes_twice(value: Value) -> None:
    made = [value(random.Random(seed)) for seed in SEEDS]
    assert len(set(made)) > 0.9 * len(made)


def test_a_slot_nobody_knows_is_an_error() -> None:
    with pytest.raises(ValueError, match="no such slot"):
        harmless("q", random.Random(0))
