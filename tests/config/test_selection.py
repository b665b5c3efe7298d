"""How decisions choose: what a file may say, what it compiles to, what lint finds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.config.documents import complaints, load
from vsr.config.compile_selection import parameters
from vsr.config.policy import (
    Automix,
    Card,
    Choosing,
    Difficulty,
    Elo,
    Hybrid,
    LatencyAware,
    Learned,
    MultiFactor,
    Policy,
    Pricing,
    Prompt,
    RouterDC,
    Staying,
    Thompson,
)

MODELS = """\
version: v0.3
providers:
  defaults: {{default_model: a}}
  models:
    - name: a
      pricing: {{prompt_per_1m: 1, completion_per_1m: 5{currency}}}
      backend_refs: [{{endpoint: "127.0.0.1:1"}}]
    - name: b
      pricing: {{prompt_per_1m: 4, completion_per_1m: 8}}
      backend_refs: [{{endpoint: "127.0.0.1:2"}}]
    - {{name: c, backend_refs: [{{endpoint: "127.0.0.1:3"}}]}}
routing:
  modelCards:
    - name: a
      description: small
      quality_score: 0.5
      context_window_size: 8192
      param_size: 7B
      capabilities: [chat]
    - {{name: b, description: large, quality_score: 0.9}}
  decisions:
    - name: d
      modelRefs: [{models}]
      algorithm: {{{algorithm}}}
"""


def document(algorithm: str, models: str = "{model: a}, {model: b}", currency: str = "") -> str:
    return MODELS.format(algorithm=algorithm, models=models, currency=currency)


def policy(algorithm: str, extra: str = "") -> Policy:
    return load(document(algorithm) + extra).policy


def trained(path: Path, kind: str, *models: str) -> Path:
    (path / "selector.json").write_text(json.dumps({"kind": kind, "models": models}))
    return path


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("type: static", Choosing()),
        ("type: router_dc", Choosing(RouterDC())),
        ("type: router_dc, on_error: fail, router_dc: {temperature: 0.1}", Choosing(RouterDC(0.1), "fail")),
        ("type: latency_aware, latency_aware: {ttft_percentile: 90}", Choosing(LatencyAware(None, 90))),
        ("type: multi_factor", Choosing(MultiFactor())),
        (
            "type: multi_factor, "
            "multi_factor: {weights: {quality: 1}, slo: {max_ttft_ms: 500, max_inflight: 8}}",
            Choosing(MultiFactor(quality=1, max_ttft=0.5, max_in_flight=8)),
        ),
        ("type: automix", Choosing(Automix())),
        ("type: hybrid, hybrid: {cost_weight: 0}", Choosing(Hybrid(cost=0))),
        ("type: elo, elo: {min_comparisons: 9}", Choosing(Elo(min_comparisons=9))),
        ("type: thompson", Choosing(Thompson())),
        ("type: prompt, on_error: fallback, prompt: {model: c}", Choosing(Prompt("c"))),
    ],
)
def test_an_algorithm_is_compiled_with_the_originals_defaults(written: str, expected: Choosing) -> None:
    assert policy(written).decisions[0].choosing == expected


def test_trained_selectors_name_their_directory(tmp_path: Path) -> None:
    where = trained(tmp_path, "knn", "a", "b")
    found = policy(f"type: knn, knn: {{pretrained_path: {where}, k: 9}}").decisions[0].choosing.algorithm
    assert found == Learned("knn", str(where), 0.0, 9)
    where = trained(tmp_path, "difficulty")
    text = f"type: difficulty, difficulty: {{pretrained_path: {where}, strong_share: 0.3}}"
    assert policy(text).decisions[0].choosing.algorithm == Difficulty(str(where), 0.3)


def test_the_global_block_gives_defaults_for_decisions_without_settings() -> None:
    extra = (
        "global: {router: {model_selection: {router_dc: {temperature: 0.2}, automix: {max_escalations: 1}}}}"
    )
    assert policy("type: router_dc", extra).decisions[0].choosing.algorithm == RouterDC(0.2)
    own = policy("type: router_dc, router_dc: {min_similarity: 0.1}", extra).decisions[0].choosing.algorithm
    assert own == RouterDC(0.07, 0.1)
    mixed = policy("type: hybrid", extra).decisions[0].choosing.algorithm
    assert mixed == Hybrid(description=RouterDC(0.2), escalation=Automix(max_escalations=1))


def test_selection_can_be_switched_off_altogether() -> None:
    extra = "global: {router: {model_selection: {enabled: false}}}"
    assert policy("type: automix", extra).decisions[0].choosing == Choosing()


def test_what_is_known_about_a_model_reaches_the_policy() -> None:
    model = policy("type: static").models["a"]
    assert model.card == Card(0.5, 8192, 7.0, ("chat",))
    assert model.pricing == Pricing(1.0, 5.0)
    assert model.pricing.blended == 2.0
    assert policy("type: static").models["c"].pricing is None


@pytest.mark.parametrize(
    ("text", "billions"),
    [("7B", 7.0), ("8x7B", 56.0), ("0.5b", 0.5), ("500M", 0.5), ("large", None), ("", None)],
)
def test_parameters_are_read_from_the_usual_spellings(text: str, billions: float | None) -> None:
    assert parameters(text) == billions


def test_protection_and_learning_are_compiled() -> None:
    extra = (
        "global: {router: {learning: {tool_loops: false, protection: {enabled: true, scope: session, "
        "tuning: {switch_margin: 0.2}}}}}"
    )
    learning = policy("type: static", extra).learning
    assert not learning.tool_loops
    assert learning.protection.enabled
    assert (learning.protection.scope, learning.protection.switch_margin) == ("session", 0.2)
    assert not policy("type: static").learning.protection.enabled


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("type: knn", "knn needs knn: {pretrained_path: DIR}"),
        ("type: knn, knn: {pretrained_path: /nowhere}", "'/nowhere' holds no trained selector"),
        ("type: latency_aware", "latency_aware needs tpot_percentile"),
        (
            "type: multi_factor, multi_factor: {slo: {max_cost_per_1m: 1.5}}",
            "excludes every model of the decision",
        ),
        ("type: multi_factor, multi_factor: {weights: {qualty: 1}}", "unknown key 'qualty'"),
        ("type: multi_factor, elo: {}", "has settings for elo, but its type is multi_factor"),
        ("type: prompt", "prompt needs prompt: {model: NAME}"),
        ("type: prompt, prompt: {model: x}", "model 'x' is not in providers.models"),
        ("type: automix, on_error: fallback", "on_error fallback is for type prompt; write skip"),
        ("type: mutli_factor", "multi_factor"),
    ],
)
def test_an_algorithm_that_cannot_choose_is_refused(algorithm: str, expected: str) -> None:
    found = complaints(document(algorithm))
    assert len(found) == 1
    assert expected in found[0]


def test_a_selector_must_be_of_the_kind_and_know_the_models(tmp_path: Path) -> None:
    where = trained(tmp_path, "svm", "a")
    wrong = complaints(document(f"type: knn, knn: {{pretrained_path: {where}}}"))
    assert "is a selector of type svm, not knn" in wrong[0]
    unknown = complaints(document(f"type: svm, svm: {{pretrained_path: {where}}}"))
    assert "was not trained on 'b'" in unknown[0]


def test_a_model_that_chooses_needs_something_to_choose_by_and_candidates_with_names_of_their_own() -> None:
    bare = "{model: c}, {model: c}"
    found = " ".join(complaints(document("type: prompt, prompt: {model: a}", models=bare)))
    assert "'c' stands in modelRefs twice" in found
    assert "'a' has nothing to choose by: write instructions" in found


@pytest.mark.parametrize(
    ("written", "mode"),
    [
        ("", "apply"),
        ("mode: observe", "observe"),
        ("mode: observe, protection: {mode: apply}", "observe"),
        ("protection: {mode: bypass}", "bypass"),
        ("mode: bypass, protection: {mode: observe}", "bypass"),
    ],
)
def test_a_part_of_adaptations_is_held_back_as_far_as_the_whole(written: str, mode: str) -> None:
    text = document("type: automix") + f"      adaptations: {{{written}}}\n"
    assert load(text).policy.decisions[0].choosing.staying.mode == mode


def test_a_decision_can_have_its_own_margin_of_protection() -> None:
    own = "protection: {switch_margin: 0.2, stability_weight: 3}, adaptation: {mode: apply}"
    loaded = load(document("type: static") + f"      adaptations: {{{own}}}\n")
    assert loaded.policy.decisions[0].choosing.staying == Staying("apply", 0.2, 3.0)
    assert "adaptations.adaptation (no request goes to another model" in " ".join(loaded.policy.inert)


def test_iterations_name_candidates_that_there_are() -> None:
    right = (
        "      candidateIterations: [{variable: m, source: models, models: [{model: b}], outputs: [%s]}]\n"
    )
    output = "{type: model, value: %s}"
    models = [
        ref.model
        for ref in load(document("type: static") + right % (output % "m")).policy.decisions[0].models
    ]
    assert models == ["a", "b"]
    assert (
        "is the variable of its iteration, 'm'"
        in complaints(document("type: static") + right % (output % "x"))[0]
    )
    only = document("type: static", models="{model: a}") + right % ""
    assert "'b' is no candidate: list it in modelRefs too" in complaints(only)[0]


def test_prices_in_two_currencies_cannot_be_compared() -> None:
    assert (
        "different currencies (EUR, USD)"
        in complaints(document("type: automix", currency=", currency: EUR"))[0]
    )


def test_descriptions_and_qualities_are_needed_where_they_decide() -> None:
    both = "{model: c}, {model: c}"
    assert "no model has one" in complaints(document("type: router_dc", models="{model: c}"))[0]
    assert "quality_score" in complaints(document("type: automix", models=both))[0]
    blank = document("type: router_dc").replace("description: large", "description: ' '")
    assert any("'b' has no description" in warning.message for warning in load(blank).warnings)
    needed = "type: router_dc, router_dc: {require_descriptions: true}"
    assert "'c' has no description" in complaints(document(needed, models="{model: a}, {model: c}"))[0]


def test_weights_without_anything_to_weigh_are_pointed_out() -> None:
    text = document("type: multi_factor, multi_factor: {}", models="{model: c}, {model: c}")
    said = " ".join(warning.message for warning in load(text).warnings)
    assert "weight of quality has no effect" in said
    assert "weight of cost has no effect" in said
