"""Who is asking: API keys of a listener, or a proxy that it trusts, become an immutable principal.

Identity comes from here and from nowhere else. Headers that claim one are removed before anything is
sent on, and where they are not trusted nothing reads them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from vsr.config.headers import CREDENTIALS
from vsr.config.policy import ApiKey, Listener
from vsr.errors import Unauthenticated
from vsr.identity.principal import ANONYMOUS, Principal, of_key, of_user
from vsr.identity.proxy import of_proxy

CREDENTIAL_HEADERS = CREDENTIALS | {
    # keys of providers, as the original takes them from clients
    "x-user-openai-key",
    "x-user-anthropic-key",
    "x-user-azure-openai-key",
    "x-user-bedrock-key",
    "x-user-gemini-key",
    "x-user-vertex-ai-key",
    "x-user-minimax-key",
    # keys and tokens of clouds and gateways
    "x-amz-security-token",
    "ocp-apim-subscription-key",
    "x-serverless-authorization",
    "x-auth-token",
    "x-access-token",
    # what a proxy that logs users in adds for whoever stands behind it
    "x-forwarded-access-token",
    "x-goog-iap-jwt-assertion",
    "cf-access-jwt-assertion",
    "x-amzn-oidc-accesstoken",
    "x-amzn-oidc-data",
}
"""Never forwarded as they came: a client's key is for this router, a back end's is configured."""

CREDENTIAL_PARAMETER = re.compile(r"(?:.*(?:key|token|secret)|auth|authorization|password)")
"""The names of the same in query strings, in lower case."""


def authenticate(listener: Listener, fields: Sequence[tuple[str, str]]) -> Principal:
    """Check the client's key against the listener's, in constant time for each, and read who it is: what
    a trusted proxy says, else what is configured for the key.

    fields: header fields with lower-case names. Raises Unauthenticated if the listener has keys and none
    fits, InvalidRequest if a trusted proxy's headers contradict themselves.
    """
    token = _presented(dict(fields))
    fitting = _fitting(listener, token)
    named = of_proxy(listener.identity, fields) if listener.identity.trusted else None
    if named is not None:
        return named
    if fitting is None:
        return ANONYMOUS
    return of_user(fitting.user, fitting.groups) if fitting.user else of_key(token, fitting.groups)


def _presented(headers: Mapping[str, str]) -> str:
    scheme, _, presented = headers.get("authorization", "").partition(" ")
    return presented.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")


def _fitting(listener: Listener, token: str) -> ApiKey | None:
    """The key that was presented; None on a listener without keys."""
    if not listener.api_keys:
        return None
    if not token:
        raise Unauthenticated("Missing API key: send 'Authorization: Bearer <key>'.", code="missing_api_key")
    fits = [one for one in listener.api_keys if one.key.matches(token)]  # all are compared: no early exit
    if not fits:
        raise Unauthenticated("The API key is not valid for this listener.")
    return fits[0]
