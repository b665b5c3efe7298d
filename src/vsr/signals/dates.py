"""Dates that name a day of a year, and instants: ISO 8601, RFC 3339 and what people write.

A day without a year, a time of day, `5/21` and `tomorrow` mean something in their context only, and are left
to the encoder's head, as are numbers that may be a date or a version (`21.5.21`). A date must exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Final

from vsr.signals.numbers import Span
from vsr.signals.text import surroundings

_BEFORE: Final = r"(?<![A-Za-z0-9_])(?<![./\-])"
_AFTER: Final = r"(?![A-Za-z0-9_])(?![./\-:]\d)"
_YEAR: Final = r"(?P<year>(?:18|19|20)\d\d)"
_CLOCK: Final = (
    r"(?:[01]\d|2[0-4]):[0-5]\d(?::[0-6]\d(?:[.,]\d{1,9})?)?(?:[ ]?(?:Z\b|UTC\b|[+\-][01]\d:?[0-5]\d))?"
)

_ISO: Final = re.compile(
    _BEFORE
    + _YEAR
    + rf"(?:(?P<mark>[\-/.])(?P<month>\d\d?)(?P=mark)(?P<day>\d\d?)(?:(?:T|[ ]{{1,2}}){_CLOCK})?"
    + r"|(?P<month2>\d\d)(?P<day2>\d\d)T\d{4,6}Z?)"
    + _AFTER,
    re.ASCII,
)
_NUMBERS: Final = re.compile(
    _BEFORE + rf"(?P<first>\d\d?)(?P<mark>[./\-])(?P<second>\d\d?)(?P=mark){_YEAR}" + _AFTER, re.ASCII
)
_RANGE: Final = re.compile(
    _BEFORE
    + r"(?P<first>\d{1,4}(?P<mark>[./])\d\d?(?P=mark)\d{1,4})"
    + r"-(?P<last>\d{1,4}(?P=mark)\d\d?(?P=mark)\d{1,4})"
    + _AFTER,
    re.ASCII,
)
_MONTH: Final = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_DAY: Final = r"(?P<day>\d\d?)(?:st|nd|rd|th)?"
_NAMED: Final = tuple(
    re.compile(_BEFORE + form + r"(?![A-Za-z0-9_])(?![.\-/]\d)", re.ASCII | re.IGNORECASE)
    for form in (
        rf"{_DAY}(?:[ ](?:of[ ])?|-){_MONTH}\.?(?:,?[ ]|-){_YEAR}",
        rf"{_MONTH}\.?(?:[ ]|-){_DAY}(?:,?[ ]|-){_YEAR}",
    )
)
_CHINESE: Final = re.compile(
    rf"(?<!\d){_YEAR}[ ]?年[ ]?(?P<month>\d\d?)[ ]?月[ ]?(?P<day>\d\d?)[ ]?[日号號]", re.ASCII
)
_HINT: Final = re.compile(r"(?:18|19|20)\d\d", re.ASCII)
_AROUND: Final = 40  # characters: a clock, a zone or a month's name
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def find_dates(text: str) -> Iterator[Span]:
    # where a year may be, with what can belong to its date: ordinary prose is hardly looked at
    for start, end in surroundings(_HINT, text, _AROUND):
        yield from _within(text, start, end)


def _within(text: str, begin: int, stop: int) -> Iterator[Span]:
    for match in _ISO.finditer(text, begin, stop):
        month, day = match["month"] or match["month2"], match["day"] or match["day2"]
        if _exists(match["year"], month, day):
            yield _span(match)
    for match in _NUMBERS.finditer(text, begin, stop):
        first, second = match["first"], match["second"]
        if _exists(match["year"], second, first) or _exists(match["year"], first, second):
            yield _span(match)
    for match in _RANGE.finditer(text, begin, stop):
        if all(any(_within(match[half], 0, len(match[half]))) for half in ("first", "last")):
            for half in ("first", "last"):
                yield "DATE_TIME", *match.span(half), 0.9
    for pattern in _NAMED:
        for match in pattern.finditer(text, begin, stop):
            if _exists(match["year"], str(_MONTHS.index(match["month"][:3].lower()) + 1), match["day"]):
                yield _span(match)
    for match in _CHINESE.finditer(text, begin, stop):
        if _exists(match["year"], match["month"], match["day"]):
            yield _span(match)


def _span(match: re.Match[str]) -> Span:
    return "DATE_TIME", match.start(), match.end(), 0.9


def _exists(year: str, month: str, day: str) -> bool:
    try:
        date(int(year), int(month), int(day))
    except ValueError:
        return False
    return True
