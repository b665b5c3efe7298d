"""Identity that a trusted proxy in front has established, from the two headers it sets.

Whether a listener believes them at all is configured. Where a header comes twice, somebody before the
proxy wrote one of the two, so the request is refused rather than guessed about.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from vsr.config.headers import text
from vsr.config.policy import IdentityHeaders
from vsr.errors import InvalidRequest
from vsr.identity.principal import Principal, of_user

_LONGEST: Final = 256
_MOST_GROUPS: Final = 256


def of_proxy(headers: IdentityHeaders, fields: Sequence[tuple[str, str]]) -> Principal | None:
    """None if the proxy names nobody. Raises InvalidRequest for what cannot be one identity.

    fields: header fields with lower-case names. Groups are separated by commas.
    """
    user = _only(headers.user, fields)
    groups = [group.strip() for group in _only(headers.groups, fields).split(",")]
    if "," in user:  # two values that somebody joined
        raise _ambiguous(headers.user)
    if len(user) > _LONGEST or len(groups) > _MOST_GROUPS or any(len(group) > _LONGEST for group in groups):
        raise InvalidRequest("The identity that the proxy sent is too long.", code="invalid_identity")
    return of_user(user, frozenset(filter(None, groups))) if user else None


def _only(name: str, fields: Sequence[tuple[str, str]]) -> str:
    values = [value for given, value in fields if given == name]
    if len(values) > 1:
        raise _ambiguous(name)
    return text(values[0]).strip() if values else ""


def _ambiguous(name: str) -> InvalidRequest:
    return InvalidRequest(f"The header {name} must name one identity, once.", code="invalid_identity")
