"""Who is asking: API keys of a listener become an immutable principal.

Identity comes from here and from nowhere else; headers that claim one are removed before routing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from vsr.config.policy import Listener
from vsr.errors import Unauthenticated

CREDENTIAL_HEADERS = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "x-api-key",
        "api-key",
        "cookie",
        "x-user-openai-key",
        "x-user-anthropic-key",
        "x-user-azure-openai-key",
        "x-user-bedrock-key",
        "x-user-gemini-key",
        "x-user-vertex-ai-key",
        "x-user-minimax-key",
    }
)
"""Never forwarded as they came: a client's key is for this router, a back end's is configured."""


@dataclass(frozen=True, slots=True)
class Principal:
    """`id` is stable for a key and cannot be turned back into it; `anonymous` where none is needed."""

    id: str


ANONYMOUS = Principal("anonymous")


def authenticate(listener: Listener, headers: dict[str, str]) -> Principal:
    """Check the client's key against the listener's, in constant time for each.

    headers: lower-case names. Raises Unauthenticated if the listener has keys and none fits.
    """
    if not listener.api_keys:
        return ANONYMOUS
    scheme, _, presented = headers.get("authorization", "").partition(" ")
    token = presented.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
    if not token:
        raise Unauthenticated("Missing API key: send 'Authorization: Bearer <key>'.", code="missing_api_key")
    fits = [key.matches(token) for key in listener.api_keys]  # all are compared: no early exit
    if not any(fits):
        raise Unauthenticated("The API key is not valid for this listener.")
    return Principal("key-" + hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()[:16])
