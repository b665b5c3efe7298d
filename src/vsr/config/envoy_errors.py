"""What Envoy says when it answers by itself: OpenAI error bodies instead of plain text.

One table says which of Envoy's response code details means which error; it becomes the
`local_reply_config` of the generated configuration, and the processor uses it too for the failures
that it sees pass. Answers of the processor carry details of their own and are left alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from vsr.errors import (
    BackendTimeout,
    BadBackend,
    InvalidRequest,
    Overloaded,
    RequestError,
    TooLarge,
    Unavailable,
)

OWN_DETAILS = "vsr_"
"""Every answer made by the processor has response code details that begin so."""

VIA_UPSTREAM = "via_upstream"
"""Envoy's details of a response that a back end sent."""

Object = dict[str, object]

EXTENSIONS = "type.googleapis.com/envoy.extensions"


@dataclass(frozen=True, slots=True)
class LocalReply:
    """An error for details that begin with, or contain, one of the given words."""

    error: RequestError
    prefixes: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    def matches(self, details: str) -> bool:
        return details.startswith(self.prefixes) or any(word in details for word in self.words)

    @property
    def expression(self) -> str:
        """The same test in CEL, over `response.code_details`."""
        tests = [f"response.code_details.startsWith('{prefix}')" for prefix in self.prefixes]
        tests += [f"response.code_details.contains('{word}')" for word in self.words]
        return " || ".join(tests)


# First match wins.
LOCAL_REPLIES = (
    LocalReply(
        Unavailable("The router is not available.", code="router_unavailable", retry_after=1),
        prefixes=("ext_proc",),
    ),
    LocalReply(
        TooLarge("The request body is larger than this service accepts."),
        words=("request_payload_too_large",),
    ),
    LocalReply(
        InvalidRequest("The request did not arrive in time.", status=408, code="request_timeout"),
        words=("request_overall_timeout", "request_header_timeout"),
    ),
    LocalReply(Overloaded("Too many requests are running.", retry_after=1), words=("overflow", "overload")),
    LocalReply(BackendTimeout("The model's server did not answer in time."), words=("timeout",)),
    LocalReply(
        BadBackend("The model's server could not be reached or did not answer properly."),
        prefixes=("upstream", "no_healthy_upstream", "cluster_not_found", "response_payload_too_large"),
    ),
    LocalReply(
        Unavailable("This proxy has no route to the chosen model.", code="no_route", retry_after=1),
        prefixes=("direct_response", "route_not_found"),
    ),
)


def error_for(details: str) -> RequestError | None:
    """The error that a reply with these details means; None for a back end's answer or our own."""
    if not details or details == VIA_UPSTREAM or details.startswith(OWN_DETAILS):
        return None
    for reply in LOCAL_REPLIES:
        if reply.matches(details):
            return reply.error
    return BadBackend("The proxy could not complete the request.")


def local_reply_config() -> Object:
    """Envoy's `local_reply_config` for the table above, and two catch-alls."""
    mappers = [_mapper({"filter": _cel(reply.expression)}, reply.error) for reply in LOCAL_REPLIES]
    foreign = _cel(f"!response.code_details.startsWith('{OWN_DETAILS}')")
    client_fault = {"and_filter": {"filters": [foreign, _status("LE", 499), _status("GE", 400)]}}
    own_fault = {"and_filter": {"filters": [foreign, _status("GE", 500)]}}
    refused = InvalidRequest("The request is not valid HTTP or not accepted here.")
    mappers.append(_mapper({"filter": client_fault}, refused, keep_status=True))
    mappers.append(_mapper({"filter": own_fault}, BadBackend("The proxy could not complete the request.")))
    return {"mappers": mappers}


def _mapper(head: Object, error: RequestError, *, keep_status: bool = False) -> Object:
    headers = [
        {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        for key, value in error.headers().items()
        if key != "content-type"
    ]
    return {
        **head,
        **({} if keep_status else {"status_code": error.http_status}),
        "headers_to_add": headers,
        "body_format_override": {
            "content_type": "application/json",
            "text_format_source": {"inline_string": error.body().decode()},
        },
    }


def _cel(expression: str) -> Object:
    return {
        "extension_filter": {
            "name": "envoy.access_loggers.extension_filters.cel",
            "typed_config": {
                "@type": f"{EXTENSIONS}.access_loggers.filters.cel.v3.ExpressionFilter",
                "expression": expression,
            },
        }
    }


def _status(op: str, code: int) -> Object:
    comparison = {"op": op, "value": {"default_value": code, "runtime_key": "vsr.local_reply"}}
    return {"status_code_filter": {"comparison": comparison}}
