"""The list of models: the automatic names, and what stands behind them only if told to."""

from __future__ import annotations

import dataclasses

import pytest
from openai.types import Model as OpenAIModel

from vsr.chat.models import model_item, models_list
from vsr.config.policy import Model, Policy
from vsr.errors import ModelNotFound

MATH = Model("math", "math-7b", (), loras=("math-lora",), description="sums")
POLICY = Policy(auto_names=("auto", "MoM"), models={"math": MATH}, default_model="math")
OPEN = dataclasses.replace(POLICY, include_models_in_list=True)


def ids(policy: Policy) -> list[str]:
    return [item["id"] for item in models_list(policy, 1)["data"]]


def test_the_automatic_names_are_listed() -> None:
    assert models_list(POLICY, 1700000000)["object"] == "list"
    assert ids(POLICY) == ["auto", "MoM"]
    assert model_item(POLICY, "auto", 1700000000) == {
        "id": "auto",
        "object": "model",
        "created": 1700000000,
        "owned_by": "vllm-semantic-router",
        "description": "Intelligent Router for Mixture-of-Models",
        "routing": {"resolution": "virtual", "selectable": True, "default_route": True, "recipe": "default"},
    }


def test_an_entrypoint_is_listed_with_the_recipe_that_it_asks() -> None:
    policy = dataclasses.replace(POLICY, auto_names=("auto", "private"), entrypoints={"private": "local"})
    routing = {item["id"]: item["routing"] for item in models_list(policy, 1)["data"]}
    assert (routing["private"]["recipe"], routing["private"]["default_route"]) == ("local", False)
    assert (routing["auto"]["recipe"], routing["auto"]["default_route"]) == ("default", True)


def test_configured_models_and_their_loras_are_listed_if_asked_to() -> None:
    assert ids(OPEN) == ["auto", "MoM", "math", "math-lora"]
    item = model_item(OPEN, "math", 1)
    assert (item["owned_by"], item["description"]) == ("upstream-endpoint", "sums")
    assert item["routing"]["resolution"] == "passthrough"
    assert item["routing"]["default_route"]
    assert not model_item(OPEN, "math-lora", 1)["routing"]["default_route"]
    tuned = dataclasses.replace(OPEN, default_lora="math-lora")
    defaults = {item["id"] for item in models_list(tuned, 1)["data"] if item["routing"]["default_route"]}
    assert defaults == {"auto", "MoM", "math-lora"}


@pytest.mark.parametrize("name", ["math", "nobody", ""])
def test_a_name_that_is_not_listed_is_not_found(name: str) -> None:
    with pytest.raises(ModelNotFound) as caught:
        model_item(POLICY, name, 1)
    assert caught.value.http_status == 404


def test_the_openai_client_accepts_every_item() -> None:
    for item in models_list(OPEN, 1)["data"]:
        OpenAIModel.model_validate(item, strict=True)
