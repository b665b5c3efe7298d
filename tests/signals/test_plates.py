"""Chinese number plates as GA 36 prescribes them."""

from __future__ import annotations

import pytest

from vsr.signals.identifiers import find_identifiers


def plates(text: str) -> list[str]:
    return [text[start:end] for kind, start, end, _ in find_identifiers(text) if kind == "OTHER_ID"]


@pytest.mark.parametrize(
    "plate",
    [
        "京A12345",
        "沪B·8K2L6",
        "豫N-21203",
        "川A 9Z99Z",
        "粤BD12345",
        "粤B12345F",
        "粤Z1234港",
        "苏A1234警",
        "使224578",
    ],
)
def test_a_plate_is_found_whole(plate: str) -> None:
    assert plates(f"车牌{plate}，请登记") == [plate]


@pytest.mark.parametrize(
    "text",
    [
        "京A1234",  # too short
        "京I12345",  # no office I
        "京AABC12",  # three letters
        "京A123456",  # six digits without a drive
        "京A1234O",
        "云A轮融资12345万元",
        "新C++20000行",
        "使用12345678次",
        "plate A12345",
    ],
)
def test_what_breaks_a_rule_is_no_plate(text: str) -> None:
    assert plates(text) == []


@pytest.mark.timeout(10)  # a cubic expression would take years here
def test_a_long_run_of_digits_behind_an_office_does_not_blow_up() -> None:
    assert plates("京A" + "1" * 100_000 + "x") == []
