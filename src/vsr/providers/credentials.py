"""A back end that does not accept what the router presents: the operator's affair, not the client's.

Such an answer may show a part of the operator's key, and reads as if the client's own were wrong, so it
goes no further.
"""

from __future__ import annotations

import logging
from functools import lru_cache

from vsr.config.policy import Backend
from vsr.errors import BadBackend

logger = logging.getLogger(__name__)


class CredentialRefused(BadBackend):
    """The back end has done nothing but look at the router's credential."""


def credential_refused(backend: Backend, status: int) -> CredentialRefused | None:
    """The error that this status is, if it is about the router's credential. Where the client's own is sent
    on, a 401 is the client's; a 403 may be about what the client asked."""
    if status != 401 or backend.forward_authorization:
        return None
    _log_once(backend)
    return CredentialRefused(f"The back end {backend.name} did not accept the router's credential.")


@lru_cache(maxsize=256)
def _log_once(backend: Backend) -> None:
    """Not each time: a wrong key stays wrong until the configuration is another."""
    logger.warning("back end %s answers 401: is its api_key_env right?", backend.name)
