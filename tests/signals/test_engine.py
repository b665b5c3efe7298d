from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from tests.config.documents import policy
from tests.signals.asking import TopicEmbedder, by_vectors, evidence, user
from vsr.config.policy import Policy
from vsr.encoder.failures import EncoderFailed, EncoderTimeout
from vsr.facts import Readings
from vsr.signals.engine import SignalEngine, SignalMap
from vsr.signals.seats import Seats


class ScriptedClassifier:
    """Says RISKY of texts with `rm`."""

    name = "scripted"
    labels = ("SAFE", "RISKY")

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.calls = 0

    async def classify(self, texts: Sequence[str], *, deadline: float | None) -> list[Mapping[str, float]]:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return [
            {"RISKY": 0.9, "SAFE": 0.1} if "rm" in text else {"RISKY": 0.2, "SAFE": 0.8} for text in texts
        ]


RISK = "classifiers: [{name: risk, type: local, model_path: judge, labels: [SAFE, RISKY]}]"


def decisions(*entries: str, signals: str = "") -> Policy:
    joined = ", ".join(entries)
    keywords = "keywords: [{name: hi, keywords: [hi]}, {name: unused, keywords: [x]}]"
    return policy(f"routing: {{signals: {{{keywords}, {RISK}{signals}}}, decisions: [{joined}]}}\n")


def decision(name: str, priority: int, rules: str) -> str:
    return f"{{name: {name}, priority: {priority}, modelRefs: [{{model: a}}], rules: {rules}}}"


RISKY = decision("risky", 10, "{type: classifier, name: risk, label: RISKY}")


async def compute(
    one: Policy,
    text: str,
    seat: ScriptedClassifier | None,
    *,
    recipes: Policy | None = None,
    everything: bool = False,
) -> SignalMap:
    """recipes: the whole configuration, where `one` is only a part of it."""
    seats = Seats(classifiers={"risk": seat} if seat else {})
    return await SignalEngine(recipes or one, seats=seats).compute(one, evidence(text), everything=everything)


async def test_a_signal_that_nothing_names_is_not_computed_unless_somebody_asks() -> None:
    one = decisions(decision("d", 1, "{type: keyword, name: hi}"))
    seat = ScriptedClassifier()
    assert set(await compute(one, "hi", seat)) == {("keyword", "hi")}
    assert seat.calls == 0
    looked = await compute(one, "hi", seat, everything=True)
    assert set(looked) == {("keyword", "hi"), ("keyword", "unused"), ("classifier", "risk")}


@pytest.mark.parametrize("method", ["contrastive", "hybrid"])
async def test_a_contrast_that_nothing_names_is_not_computed(method: str) -> None:
    rule = f"{{name: j, method: {method}, jailbreak_patterns: [x], benign_patterns: [y]}}"
    naming = f", decisions: [{decision('d', 1, '{type: jailbreak, name: j}')}]"
    for more, computed in (("", False), (naming, True)):
        one = policy(f"routing: {{signals: {{jailbreak: [{rule}]}}{more}}}\n")
        found = await SignalEngine(one).compute(one, evidence("x"))
        assert (("jailbreak", "j") in found) == computed


async def test_a_classifier_gives_its_likeliest_label_and_all_probabilities() -> None:
    signal = (await compute(decisions(RISKY), "rm -rf", ScriptedClassifier()))["classifier", "risk"]
    assert (signal.matched, signal.label, signal.confidence) == (True, "RISKY", 0.9)
    assert signal.labels == {"RISKY": 0.9, "SAFE": 0.1}


@pytest.mark.parametrize(
    ("text", "rules", "priority", "calls"),
    [
        ("hi", "{type: keyword, name: hi}", 20, 0),
        ("hi", "{type: keyword, name: hi}", 5, 1),
        ("bye", "{type: keyword, name: hi}", 20, 1),
    ],
)
async def test_a_model_is_asked_only_while_a_decision_that_needs_it_can_still_win(
    text: str, rules: str, priority: int, calls: int
) -> None:
    seat = ScriptedClassifier()
    await compute(decisions(RISKY, decision("d", priority, rules)), text, seat)
    assert seat.calls == calls


async def test_for_a_name_that_asks_some_decisions_only_the_others_save_no_call() -> None:
    """`hi` beats `risky` for everybody but for those who ask for a fusion."""
    fusion = RISKY.replace("rules:", "algorithm: {type: fusion}, rules:")
    one = decisions(decision("greet", 20, "{type: keyword, name: hi}"), fusion)
    for model, calls in (("auto", 0), ("vllm-sr/fusion", 1)):
        seat = ScriptedClassifier()
        found = await compute(one.for_model(model), "hi rm", seat, recipes=one)
        assert (seat.calls, ("classifier", "risk") in found) == (calls, bool(calls))


async def test_a_model_is_not_asked_where_the_rest_of_the_rule_fails() -> None:
    both = "{operator: AND, conditions: [{type: keyword, name: hi}, {type: classifier, name: risk}]}"
    seat = ScriptedClassifier()
    found = await compute(decisions(decision("d", 1, both)), "bye", seat)
    assert seat.calls == 0
    assert ("classifier", "risk") not in found


@pytest.mark.parametrize("error", [EncoderFailed("x"), EncoderTimeout("x"), None])
async def test_a_classifier_that_cannot_answer_is_an_error_of_the_signal(error: Exception | None) -> None:
    seat = ScriptedClassifier(error) if error else None
    signal = (await compute(decisions(RISKY), "rm", seat))["classifier", "risk"]
    assert signal.error
    assert not signal.matched


async def test_no_model_is_asked_about_no_text() -> None:
    one, seat = decisions(RISKY), ScriptedClassifier()
    found = await SignalEngine(one, seats=Seats(classifiers={"risk": seat})).compute(
        one, evidence([{"role": "system", "content": "x"}])
    )
    assert found["classifier", "risk"].error == "no text to route by"
    assert seat.calls == 0


async def test_an_external_model_can_stand_in_for_the_examples_of_preferences() -> None:
    class Prefers(ScriptedClassifier):
        labels = ("brief", "long")

        async def classify(
            self, texts: Sequence[str], *, deadline: float | None
        ) -> list[Mapping[str, float]]:
            return [{"brief": 0.9, "long": 0.1} for _ in texts]

    one = policy(
        "routing: {signals: {preferences: [{name: brief, examples: [x]}, {name: long, examples: [y]}]}}\n"
    )
    found = await by_vectors(one, "y", seats=Seats(preferences={"default": Prefers()}))
    assert found["preference", "brief"].matched
    assert not found["preference", "long"].matched


async def test_an_embedder_that_fails_leaves_errors_not_exceptions() -> None:
    one = policy(
        "routing: {signals: {reasks: [{name: r}], embeddings: [{name: e, threshold: 0.5,"
        " candidates: [x]}]}}\n"
    )
    engine = SignalEngine(one, seats=Seats(embedder=TopicEmbedder(EncoderFailed("x"))))
    found = await engine.compute(one, evidence("x"), everything=True)
    assert {signal.error for signal in found.values()} == {"EncoderFailed"}


async def test_examples_are_embedded_once_and_not_per_request() -> None:
    embedder = TopicEmbedder()
    one = policy("routing: {signals: {embeddings: [{name: e, threshold: 0.5, candidates: [x, y, x]}]}}\n")
    engine = await SignalEngine.start(one, None, Seats(embedder=embedder))  # type: ignore[arg-type] # not asked
    assert embedder.asked == ["x", "y"]
    for _ in range(3):
        await engine.compute(one, evidence("x"), everything=True)
    assert embedder.asked == ["x", "y", "x", "x", "x"]


async def test_text_reaches_the_signals_without_what_a_harness_wrote() -> None:
    one = policy("routing: {signals: {keywords: [{name: k, keywords: [secret]}]}}\n")
    engine = SignalEngine(one)
    message = user("<system-reminder>secret</system-reminder>hello")
    found = await engine.compute(one, evidence([message]), everything=True)
    assert not found["keyword", "k"].matched


async def test_no_signal_shows_any_of_the_text() -> None:
    one = policy(
        "routing: {signals: {keywords: [{name: a, keywords: [canary77]}, {name: b, method:"
        " bm25, keywords: [canary77]},"
        " {name: c, method: ngram, keywords: [canary77]}, {name: d, method: fuzzy, keywords: [canary77]}],"
        " events: [{name: e, event_types: [canary77]}], language: [{name: en}], modality: [{name: AR}],"
        " metadata: [{name: m, key: k, predicate: {equals: canary77}}],"
        " embeddings: [{name: v, threshold: 0.1, candidates: [canary77]}]}}\n"
    )
    found = await by_vectors(one, "canary77", metadata={"k": "canary77"}, readings=Readings())
    assert "canary77" not in repr(found)
    assert sum(signal.matched for signal in found.values()) == len(found)
