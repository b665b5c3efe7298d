"""E-mail and IP addresses, API keys and other credentials that have a form of their own."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from vsr.signals.numbers import Span

_ACCENTED: Final = "\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f"
_AT: Final = re.compile(r"@(?=[^\W_]|\[)")
_LOCAL: Final = re.compile(rf"[A-Za-z0-9._%+\-'{_ACCENTED}]{{1,64}}\Z")
_QUOTED_LOCAL: Final = re.compile(r"\"(?=[^\"]*[A-Za-z0-9])[\w .!#$%&'*+/=?^`{|}~@\-]{1,62}\"\Z", re.ASCII)
# A bracket right behind a name calls it (`A@B.inv()`), unless mail often ends so or no code stands in it.
_MAIL_DOMAIN: Final = re.compile(
    r"(?:[^\W_](?:[^\W_]|-){0,62}\.){1,8}"
    r"(?:(?:com|edu|gov|cn|fr|jp|ru|uk)(?!\(\))"
    r"|(?:[a-z]{2,24}|xn--[a-z0-9\-]{1,58}[a-z0-9])(?!\((?![^\x00-\x7f])))"
    r"(?![A-Za-z0-9_@]|-[A-Za-z0-9]|\.[A-Za-z])",
    re.IGNORECASE,
)
_MAIL_HOST: Final = re.compile(
    r"\[(?:IPv6:)?(?P<quoted>[0-9a-f:.]{3,45})\]|(?P<bare>\d{1,3}(?:\.\d{1,3}){3})(?![\w:/]|\.\d)",
    re.ASCII | re.IGNORECASE,
)
_LOGIN: Final = re.compile(r"\b(?:ssh|scp|sftp|rsync|mosh|telnet)\b[^\n@]{0,40}\Z", re.IGNORECASE)

_IPV4: Final = re.compile(
    r"(?<![\w.])(?<!\d:)((?:\d{1,3}\.){3}\d{1,3})(?!\w|\.\d)(?:/(?:3[0-2]|[12]?\d)(?!\d))?", re.ASCII
)
_IPV4_HINT: Final = re.compile(r"\d\.\d{1,3}\.\d{1,3}\.\d", re.ASCII)
_IPV6_HINT: Final = re.compile(r"::|:[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}:")
_VERSION: Final = re.compile(
    r"(?:version|release|ver|build|section|chapter|版本|章节?|[§v第])[ .:]*\Z", re.IGNORECASE
)
_IPV6: Final = re.compile(
    r"(?<![\w:.])(?=[0-9a-f]{0,4}:)([0-9a-f:]{2,39}(?:\d{1,3}(?:\.\d{1,3}){3})?)(?:%[a-z0-9]{1,15})?"
    r"(?![\w:])(?!\.\d)(?:/(?:12[0-8]|1[01]\d|\d{1,2})(?!\d))?",
    re.ASCII | re.IGNORECASE,
)
_NAMED: Final = re.compile(
    r"\b(?:ip(?:v[46])?|addr(?:ess)?|host|gateway|unspecified|loopback)[^\w\n]{0,3}(?:is|was|of)?[ ]?\Z",
    re.IGNORECASE,
)
_PLACED: Final = re.compile(r"\b(?:from|to|on|at)[ ]\Z", re.IGNORECASE)
_GLOBAL_OR_LINK: Final = re.compile(
    r"(?:[23][0-9a-f]{3}|fe[89ab][0-9a-f]|ff[0-9a-f]{2}|f[cd][0-9a-f]{2}):", re.I
)

_KEY: Final = re.compile(
    r"""(?<![A-Za-z0-9_\-])(?:
        sk-(?:[A-Za-z]{2,12}-)?[A-Za-z0-9_\-]{20,200}                  # OpenAI, Anthropic and kin
        |(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,120}                # Stripe
        |gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{22,255} # GitHub
        |glpat-[A-Za-z0-9_\-]{20,64}                                   # GitLab
        |(?:AKIA|ASIA)[0-9A-Z]{16}                                     # AWS
        |AIza[0-9A-Za-z_\-]{35}                                        # Google
        |xox[abeprs]-[A-Za-z0-9\-]{10,250}                             # Slack
        |hf_[A-Za-z0-9]{30,40}|npm_[A-Za-z0-9]{36}                     # Hugging Face, npm
        |eyJ[A-Za-z0-9_\-]{8,4000}\.eyJ[A-Za-z0-9_\-]{8,8000}\.[A-Za-z0-9_\-]{8,2000}  # JSON web token
    )(?![A-Za-z0-9_])""",
    re.VERBOSE | re.ASCII,
)
_KEY_PREFIXES: Final = (
    "sk-", "k_live_", "k_test_", "gh", "glpat-", "AKIA", "ASIA", "AIza", "xox", "hf_", "npm_", "eyJ",
)  # fmt: skip
_DISTINCT: Final = 8  # characters; fewer means a placeholder such as sk-xxxxxxxx
_PRIVATE_KEY: Final = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_PRIVATE_KEY_END: Final = re.compile(r"-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_PRIVATE_KEY_LIMIT: Final = 20_000  # characters; a cut-off key ends at most here


def find_emails(text: str) -> Iterator[Span]:
    """Looks outwards from each `@`, so that long runs of letters cost nothing."""
    for match in _AT.finditer(text):
        at = match.start()
        local = _local_part(text[max(0, at - 64) : at])
        end = _end_of_host(text, at, local) if local else 0
        if end and not (local == "git" and text.startswith(":", end)):
            yield "EMAIL_ADDRESS", at - len(local), end, 0.99


def _local_part(before: str) -> str:
    pattern = _QUOTED_LOCAL if before.endswith('"') else _LOCAL
    match = pattern.search(before)
    return match.group().lstrip(".+-%'") if match else ""


def _end_of_host(text: str, at: int, local: str) -> int:
    """Where the domain or the address literal after the `@` ends; 0 if none is there."""
    domain = _MAIL_DOMAIN.match(text, at + 1)
    if domain:
        return domain.end()
    host = _MAIL_HOST.match(text, at + 1)
    if not host or _LOGIN.search(text[max(0, at - len(local) - 48) : at - len(local)]):
        return 0
    return host.end() if is_ip_address(host["quoted"] or host["bare"]) else 0


def is_ip_address(written: str) -> bool:
    """RFC 4291 and dotted quads, with a zone or the length of a prefix."""
    try:
        ipaddress.ip_interface(written)
    except ValueError:
        return False
    return True


def find_ip_addresses(text: str) -> Iterator[Span]:
    """IPv4 loopback, unspecified addresses and netmasks stand in every configuration, identify nobody and
    are left out."""
    for match in _IPV6.finditer(text) if _IPV6_HINT.search(text) else ():
        if _is_host_v6(match.group(1), _is_announced(text, match)):
            yield "IP_ADDRESS", match.start(), match.end(), 0.95
    for match in _IPV4.finditer(text) if _IPV4_HINT.search(text) else ():
        if is_host_v4(match.group(1)) and not _VERSION.search(
            text[max(0, match.start() - 12) : match.start()]
        ):
            yield "IP_ADDRESS", match.start(), match.end(), 0.95


def is_host_v4(written: str) -> bool:
    try:
        address = ipaddress.IPv4Address(written)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified or written.startswith(("255.", "0.")))


def _is_announced(text: str, match: re.Match[str]) -> bool:
    """The length of a prefix, or the words before it, say that this is an address."""
    before = text[max(0, match.start() - 16) : match.start()]
    placed = match.group(1) != "::" and _PLACED.search(before) is not None
    return "/" in match.group() or placed or _NAMED.search(before) is not None


def _is_host_v6(written: str, announced: bool) -> bool:
    """`a::b` and `1::2` are addresses to the library and scopes or slices to a programmer, so a short
    form needs three groups, a prefix that is in use, or to be announced."""
    if "::" not in written and written.count(":") < 6:
        return False
    try:
        address = ipaddress.IPv6Address(written)
    except ValueError:
        return False
    if announced:
        return True
    if address.is_loopback or address.is_unspecified:
        return False
    groups = [group for group in written.split(":") if group]
    return len(groups) >= 3 or "." in written or bool(_GLOBAL_OR_LINK.match(written))


def find_credentials(text: str) -> Iterator[Span]:
    for match in _KEY.finditer(text) if any(prefix in text for prefix in _KEY_PREFIXES) else ():
        if len(set(match.group())) >= _DISTINCT and any(map(str.isdigit, match.group())):
            yield "PASSWORD", match.start(), match.end(), 0.99
    position = 0
    while begin := _PRIVATE_KEY.search(text, position):
        end = _PRIVATE_KEY_END.search(text, begin.end(), begin.end() + _PRIVATE_KEY_LIMIT)
        position = end.end() if end else min(len(text), begin.end() + _PRIVATE_KEY_LIMIT)
        yield "PASSWORD", begin.start(), position, 0.99
