"""Numbers that carry a checksum or a fixed form: cards, resident identity numbers, SSN, IBAN.

Each recogniser takes folded text and yields spans that its validator accepts. Expressions are
bounded, so that time is linear in the text; a number that is part of a longer one is not looked at. A comma
parts numbers of a list or a row; a blank may group the digits of one number, unless hyphens do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from stdnum import iban, luhn
from stdnum.cn import ric
from stdnum.exceptions import ValidationError
from stdnum.us import ssn

Span = tuple[str, int, int, float]
"""Entity type, start, end (characters), score."""

_BEFORE: Final = r"(?<![A-Za-z0-9_])(?<![.+$])"
_AFTER: Final = r"(?![A-Za-z0-9_])(?!\.\d)"

_CARD: Final = re.compile(
    _BEFORE
    + r"""(?:\d{13,19}
        |(?<!\d-)(?:(?<!\d[ ])|(?=\d{4,6}-))(?:
            \d{4}(?P<s4>[ .\-])\d{4}(?P=s4)\d{4}(?P=s4)\d{3,4}(?:(?P=s4)\d{3})?(?!(?P=s4)\d{4}(?!\d))
            |\d{4}(?P<s6>[ \-])\d{6}(?P=s6)\d{4,5}
            |\d{6}[ \-]\d{13}
            |\d(?:[ \-]\d){14,15}(?![ \-]\d)
        )
    )"""
    + _AFTER,
    re.VERBOSE | re.ASCII,
)

# Issuer prefixes with the lengths they occur in. Lengths of timestamps, product codes and object
# identifiers (13 to 19 arbitrary digits) are accepted only where the issuer really uses them.
_ISSUERS: Final = re.compile(
    r"""4\d{12}(?:\d{3}){0,2}                                                       # Visa
    |5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}                # Mastercard
    |3[47]\d{13}                                                                   # American Express
    |3(?:0[0-5]|095|[68]\d)\d{11}                                                  # Diners Club
    |(?:6011|65\d\d|64[4-9]\d)\d{12}                                               # Discover
    |35(?:2[89]|[3-8]\d)\d{12}                                                     # JCB
    |62\d{14,17}                                                                   # UnionPay
    |(?:50|5[6-8]|67)\d{14}(?:\d{3})?|63\d{14}                                     # Maestro
    |1\d{14}                                                                       # UATP
    """,
    re.VERBOSE | re.ASCII,
)

_SSN: Final = re.compile(
    _BEFORE + r"(?<!\d-)(?:\d{3}-\d{2}-\d{4}(?!-\d)|(?<!\d[ ])\d{3}[ ]\d{2}[ ]\d{4}(?![ \-]\d))" + _AFTER,
    re.ASCII,
)
_SSN_NAMED: Final = re.compile(
    r"(?:\bssn\b|social[ ]security)[^\d\n]{0,20}(?<!\d)(\d{9})(?!\d)", re.ASCII | re.IGNORECASE
)
_RESIDENT: Final = re.compile(
    r"(?<![A-Za-z0-9_])\d{6}[ \-]?(?:19|20)\d{2}[ \-]?\d{4}[ \-]?\d{3}[\dXx]" + _AFTER, re.ASCII
)

_PROVINCE: Final = re.compile(r"1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]")

_IBAN_HEAD: Final = re.compile(r"(?<![A-Za-z0-9])([A-Za-z]{2})\d{2}(?=[ \-]?[A-Za-z0-9]{4})", re.ASCII)
_IBAN_REST: Final = re.compile(r"(?:[ \-]?[A-Za-z0-9]){11,32}", re.ASCII)
_SEPARATORS: Final = re.compile(r"[ .\-]")

_IBAN_COUNTRIES: Final = {
    15: "NO", 16: "BE", 18: "DK FI FK FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK",
    21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HN HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC",
    32: "LC", 33: "RU",
}  # fmt: skip
_IBAN_LENGTH: Final = {
    country: length for length, countries in _IBAN_COUNTRIES.items() for country in countries.split()
}


def find_cards(text: str) -> Iterator[Span]:
    for match in _CARD.finditer(text):
        digits = bare(match.group())
        if _ISSUERS.fullmatch(digits) and luhn.is_valid(digits):
            yield "CREDIT_CARD", match.start(), match.end(), 0.99


def find_social_security_numbers(text: str) -> Iterator[Span]:
    for match in _SSN.finditer(text):
        if is_social_security_number(bare(match.group())):
            yield "US_SSN", match.start(), match.end(), 0.95
    for match in _SSN_NAMED.finditer(text):
        if is_social_security_number(match.group(1)):
            yield "US_SSN", match.start(1), match.end(1), 0.95


def find_resident_numbers(text: str) -> Iterator[Span]:
    """Chinese resident identity numbers."""
    for match in _RESIDENT.finditer(text):
        if is_resident_number(bare(match.group())):
            yield "OTHER_ID", match.start(), match.end(), 0.99


def find_ibans(text: str) -> Iterator[Span]:
    """The country says how long the number is, so words after it are never taken for part of it."""
    for head in _IBAN_HEAD.finditer(text):
        length = _IBAN_LENGTH.get(head.group(1).upper(), 0)
        rest = _IBAN_REST.match(text, head.end()) if length else None
        end = _end_of(text, head.start(), rest.end(), length) if rest else 0
        if end and is_iban(bare(text[head.start() : end])):
            yield "IBAN_CODE", head.start(), end, 0.99


def _end_of(text: str, start: int, limit: int, characters: int) -> int:
    """Where the run of `characters` letters and digits from `start` ends; 0 if it goes on or stops short."""
    position = start
    while characters and position < limit:
        characters -= text[position] not in " -"
        position += 1
    goes_on = position < len(text) and text[position].isascii() and text[position].isalnum()
    return 0 if characters or goes_on else position


def bare(written: str) -> str:
    """An identifier without the blanks, dots and hyphens that group its characters, in upper case."""
    return _SEPARATORS.sub("", written).upper()


def is_card_number(digits: str) -> bool:
    """ISO/IEC 7812. Not every issuer of UnionPay keeps to the check digit."""
    if len(digits) >= 16 and digits.startswith("62"):
        return len(digits) <= 19
    return 13 <= len(digits) <= 19 and luhn.is_valid(digits)


def is_social_security_number(digits: str) -> bool:
    """Nine digits in ranges that are given out."""
    return len(digits) == 9 and ssn.is_valid(digits)


def is_resident_number(number: str) -> bool:
    """GB 11643: province, birth date and check digit. Codes of districts come and go: they are not read."""
    if len(number) != 18 or not _PROVINCE.match(number):
        return False
    try:
        ric.get_birth_date(number)
    except ValidationError:
        return False
    return ric.calc_check_digit(number) == number[-1]


def is_iban(number: str) -> bool:
    """ISO 13616: check digits, and length and structure of the country."""
    # ISO 7064 mod 97-10, before the library's slower look at the country's structure.
    if int("".join(str(int(character, 36)) for character in number[4:] + number[:4])) % 97 != 1:
        return False
    return iban.is_valid(number)
