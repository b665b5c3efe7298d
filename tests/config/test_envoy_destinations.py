from __future__ import annotations

import re

import pytest

from vsr.config.envoy_destinations import parse_destination
from vsr.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "allowed", "forbidden"),
    [
        ("10.0.1.7:8000", ["10.0.1.7:8000"], ["10.0.1.7:80", "10.0.1.70:8000", "10.0.1x7:8000"]),
        ("10.0.1.0/24:8000", ["10.0.1.9:8000", "10.0.1.255:8000"], ["10.0.2.1:8000", "110.0.1.1:8000"]),
        ("10.0.0.0/8:80", ["10.9.8.7:80"], ["11.0.0.1:80", "10.9.8.7.6:80"]),
        ("[::1]:9000", ["[::1]:9000"], ["[::2]:9000"]),
    ],
)
def test_a_destination_allows_its_addresses_and_no_others(
    text: str, allowed: list[str], forbidden: list[str]
) -> None:
    pattern = re.compile(parse_destination(text).regex)
    assert all(pattern.fullmatch(one) for one in allowed)
    assert not any(pattern.fullmatch(one) for one in forbidden)


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("10.0.0.1", "write ADDRESS:PORT"),
        ("10.0.0.1:0", "write ADDRESS:PORT"),
        ("10.0.0.1:99999", "write ADDRESS:PORT"),
        ("example.com:80", "only IP addresses"),
        ("10.0.0.0/20:80", "must end at an octet"),
        ("0.0.0.0/0:80", "must end at an octet"),
        ("[fd00::/64]:80", "one by one"),
    ],
)
def test_what_would_allow_too_much_or_nothing_is_refused_with_the_fix(text: str, fix: str) -> None:
    with pytest.raises(ConfigError, match=fix):
        parse_destination(text)
