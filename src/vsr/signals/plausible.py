"""Whether what the encoder's head calls an identifier can be one.

Types with check digits or a grammar are held to them. A span that is written in another way than its type
prescribes (the last four digits of a card, an e-mail address spelt out in words) is left to the head.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from vsr.signals.addresses import is_host_v4, is_ip_address
from vsr.signals.numbers import (
    bare,
    is_card_number,
    is_iban,
    is_resident_number,
    is_social_security_number,
)
from vsr.signals.text import fold

EXACT: Final[Mapping[str, re.Pattern[str]]] = {
    "CREDIT_CARD": re.compile(r"\d(?:[ .\-]?\d){12,18}", re.ASCII),
    "EMAIL_ADDRESS": re.compile(r"[^@]+@[^@]+"),
    "IBAN_CODE": re.compile(r"[A-Z]{2}\d{2}.+", re.ASCII | re.IGNORECASE),
    "IP_ADDRESS": re.compile(r".*[.:].*"),
    "US_SSN": re.compile(r"\d(?:[ .\-]?\d){8}", re.ASCII),
}
"""Types whose form says where they begin and end, so that a pattern knows better than the head → how one
looks that is written in full."""

_DIGITS: Final = re.compile(r"\d+", re.ASCII)
_IBAN: Final = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", re.ASCII)
_RUN_BEFORE: Final = re.compile(r"(?:\d[.\-]?)*\Z", re.ASCII)
_RUN_AFTER: Final = re.compile(r"(?:[.\-]?\d)*", re.ASCII)
_GROUP_BEFORE: Final = re.compile(r"\d[ .\-]?\Z", re.ASCII)
_GROUP_AFTER: Final = re.compile(r"[ .\-]?\d", re.ASCII)
_LAST_DIGITS: Final = 4
_AROUND: Final = 24
"""Characters beside a span that may belong to it."""
_SPELT: Final = re.compile(r"\b(?:at|dot)\b|艾特|点", re.IGNORECASE)
_RESIDENT: Final = re.compile(r"\d{17}[\dX]", re.ASCII)
_EMAIL: Final = re.compile(r"[^\s@<>()\[\],;:]{1,64}@(?:[^\W_](?:[^\W_]|-){0,62}\.){1,8}[^\W\d_]{2,24}")
_AMOUNT: Final = re.compile(r"\d,\d{3}(?!\d)", re.ASCII)
_NAME_GOES_ON: Final = re.compile(r"[A-Za-z0-9_@-]|\.[A-Za-z0-9]")
_ADDRESS_GOES_ON: Final = re.compile(r"[\w:]|\.\d")
_PORT: Final = re.compile(r"(?P<v4>[\d.]+)(?::\d{1,5})?|\[(?P<v6>[^\]]+)\](?::\d{1,5})?", re.ASCII)


def is_plausible(kind: str, text: str, start: int, end: int) -> bool:
    """`text[start:end]` may be an entity of this type."""
    check = _CHECKS.get(kind)
    if check is None:
        return True
    before, after = text[max(0, start - _AROUND) : start], text[end : end + _AROUND]
    return check(fold(text[start:end]).text, before, after)


def is_in_full(kind: str, text: str, start: int, end: int) -> bool:
    """`text[start:end]` is an entity of this exact type: no part of one, and no words about one."""
    value = fold(text[start:end]).text
    return EXACT[kind].fullmatch(value) is not None and is_plausible(kind, text, start, end)


def _card(value: str, before: str, after: str) -> bool:
    """Four digits may be the last of one, but not if they are cut out of a longer number."""
    digits = bare(value)
    if not _DIGITS.fullmatch(digits) or is_card_number(digits):
        return True
    alone = not _GROUP_BEFORE.search(before) and not _GROUP_AFTER.match(after)
    return alone and len(digits) == _LAST_DIGITS


def _social_security_number(value: str, before: str, after: str) -> bool:
    """Four digits may be the last of one, but not if they are cut out of a longer number."""
    if not _DIGITS.fullmatch(bare(value)):
        return True
    digits = bare(_run(_RUN_BEFORE.search(before)) + value + _run(_RUN_AFTER.match(after)))
    return len(digits) < 9 or is_social_security_number(digits)


def _run(match: re.Match[str] | None) -> str:
    return match.group() if match else ""


def _phone(value: str, _: str, __: str) -> bool:
    """E.164 has at most 15 digits; fewer than five reach a service or an extension, not a person."""
    digits = re.sub(r"[ +().\-/]", "", value)
    return 5 <= len(digits) <= 15 if _DIGITS.fullmatch(digits) else True


def _iban(value: str, _: str, __: str) -> bool:
    number = bare(value)
    return _IBAN.fullmatch(number) is not None and is_iban(number)


def _other_id(value: str, _: str, __: str) -> bool:
    number = bare(value)
    return is_resident_number(number) if _RESIDENT.fullmatch(number) else True


def _email(value: str, _: str, after: str) -> bool:
    if "@" not in value:
        return _SPELT.search(value) is not None
    return _EMAIL.fullmatch(value) is not None and not _NAME_GOES_ON.match(after)


def _street(value: str, _: str, __: str) -> bool:
    """Rows of tables of prices and areas begin like addresses."""
    return not _AMOUNT.search(value)


def _ip_address(value: str, before: str, after: str) -> bool:
    match = _PORT.fullmatch(value)
    written = (match["v4"] or match["v6"]) if match else value
    if not is_ip_address(written) or before.endswith((":", ".")) or _ADDRESS_GOES_ON.match(after):
        return False
    return ":" in written or is_host_v4(written.partition("/")[0])


_CHECKS: Final[Mapping[str, Callable[[str, str, str], bool]]] = {
    "CREDIT_CARD": _card,
    "EMAIL_ADDRESS": _email,
    "IBAN_CODE": _iban,
    "IP_ADDRESS": _ip_address,
    "OTHER_ID": _other_id,
    "PHONE_NUMBER": _phone,
    "STREET_ADDRESS": _street,
    "US_SSN": _social_security_number,
}
"""Type → whether a value, after and before these characters, keeps to its form."""
