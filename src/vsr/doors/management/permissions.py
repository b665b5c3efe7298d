"""Who may do what with the management API: three fixed roles, each of which includes the one before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from starlette.requests import Request

from vsr.config.endpoints import is_loopback
from vsr.config.policy import ManagementToken
from vsr.errors import Forbidden, Unauthenticated

Permission = Literal["docs.read", "config.read", "classify.invoke", "learning.ingest", "config.write"]
Role = Literal["viewer", "operator", "admin"]

_VIEWER: Final[frozenset[Permission]] = frozenset({"docs.read", "config.read", "classify.invoke"})
_OPERATOR: Final[frozenset[Permission]] = _VIEWER | {"learning.ingest"}
_ADMIN: Final[frozenset[Permission]] = _OPERATOR | {"config.write"}
ROLES: Final[Mapping[Role, frozenset[Permission]]] = {
    "viewer": _VIEWER,
    "operator": _OPERATOR,
    "admin": _ADMIN,
}
_CHANGING: Final = _ADMIN - _VIEWER
"""A viewer changes nothing."""


def authorize(request: Request, tokens: tuple[ManagementToken, ...], permission: Permission) -> None:
    """Raises Unauthenticated without a valid token, Forbidden if its role does not suffice."""
    if not tokens:  # allowed on loopback only, which the configuration sees to
        if permission in _CHANGING:
            _refuse_browsers(request)
        return
    scheme, _, presented = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not presented.strip():
        raise Unauthenticated(
            "Missing management token: send 'Authorization: Bearer <token>'.", code="missing_api_key"
        )
    fitting = [one for one in tokens if one.token.matches(presented.strip())]  # all are compared
    if not fitting:
        raise Unauthenticated("The management token is not valid.")
    if not any(permission in ROLES[one.role] for one in fitting):
        able = " or ".join(role for role, allowed in ROLES.items() if permission in allowed)
        raise Forbidden(f"This token's role may not do this: {permission} needs the role {able}.")


def _refuse_browsers(request: Request) -> None:
    """Without tokens, a page in a browser on this machine must change nothing that stays: neither from its
    own origin nor by a host name that somebody lets point here."""
    host = request.headers.get("host", "").rpartition(":")[0] or request.headers.get("host", "")
    if "origin" in request.headers or not (host == "localhost" or is_loopback(host.strip("[]"))):
        raise Forbidden(
            "Without tokens this can be done only from this machine and not from a browser: "
            "ask http://127.0.0.1, or set global.services.management_api.auth."
        )
