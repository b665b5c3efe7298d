"""What a request's head alone decides: paths and methods, who is asking, health and the list of models.

Nothing here reads a body.
"""

from __future__ import annotations

from urllib.parse import unquote

from vsr.chat.body import dump_json
from vsr.chat.models import model_item, models_list
from vsr.config.policy import Limits, Listener, Policy
from vsr.errors import MethodNotAllowed, NotFound, Overloaded, TooLarge
from vsr.exchange.values import RequestHead, Services

CHAT_PATH = "/v1/chat/completions"
MODELS_PATH = "/v1/models"
HEALTH_PATHS = ("/health", "/livez")
READY_PATHS = ("/ready", "/readyz")


def health(head: RequestHead, *, ready: bool) -> tuple[int, bytes] | None:
    """Status and JSON body, for anybody who asks; None if something else is asked for."""
    if head.path in HEALTH_PATHS:
        _allow(head, "GET")
        return 200, b'{"status":"ok"}'
    if head.path in READY_PATHS:
        _allow(head, "GET")
        return (200, b'{"ready":true}') if ready else (503, b'{"ready":false}')
    return None


def check_path(head: RequestHead) -> None:
    """NotFound or MethodNotAllowed for what is not served."""
    if head.path == CHAT_PATH:
        _allow(head, "POST")
    elif head.path == MODELS_PATH or head.path.startswith(MODELS_PATH + "/"):
        _allow(head, "GET")
    else:
        raise NotFound("Unknown path: this router serves /v1/chat/completions and /v1/models.")


def listener_of(head: RequestHead, policy: Policy) -> Listener:
    by_name = {listener.name: listener for listener in policy.listeners}
    return by_name.get(head.listener, policy.listeners[0])


def models(head: RequestHead, policy: Policy, created: int) -> bytes | None:
    """The list of models, or the one that the path names (ModelNotFound); None for a chat."""
    if head.path == CHAT_PATH:
        return None
    if head.path == MODELS_PATH:
        return dump_json(models_list(policy, created))
    return dump_json(model_item(policy, unquote(head.path[len(MODELS_PATH) + 1 :]), created))


def admit(services: Services, content_length: str) -> None:
    """Overloaded or TooLarge, before anything of the body is read."""
    limits = services.policy.limits
    if services.running > limits.max_concurrent_requests:
        raise Overloaded("The router is busy: too many requests at once. Try again shortly.", retry_after=1)
    if content_length.isdigit() and int(content_length) > limits.max_body_bytes:
        raise too_large(limits)


def too_large(limits: Limits) -> TooLarge:
    return TooLarge(f"The request body is over the limit of {limits.max_body_bytes} bytes.")


def _allow(head: RequestHead, method: str) -> None:
    if head.method != method:
        raise MethodNotAllowed(f"Method not allowed here: use {method}.")
