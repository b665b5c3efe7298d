"""Envoy's ext_proc messages, translated from and to the values of an exchange. No state, no choices.

Header values travel in `raw_value` only: Envoy answers 500 when `value` is set beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from envoy.config.core.v3 import base_pb2
from envoy.extensions.filters.http.ext_proc.v3 import processing_mode_pb2
from envoy.service.ext_proc.v3 import external_processor_pb2 as pb

from vsr.config.envoy_errors import OWN_DETAILS, error_for
from vsr.errors import RequestError
from vsr.exchange import Answer, Attempt, Forward, Headers, RequestHead, ResponseHead

_OVERWRITE = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
_FILTER = "envoy.filters.http.ext_proc"


# ---------------------------------------------------------------- from Envoy


def request_head(message: pb.HttpHeaders, listener: str) -> RequestHead:
    """The head of a request; `:path` stays percent-encoded and loses its query string."""
    fields = header_fields(message)
    pseudo = {name: value for name, value in fields if name.startswith(":")}
    path, _, query = pseudo.get(":path", "").partition("?")
    headers = tuple((name, value) for name, value in fields if not name.startswith(":"))
    host = pseudo.get(":authority")
    if host is not None:
        headers = (("host", host), *headers)
    return RequestHead(
        method=pseudo.get(":method", ""), path=path, query=query, headers=headers, listener=listener
    )


def response_head(message: pb.HttpHeaders) -> tuple[int, Headers]:
    """Status (0 if it is missing or no number) and header fields."""
    fields = header_fields(message)
    status = next((value for name, value in fields if name == ":status"), "")
    headers = tuple((name, value) for name, value in fields if not name.startswith(":"))
    return (int(status) if status.isdecimal() else 0), headers


def header_fields(message: pb.HttpHeaders) -> Headers:
    return tuple(
        (field.key.lower(), field.raw_value.decode("latin-1") if field.raw_value else field.value)
        for field in message.headers.headers
    )


def own_failure(message: pb.ProcessingRequest) -> RequestError | None:
    """The error if this response was made by Envoy itself (it could not reach a back end, ...)."""
    attributes = message.attributes
    if _FILTER not in attributes:
        return None
    details = attributes[_FILTER].fields.get("response.code_details")
    return None if details is None else error_for(details.string_value)


# ---------------------------------------------------------------- to Envoy


def immediate(answer: Answer) -> pb.ProcessingResponse:
    """Answer the client now. Envoy computes the content-length itself."""
    headers = header_mutation([(k, v) for k, v in answer.headers if k != "content-length"])
    return pb.ProcessingResponse(
        immediate_response=pb.ImmediateResponse(
            status={"code": answer.status},
            headers=headers,
            body=answer.body,
            details=f"{OWN_DETAILS}{answer.detail or answer.status}",
        )
    )


def proceed(phase: str) -> pb.ProcessingResponse:
    """Go on unchanged. phase is the name of the request's oneof field."""
    if phase.endswith("headers"):
        return pb.ProcessingResponse(**{phase: pb.HeadersResponse()})
    if phase.endswith("body"):
        return pb.ProcessingResponse(**{phase: pb.BodyResponse()})
    return pb.ProcessingResponse(**{phase: pb.TrailersResponse()})


def forward_body(forward: Forward, head: RequestHead) -> pb.ProcessingResponse:
    """Send the request on with its new body; the reply to `request_body`."""
    return pb.ProcessingResponse(request_body=pb.BodyResponse(response=_forward(forward, head)))


def forward_headers(forward: Forward, head: RequestHead) -> pb.ProcessingResponse:
    """The same for a request that came without a body; the reply to `request_headers`."""
    common = _forward(forward, head)
    common.status = pb.CommonResponse.CONTINUE_AND_REPLACE
    return pb.ProcessingResponse(request_headers=pb.HeadersResponse(response=common))


def send_on(headers: Mapping[str, str]) -> pb.ProcessingResponse:
    """Send the request where these headers lead, its body as it came; the reply to `request_body`."""
    common = pb.CommonResponse(header_mutation=header_mutation(headers.items()), clear_route_cache=True)
    return pb.ProcessingResponse(request_body=pb.BodyResponse(response=common))


def let_pass() -> pb.ProcessingResponse:
    """Pass a response on without showing its body here; the reply to `response_headers`."""
    mode = processing_mode_pb2.ProcessingMode
    override = mode(response_body_mode=mode.NONE, response_trailer_mode=mode.SKIP)
    return pb.ProcessingResponse(response_headers=pb.HeadersResponse(), mode_override=override)


def _forward(forward: Forward, head: RequestHead) -> pb.CommonResponse:
    attempt = forward.attempts[0]
    fields = [*attempt.set_headers.items(), ("content-length", str(len(forward.body)))]
    if attempt.path != _full_path(head):
        fields.append((":path", attempt.path))
    return pb.CommonResponse(
        header_mutation=header_mutation(fields, _removed(attempt)),
        body_mutation=pb.BodyMutation(body=forward.body),
        clear_route_cache=forward.clear_route_cache,
    )


def _removed(attempt: Attempt) -> Iterable[str]:
    # The route rewrites the authority, and the length is set anew.
    kept = {"host", "content-length", *attempt.set_headers}
    return sorted(attempt.remove_headers - kept)


def _full_path(head: RequestHead) -> str:
    return f"{head.path}?{head.query}" if head.query else head.path


def response_headers(head: ResponseHead, status: int) -> pb.ProcessingResponse:
    """Change the response's head and ask for its body whole or chunk by chunk."""
    fields = list(head.set_headers.items())
    if head.status != status:
        fields.append((":status", str(head.status)))
    mode = processing_mode_pb2.ProcessingMode
    # In the duplex mode the stream can be ended here, with an error event, should the back end fall silent.
    body_mode = mode.BUFFERED if head.buffered else mode.FULL_DUPLEX_STREAMED
    trailer_mode = mode.SKIP if head.buffered else mode.SEND  # the duplex mode demands it
    removed = head.remove_headers - head.set_headers.keys()
    if not head.buffered:
        removed |= {"content-length"}
    common = pb.CommonResponse(header_mutation=header_mutation(fields, sorted(removed)))
    return pb.ProcessingResponse(
        response_headers=pb.HeadersResponse(response=common),
        mode_override=mode(response_body_mode=body_mode, response_trailer_mode=trailer_mode),
    )


def response_without_body(head: ResponseHead, status: int, tail: bytes) -> pb.ProcessingResponse:
    """The same for a response that has no body, with what the exchange wants sent instead, if anything."""
    reply = response_headers(head, status)
    reply.ClearField("mode_override")
    if tail:
        common = reply.response_headers.response
        common.status = pb.CommonResponse.CONTINUE_AND_REPLACE
        common.body_mutation.body = tail
    return reply


def whole_body(body: bytes) -> pb.ProcessingResponse:
    """Replace a buffered body. Its head waits for this reply, so the length can still be set."""
    common = pb.CommonResponse(
        header_mutation=header_mutation([("content-length", str(len(body)))]),
        body_mutation=pb.BodyMutation(body=body),
    )
    return pb.ProcessingResponse(response_body=pb.BodyResponse(response=common))


def response_chunk(chunk: bytes, *, end: bool) -> pb.ProcessingResponse:
    """Pass `chunk` on as the next part of a streamed response. end: it is the last one."""
    part = pb.StreamedBodyResponse(body=chunk, end_of_stream=end)
    common = pb.CommonResponse(body_mutation=pb.BodyMutation(streamed_response=part))
    return pb.ProcessingResponse(response_body=pb.BodyResponse(response=common))


def more_time(seconds: float) -> pb.ProcessingResponse:
    """Ask Envoy to wait longer for the reply; it accepts this once per message."""
    reply = pb.ProcessingResponse()
    reply.override_message_timeout.FromMilliseconds(int(seconds * 1000))
    return reply


def header_mutation(fields: Iterable[tuple[str, str]], removed: Iterable[str] = ()) -> pb.HeaderMutation:
    options = [
        base_pb2.HeaderValueOption(
            header=base_pb2.HeaderValue(key=name, raw_value=_encode(value)), append_action=_OVERWRITE
        )
        for name, value in fields
    ]
    return pb.HeaderMutation(set_headers=options, remove_headers=removed)


def _encode(value: str) -> bytes:
    # As it came in; only text of our own (a decision's name) can be beyond latin-1.
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode()
