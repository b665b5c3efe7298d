from __future__ import annotations

import pytest

from vsr.encoder.addresses import address_end, address_ranges


def settled(text: str, found: str) -> str:
    """What is left of the span `found` of `text`."""
    start = text.index(found)
    return text[start : address_end(text, start, start + len(found))]


@pytest.mark.parametrize(
    ("text", "found", "address"),
    [
        ("地址在前门大街18号；周边有天坛。", "前门大街18号；周边有天坛", "前门大街18号"),
        ("地址是新华大街甲252号，然后有公园", "新华大街甲252号，然后", "新华大街甲252号"),
        ("它在滨河路，旅游局旁。", "滨河路，旅游局", "滨河路，旅游局旁"),
    ],
)
def test_an_address_ends_with_its_sentence_and_without_scraps_of_the_next(
    text: str, found: str, address: str
) -> None:
    assert settled(text, found) == address


def test_an_open_parenthesis_is_read_to_its_end_or_left_out() -> None:
    assert settled("在西大街14号(路口西南)。", "西大街14号(路") == "西大街14号(路口西南)"
    assert settled("在西大街14号(见图。", "西大街14号(见") == "西大街14号"


def test_a_word_of_place_right_after_an_address_belongs_to_it_unless_the_sentence_goes_on() -> None:
    assert settled("在新建宫门路19号颐和园内。", "新建宫门路19号颐和园") == "新建宫门路19号颐和园内"
    assert settled("在黄山店村西北3公里处", "黄山店村西北3公里") == "黄山店村西北3公里处"
    assert settled("去中山路内环方向", "中山路") == "中山路"


def test_a_short_run_without_a_word_of_an_address_and_a_branch_of_a_shop_are_none() -> None:
    assert settled("周边有什刹海", "什刹") == ""
    assert settled("大酒店(蓝色港湾店)的电话", "(蓝色港湾店)") == ""
    assert settled("住JW酒店", "JW") == ""
    assert settled("住南街", "南街") == "南街"


def test_an_address_in_latin_letters_is_left_as_it_is() -> None:
    assert settled("at 12 High Street; then left", "12 High Street; then") == "12 High Street; then"


@pytest.mark.parametrize(
    ("row", "addresses"),
    [
        ("Miami\t250\nDallas\t450\nOcean City\t300", []),
        (r"Clearwater Lane & 128,000 & 950 \\\hline Driftwood Drive & 176,000", []),
        ("12 High Street\tLeeds\t0113", ["12 High Street"]),
        (r"7 Mill Lane & 310 \\\hline 9 Mill Lane & 290", ["7 Mill Lane", "hline 9 Mill Lane"]),
        (r"123 Main St\nSpringfield, IL", [r"123 Main St\nSpringfield, IL"]),
        ("the corner of 5th & Main", ["the corner of 5th & Main"]),
    ],
)
def test_of_a_table_only_cells_that_hold_a_number_and_a_name_are_addresses(
    row: str, addresses: list[str]
) -> None:
    assert [row[start:end] for start, end in address_ranges(row, 0, len(row))] == addresses


def test_a_number_alone_is_no_address() -> None:
    assert settled("for 1,310 dollars", "1,310") == ""
    assert settled("at 1310 Mill Lane", "1310 Mill Lane") == "1310 Mill Lane"


def test_the_kind_of_street_right_after_an_address_belongs_to_it_once() -> None:
    assert settled("It is at 1881 Post Street, upstairs.", "1881 Post") == "1881 Post Street"
    assert settled("It is at 5 Main Street way up.", "5 Main Street") == "5 Main Street"
    assert settled("It is at 5 Postal streets", "5 Postal") == "5 Postal"


@pytest.mark.parametrize(
    ("text", "found", "address"),
    [
        ("地址是工人体育场北路50号", "人体育场北路50号", "工人体育场北路50号"),
        ("公园坐落于前门大街38号。", "大街38号", "前门大街38号"),
        ("地址就是在：什刹海前海东沿22号", "刹海前海东沿22号", "什刹海前海东沿22号"),
        ("地址在前门大街38号", "前门大街38号", "前门大街38号"),
        ("地址很远，前门大街38号", "大街38号", "大街38号"),
        ("我在前门大街38号", "大街38号", "大街38号"),
    ],
)
def test_an_address_begins_where_the_text_announces_it(text: str, found: str, address: str) -> None:
    start = text.index(found)
    assert [text[a:b] for a, b in address_ranges(text, start, start + len(found))] == [address]


def test_an_address_after_a_line_break_is_not_lost_but_the_next_sentence_is_none() -> None:
    text = "北京市海淀区\n中关村大街1号；周边有天坛和故宫"
    found = [text[start:end] for start, end in address_ranges(text, 0, len(text))]
    assert found == ["北京市海淀区", "中关村大街1号"]
