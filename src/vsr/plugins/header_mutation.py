"""Plugin `header_mutation`: headers the operator adds to, or takes from, the request to a back end.

Headers that frame the message, name the host or belong to the router are not the operator's to
change; such entries are passed over here. Credentials belong to the back end's own settings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from vsr.providers.headers import HOP_BY_HOP, MADE_FOR_REQUEST
from vsr.route import HeaderMutation

_FRAMING: Final = HOP_BY_HOP | MADE_FOR_REQUEST
_ROUTERS: Final = re.compile(
    r"x-vsr-.*|x-envoy-.*|x-authz-.*|x-selected-model|x-gateway-destination-endpoint"
)
_NAME: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 token, lower case
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")  # no line breaks: they would start a new header


def apply(headers: Mapping[str, str], mutation: HeaderMutation) -> tuple[dict[str, str], frozenset[str]]:
    """(headers to set, names to remove), all lower case.

    `headers` are the request's, keyed in lower case. `add` and `update` both overwrite, as in the
    original; a header that is deleted and set is set.
    """
    pairs = [(name.lower(), value) for name, value in (*mutation.add, *mutation.update)]
    changed = {name: value for name, value in pairs if is_changeable(name) and _VALUE.fullmatch(value)}
    deleted = {name.lower() for name in mutation.delete if is_changeable(name)}
    return changed, frozenset(deleted & headers.keys() - changed.keys())


def is_changeable(name: str) -> bool:
    name = name.lower()
    return bool(_NAME.fullmatch(name)) and name not in _FRAMING and not _ROUTERS.fullmatch(name)
