"""Recipes: routings of their own, and the model names that ask them."""

from __future__ import annotations

from tests.config.documents import complaint, policy, warned

RECIPES = """\
routing: {decisions: [{name: mine, modelRefs: [{model: a}]}]}
entrypoints: [{model_names: [fast, faster], recipe: quick}]
recipes:
  - name: quick
    routing:
      strategy: confidence
      signals: {keywords: [{name: k, keywords: [x]}]}
      decisions: [{name: theirs, modelRefs: [{model: b}], rules: {type: keyword, name: k}}]
"""


def test_a_recipe_is_a_policy_of_its_own_with_the_same_models() -> None:
    whole = policy(RECIPES)
    quick = whole.for_model("faster")
    assert (quick.recipe, quick.strategy) == ("quick", "confidence")
    assert [decision.name for decision in quick.decisions] == ["theirs"]
    assert [rule.name for rule in quick.signals.keywords] == ["k"]
    assert quick.models == whole.models
    assert whole.for_model("auto") is whole
    assert [decision.name for decision in whole.decisions] == ["mine"]
    assert not whole.signals.keywords


def test_entrypoints_are_names_that_ask_the_router_to_choose() -> None:
    assert policy(RECIPES).auto_names == ("vllm-sr/auto", "auto", "MoM", "fast", "faster")
    only = policy(RECIPES + "global: {router: {auto_model_names: []}}\n")
    assert only.auto_names == ("fast", "faster")


def test_a_recipe_is_checked_like_the_documents_own_routing_at_its_place() -> None:
    assert complaint(RECIPES.replace("name: k}", "name: j}")) == "14: there is no keyword signal 'j'"
    wrong = RECIPES.replace("strategy: confidence", "strategi: confidence")
    assert "unknown key 'strategi' in recipes[0].routing; did you mean 'strategy'?" in complaint(wrong)
    pending = RECIPES.replace("rules: {type", "output_contract: json, rules: {type")
    where = "recipes[0].routing.decisions[0].output_contract"
    assert f"{where} is not supported, because" in complaint(pending)


def test_a_pii_policy_of_a_recipe_is_refused_while_the_guard_is_off() -> None:
    plugin = "name: k}, plugins: [{type: pii, configuration: {pii_types_allowed: [], action: block}}]}]"
    text = RECIPES.replace("name: k}}]", plugin) + "global: {guards: {pii: {mode: off}}}\n"
    message = "the plugin pii cannot be carried out: global.guards.pii.mode is off"
    assert complaint(text) == f"14: {message}"


def test_an_entrypoint_needs_a_recipe_and_a_name_of_its_own() -> None:
    assert "there is no recipe 'quik'; did you mean 'quick'?" in complaint(
        RECIPES.replace("recipe: quick}", "recipe: quik}")
    )
    assert "'a' is a model already" in complaint(RECIPES.replace("[fast, faster]", "[a]"))
    assert "'fast' asks recipe 'quick' already" in complaint(RECIPES.replace("faster]", "fast]"))
    named = RECIPES.replace("name: quick", "name: default").replace("recipe: quick}", "recipe: default}")
    assert "'default' is the name of the document's own routing" in complaint(named)


def test_a_recipe_that_nobody_can_ask_is_a_warning() -> None:
    text = RECIPES.replace("entrypoints: [{model_names: [fast, faster], recipe: quick}]\n", "")
    assert warned(text) == ["9: no entrypoint asks recipe 'quick'"]


def test_model_cards_of_recipes_are_known_everywhere() -> None:
    cards = RECIPES.replace(
        "      strategy: confidence", "      modelCards: [{name: b, loras: [{name: lora}]}]"
    ).replace("{name: mine, modelRefs: [{model: a}]}", "{name: mine, modelRefs: [{model: lora}]}")
    assert policy(cards).models["b"].loras == ("lora",)
