"""Bodies of `GET /v1/models` and `GET /v1/models/{id}`.

The names that let the router choose come first; the configured models are listed only if the
configuration says so, since their names tell a client what stands behind.
"""

from __future__ import annotations

from typing import Any

from vsr.config.policy import Policy
from vsr.errors import ModelNotFound

ROUTER_OWNER = "vllm-semantic-router"
BACKEND_OWNER = "upstream-endpoint"
AUTO_DESCRIPTION = "Intelligent Router for Mixture-of-Models"


def models_list(policy: Policy, created: int) -> dict[str, Any]:
    """created: Unix time since when this configuration is live."""
    return {"object": "list", "data": list(_items(policy, created).values())}


def model_item(policy: Policy, name: str, created: int) -> dict[str, Any]:
    """One entry of the list. ModelNotFound for what the list does not show."""
    item = _items(policy, created).get(name)
    if item is None:
        raise ModelNotFound("this model is not available", param="model")
    return item


def _items(policy: Policy, created: int) -> dict[str, dict[str, Any]]:
    items = {name: _virtual(name, created, policy) for name in (*policy.auto_names, *policy.looper_names)}
    if policy.include_models_in_list:
        for model in policy.models.values():
            for name in (model.name, *model.loras):
                items.setdefault(name, _concrete(name, created, model.description, policy))
    return items


def _virtual(name: str, created: int, policy: Policy) -> dict[str, Any]:
    recipe = policy.entrypoints.get(name, "default")
    default = recipe == "default"
    routing = {"resolution": "virtual", "selectable": True, "default_route": default, "recipe": recipe}
    return _item(name, created, ROUTER_OWNER, AUTO_DESCRIPTION, routing)


def _concrete(name: str, created: int, description: str, policy: Policy) -> dict[str, Any]:
    default = name == (policy.default_lora or policy.default_model)
    routing = {"resolution": "passthrough", "selectable": True, "default_route": default, "recipe": ""}
    return _item(name, created, BACKEND_OWNER, description, routing)


def _item(name: str, created: int, owner: str, description: str, routing: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": created,
        "owned_by": owner,
        "description": description,
        "routing": routing,
    }
