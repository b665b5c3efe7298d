"""Telephone numbers: explicit international ones, common national forms, and any after a cue.

Bare digit strings are not telephone numbers unless they are Chinese mobile numbers or a word before
them says so: a false alarm on a calculation costs more than a miss that the encoder's head makes good.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import phonenumbers

from vsr.signals.numbers import Span

_BEFORE: Final = r"(?<![\w+/=.\-])(?<!\d[ ])"
_AFTER: Final = r"(?![\w])(?![.\-/]\d)"
_EXTENSION: Final = r"(?:[ ]?(?:x|ext\.?|转|分机)[ ]?\d{1,6})?"

_INTERNATIONAL: Final = re.compile(
    r"(?<![\w+=)])(?P<number>(?:\+|(?<!\d[ .,])00)[ ]?[1-9]\)?(?:[ .\-/(]{0,2}\d\)?){5,13}"
    r"[ .\-/(]{0,2}\d)(?!\)?\d)" + _EXTENSION + r"(?!\w)",
    re.ASCII,
)
_CHINESE_MOBILE: Final = re.compile(
    r"(?<![\w+/=.\-])(?:(?:\((?:\+|00)86\)|(?:\+|00)?86)[ \-]?)?"
    r"1[3-9]\d(?:\d{8}|([ \-])\d{4}\1\d{4})(?![\w])(?!\.\d)",
    re.ASCII,
)
_NORTH_AMERICAN: Final = re.compile(
    _BEFORE + r"(?:1[ .\-])?"
    r"(?:\([ ]?\d{3}[ ]?\)[ ]?\d{3}[ .\-]\d{4}|\d{3}-\d{3}-\d{4}|[2-9]\d\d([ .])[2-9]\d\d\1\d{4}(?![ ]\d))"
    + _EXTENSION
    + _AFTER,
    re.ASCII,
)
_TRUNK: Final = re.compile(
    _BEFORE
    + r"(?:(?:\(0\d{1,4}\)[ \-]?|0\d{1,4}[ \-/])\d{3,8}(?:[ \-]\d{2,5}){0,4}"
    + r"|(?<!\b\d,)0(?:10|2\d|[3-9]\d\d)\d{7,8}|0\d(?:[ .\-]\d\d){4})"  # 3,0212345678 is a fraction
    + _AFTER,
    re.ASCII,
)
_AFTER_CUE: Final = re.compile(
    r"(?:\b(?:phone|tel|telephone|mobile|cell|cellphone|fax|whatsapp)\b"
    r"|\bcall[ ](?:me|us|him|her)(?:[ ](?:at|on))?\b|电话|手机|座机|传真|联系方式)"
    r"(?:[ ]?(?:number|no\.?|nr\.?|#|号码?))?[ ]?(?:is|was|:|=|为|是|:)?[ ]{0,2}"
    r"((?:\(\d{2,5}\)|\d)(?:[ .\-]?\d){6,13})(?!\w)(?!\.\d)",
    re.ASCII | re.IGNORECASE,
)

# Countries whose national numbers begin with the trunk prefix 0, most speakers first.
_TRUNK_REGIONS: Final = (
    "CN",
    "GB",
    "DE",
    "FR",
    "JP",
    "KR",
    "IN",
    "AU",
    "NL",
    "CH",
    "AT",
    "BE",
    "SE",
    "IL",
    "TW",
)

# A library call costs some 50 microseconds. A text with more candidates than this is a list of
# numbers, and the rest of them is taken by form alone.
_VALIDATED: Final = 500

_NOT_DIGITS: Final = re.compile(r"\D", re.ASCII)


def find_phones(text: str) -> Iterator[Span]:
    for match in _CHINESE_MOBILE.finditer(text):
        yield "PHONE_NUMBER", match.start(), match.end(), 0.95
    for match in _NORTH_AMERICAN.finditer(text):
        yield "PHONE_NUMBER", match.start(), match.end(), 0.9
    for match in _AFTER_CUE.finditer(text):
        yield "PHONE_NUMBER", match.start(1), match.end(1), 0.85
    for count, match in enumerate(_INTERNATIONAL.finditer(text)):
        if count >= _VALIDATED or _is_international(match["number"]):
            yield "PHONE_NUMBER", match.start(), match.end(), 0.95
    for count, match in enumerate(_TRUNK.finditer(text)):
        if count >= _VALIDATED or _is_national(match.group()):
            yield "PHONE_NUMBER", match.start(), match.end(), 0.9


def _is_international(written: str) -> bool:
    digits = _NOT_DIGITS.sub("", written)
    try:
        number = phonenumbers.parse("+" + digits.removeprefix("00"), None)
    except phonenumbers.NumberParseException:
        return False
    if phonenumbers.is_valid_number(number):
        return True
    # Numbers set aside for examples are possible and not valid; a person would still write them so.
    return " " in written.strip() and phonenumbers.is_possible_number(number)


def _is_national(written: str) -> bool:
    digits = _NOT_DIGITS.sub("", written)
    if not 9 <= len(digits) <= 12:
        return False
    for region in _TRUNK_REGIONS:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(digits, region)):
                return True
        except phonenumbers.NumberParseException:
            continue
    return False
