"""Days of a year and instants, in the forms of ISO 8601 and of people."""

from __future__ import annotations

import pytest

from vsr.signals.identifiers import find_identifiers


def dates(text: str) -> list[str]:
    return [text[start:end] for kind, start, end, _ in find_identifiers(text) if kind == "DATE_TIME"]


@pytest.mark.parametrize(
    "date",
    [
        "1987-04-30",
        "1987/4/30",
        "1987.04.30",
        "30.4.1987",
        "4/30/1987",
        "30-04-1987",
        "30 April 1987",
        "30th of April, 1987",
        "30-Apr-1987",
        "April 30, 1987",
        "Apr. 30th 1987",
        "SEPT 9 2001",
        "1987年4月30日",
        "1987 年 4 月 30 号",
        "１９８７年４月３０日",
        "1987-04-30 07:45",
        "1987-04-30T07:45:10Z",
        "1987-04-30T07:45:10.250+05:30",
        "19870430T074510Z",
        "2024-02-29",
    ],
)
def test_a_day_of_a_year_is_found_whole(date: str) -> None:
    assert dates(f"born {date}, they say") == [date]
    assert dates(f"生日是{date}。") == [date]


@pytest.mark.parametrize(
    ("first", "last"), [("2024/5/21", "2024/5/25"), ("21.05.2024", "23.05.2024"), ("5/21/2024", "5/25/2024")]
)
def test_both_days_of_a_range_are_found(first: str, last: str) -> None:
    assert dates(f"away {first}-{last}.") == [first, last]


@pytest.mark.parametrize(
    "text",
    [
        "2023-02-29 or 2023-13-01 or 31.4.2023",
        "release 21.5.21, section 4.3.2021.7, build 2021.5.6.1",
        "5/21 of it, 2021-05, May 2021, 2020/2021, 10-12-14",
        "1/2/20215 and 12021-05-06",
        "https://example.org/2021/05/06/post and log-2021-05-06.txt",
        "1920-1930-1940",
        "2024/5/21-2024/5/25/7, 1.2.3-4.5.2021",
        "may 32, 2021",
    ],
)
def test_numbers_that_need_their_context_are_left_to_the_head(text: str) -> None:
    assert dates(text) == []
