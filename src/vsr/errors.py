"""Everything that can go wrong for a client, and the one place that says how it looks outside.

    VSRError
    ├── ConfigError              a configuration file is wrong (file, line, fix)
    │   └── RestartNeeded        it is right, but a running router cannot change to it
    ├── NotSaved                 a configuration file cannot be written
    ├── Stale                    a configuration file is not what somebody who changes it believes
    ├── BundleError              an encoder bundle is missing, broken or foreign
    ├── EvaluationError          what a bundle was to be measured or calibrated on does not do
    ├── StartError               an address is taken, or a server that is needed at the start does not answer
    ├── EnvoyError               Envoy is not installed, does not start or died
    └── RequestError             one request cannot be served; has a status and an OpenAI body
        ├── InvalidRequest       400  malformed JSON, missing fields, wrong types
        ├── Unauthenticated      401  no or a wrong key
        ├── Refused              403  a guard or a policy said no
        ├── Forbidden            403  a token whose role may not do this
        ├── NotFound             404  unknown path
        ├── ModelNotFound        404  unknown model name (status configurable)
        ├── MethodNotAllowed     405
        ├── Conflict             409  what is to be changed is not in the state for it
        ├── TooLarge             413  body or prompt over a limit
        ├── UnsupportedEncoding  415  a content-encoding we do not decode
        ├── RateLimited          429  a client exceeded its share
        ├── ClientGone           499  the client closed the connection; nobody reads this
        ├── InternalError        500  a bug of ours
        ├── StorageFailed        500  a file could not be written; 507 if the disk is full
        ├── BadBackend           502  refused, died or answered garbage
        ├── Overloaded           503  our own queues are full
        ├── Unavailable          503  a guard could not judge (safety fails closed), or draining
        └── BackendTimeout       504  connect, first token or idle

Bodies follow OpenAI: `{"error": {"message", "type", "param", "code"}}`. The SDK maps errors by
status and obeys `retry-after` and `x-should-retry`. Messages never contain a client's text.
"""

from __future__ import annotations

import json
import logging
import traceback
from dataclasses import dataclass
from typing import ClassVar, Literal


class VSRError(Exception):
    """Root of all errors raised on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file. `line` is 1-based, 0 when no line is to blame."""

    message: str
    path: str = ""
    line: int = 0

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}: " if self.line else (f"{self.path}: " if self.path else "")
        return where + self.message


class ConfigError(VSRError):
    """A configuration cannot be used. Carries every problem found, not only the first."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class RestartNeeded(ConfigError):
    """What the configuration changes is fixed while the router runs. It is right otherwise, so it has
    `warnings` and `inert` as a configuration in use has."""

    def __init__(
        self, problems: list[Problem], warnings: tuple[Problem, ...], inert: tuple[Problem, ...]
    ) -> None:
        self.warnings = warnings
        self.inert = inert
        super().__init__(problems)


class NotSaved(VSRError):
    """Nothing was changed. `reason` says whether trying again can help."""

    def __init__(self, message: str, reason: Literal["read_only", "full", "failed"]) -> None:
        super().__init__(message)
        self.reason = reason


class Stale(VSRError):
    """Somebody else was faster; `found` is the digest of what is there now."""

    def __init__(self, message: str, found: str) -> None:
        super().__init__(message)
        self.found = found


class BundleError(VSRError):
    """An encoder bundle is missing, partial, tampered with or made for another engine."""


class SelectorError(VSRError):
    """A trained selector is missing, damaged, or does not fit what it is used for."""


class EvaluationError(VSRError):
    """Rows to measure or calibrate on are missing, malformed or too few; or a package to show them is."""


class StartError(VSRError):
    """An address cannot be listened on, or a server that is needed at the start does not answer."""


class EnvoyError(VSRError):
    """Envoy is not installed, does not start or died."""


class RequestError(VSRError):
    """A request that ends with an error answer.

    status: HTTP status. kind: OpenAI `error.type`. code: OpenAI `error.code`, also the metric label.
    retry_after: seconds, sent as a header when set. should_retry: `x-should-retry` when not None.
    response_path: value of `x-vsr-response-path`.
    """

    status: ClassVar[int] = 500
    kind: ClassVar[str] = "server_error"
    code: ClassVar[str] = "internal_error"
    should_retry: ClassVar[bool | None] = None
    response_path: ClassVar[str] = "error"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        status: int | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.error_code = code or self.code
        self.http_status = status or self.status
        self.retry_after = retry_after

    def body(self) -> bytes:
        """The OpenAI error object, UTF-8 JSON."""
        return json.dumps({"error": self.as_dict()}, ensure_ascii=False).encode()

    def as_dict(self) -> dict[str, str | None]:
        return {
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.error_code,
        }

    def headers(self) -> dict[str, str]:
        """Headers that go with the error answer (lower case)."""
        headers = {
            "content-type": "application/json",
            "x-vsr-schema-version": "2",
            "x-vsr-response-path": self.response_path,
        }
        if self.retry_after is not None:
            headers["retry-after"] = str(self.retry_after)
        if self.should_retry is not None:
            headers["x-should-retry"] = "true" if self.should_retry else "false"
        return headers


class InvalidRequest(RequestError):
    status, kind, code, should_retry = 400, "invalid_request_error", "invalid_request", False


class Unauthenticated(RequestError):
    status, kind, code, should_retry = 401, "authentication_error", "invalid_api_key", False


class Refused(RequestError):
    status, kind, code, should_retry = 403, "permission_error", "content_policy_violation", False
    response_path = "blocked"


class Forbidden(RequestError):
    status, kind, code, should_retry = 403, "permission_error", "forbidden", False


class NotFound(RequestError):
    status, kind, code, should_retry = 404, "not_found_error", "not_found", False


class ModelNotFound(RequestError):
    status, kind, code, should_retry = 404, "not_found_error", "model_not_found", False


class MethodNotAllowed(RequestError):
    status, kind, code, should_retry = 405, "invalid_request_error", "method_not_allowed", False


class Conflict(RequestError):
    status, kind, code, should_retry = 409, "invalid_request_error", "conflict", False


class TooLarge(RequestError):
    status, kind, code, should_retry = 413, "invalid_request_error", "request_too_large", False


class UnsupportedEncoding(RequestError):
    status, kind, code, should_retry = 415, "invalid_request_error", "unsupported_encoding", False


class RateLimited(RequestError):
    status, kind, code = 429, "rate_limit_error", "rate_limit_exceeded"
    response_path = "rate_limited"


class ClientGone(RequestError):
    status, kind, code = 499, "server_error", "client_closed_request"


class InternalError(RequestError):
    status, kind, code = 500, "server_error", "internal_error"


class StorageFailed(RequestError):
    status, kind, code, should_retry = 500, "server_error", "storage_failed", False


class BadBackend(RequestError):
    status, kind, code = 502, "server_error", "bad_backend"


class Overloaded(RequestError):
    status, kind, code = 503, "server_error", "overloaded"


class EncoderBusy(Overloaded):
    """The examples of a configuration could not be read now. Nothing says that it is wrong."""


class Unavailable(RequestError):
    status, kind, code = 503, "server_error", "guard_unavailable"


class BackendTimeout(RequestError):
    status, kind, code = 504, "server_error", "backend_timeout"


def log_crash(logger: logging.Logger, what: str, error: BaseException) -> None:
    """A bug, as it may be logged: an exception's message can hold a client's text, its frames do not."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error("%s: %s\n%s", what, type(error).__name__, frames)
