"""Suites of prompts beside a configuration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import vsr
from tests.scripted import ScriptedEncoder
from vsr.cli.asked import Asked
from vsr.cli.batch import read_lines
from vsr.cli.config_test import differences, judged
from vsr.cli.probes import Acceptance, Probe, configuration, probes, read_suite
from vsr.errors import ConfigError
from vsr.route import FastResponse, Route, SystemPrompt

SUITES = sorted((Path(__file__).parents[2] / "config").glob("*.probes.yaml"))
SUITE = """\
name: s
routing_assets: {yaml: config/recipes/s/config.yaml, dsl: config/recipes/s/recipe.dsl}
router_eval_endpoint: /api/v1/eval
evaluation: {request_timeout_seconds: 300, concurrency: 4}
acceptance: {min_probe_pass_rate: 50.0, min_decision_pass_rate: 50}
decisions:
  - id: lane
    model: vllm-sr/fast
    expected_recipe: quick
    expected_decision: lane
    expected_alias: qwen
    expected_plugins: [system_prompt]
    objective: why
    variants:
      - id: long
        query: abc
        repeat: 3
        padding: {text: pad, repeat: 2, placement: before}
        expected_signals: {keywords: [k], complexity: ["x:hard"]}
        tags: [zh]
      - id: talk
        expected_decision: other
        tools: [{type: function, function: {name: f}}]
        messages: [{role: user, content: hi}]
"""


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "VSR_CONFIG", "VSR_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """No model: what is mathematics says `math!`."""

    async def start(bundle: object, **settings: object) -> ScriptedEncoder:
        return ScriptedEncoder(bundle=bundle)  # type: ignore[arg-type] # its manifest is read

    monkeypatch.setattr("vsr.generation.Encoder.start", start)


def written(tmp_path: Path, text: str = SUITE) -> Path:
    path = tmp_path / "probes.yaml"
    path.write_text(text)
    return path


def test_a_suite_of_the_original_is_read(tmp_path: Path) -> None:
    long, talk = probes(read_suite(written(tmp_path)), "auto")
    assert long.body == {
        "model": "vllm-sr/fast",
        "messages": [{"role": "user", "content": "pad pad\nabc abc abc"}],
    }
    assert long.expected == {"recipe": "quick", "decision": "lane", "model": "qwen"}
    assert long.signals == {("keyword", "k"), ("complexity", "x:hard")}
    assert long.plugins == frozenset({"system_prompt"})
    assert talk.body["messages"] == [{"role": "user", "content": "hi"}]
    assert talk.body["tools"]
    assert talk.expected["decision"] == "other"


def test_the_configuration_beside_the_suite_is_taken(tmp_path: Path) -> None:
    path = written(tmp_path)
    with pytest.raises(ConfigError, match="there is no"):
        configuration(read_suite(path), path)
    (tmp_path / "config.yaml").touch()
    assert configuration(read_suite(path), path) == tmp_path / "config.yaml"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("objective", "objektive", "13: unknown key 'objektive' in decisions[0]; did you mean 'objective'?"),
        ("        query: abc\n", "", "15: decisions[0].variants[0] needs either query or messages"),
        ("repeat: 3", "repeat: 0", "17: decisions[0].variants[0].repeat"),
    ],
)
def test_what_is_wrong_with_a_suite_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read_suite(written(tmp_path, SUITE.replace(old, new)))
    assert f"probes.yaml:{expected}" in str(caught.value)


def probe(**expected: str) -> Probe:
    return Probe("g", "1", {}, expected, frozenset({"system_prompt"}), frozenset({("keyword", "k")}))


ROUTE = Route("forward", "auto", model="a", decision="d", algorithm="static")


def test_every_expectation_that_is_not_met_is_told() -> None:
    assert differences(probe(decision="e", model="a", recipe="default"), Asked(ROUTE)) == (
        "decision: expected e, got d",
        "signals that did not match: keyword:k",
        "plugins that do not run: system_prompt",
    )
    assert differences(probe(), Asked(None, error="too long")) == ("could not be judged: too long",)


def test_a_suite_is_accepted_if_enough_prompts_of_every_decision_pass() -> None:
    plugins = (SystemPrompt("Be brief."),)
    good = Asked(Route("forward", "auto", decision="d", plugins=plugins), frozenset({("keyword", "k")}))
    bad = Asked(Route("forward", "auto", decision="e", plugins=plugins), frozenset({("keyword", "k")}))
    half = Acceptance(min_probe_pass_rate=50, min_decision_pass_rate=50)
    both = [probe(decision="d"), probe(decision="d")]
    assert judged(both, [good, bad], half).accepted
    assert not judged(both, [good, bad], Acceptance()).accepted
    apart = [both[0], Probe("h", "1", {}, {"decision": "d"}, None, frozenset())]
    assert not judged(apart, [good, bad], half).accepted


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.name)
def test_the_examples_send_their_prompts_where_they_shall(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = vsr(capsys, "config", "test", str(path), "--json")
    assert result.code == 0, result.out
    told = result.json()
    assert told["accepted"]
    assert told["passed"] == told["total"] > 0


def test_a_suite_that_fails_ends_with_1_and_says_what_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], scripted: None
) -> None:
    text = SUITES[0].read_text().replace("expected_decision: answer", "expected_decision: think")
    text = text.replace("Prove that the square", "math! Prove that the square")
    config = str(SUITES[0].parent / "projections.yaml")
    result = vsr(capsys, "config", "test", str(written(tmp_path, text)), "--config", config)
    assert result.code == 1
    assert "failed answer/greeting\n    decision: expected think, got answer\n" in result.out
    assert "3 of 6 as expected: not accepted" in result.out


def test_a_batch_has_a_row_for_each_line_and_a_confusion_matrix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], scripted: None
) -> None:
    lines = [
        {
            "text": "math! Prove that the square root of 2 is irrational.",
            "expected_decision": "think",
            "id": "p",
        },
        {"text": "Good morning!", "expected_decision": "think", "expected_model": "small"},
        {"messages": [{"role": "user", "content": "hello"}], "model": "vsr/careful"},
    ]
    file = tmp_path / "batch.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines))
    arguments = ("explain", "--batch", str(file), "--config", str(SUITES[0].parent / "projections.yaml"))
    told = vsr(capsys, *arguments, "--json").json()
    assert [row["decision"] for row in told["results"]] == ["think", "answer", "always large"]
    assert told["results"][0]["id"] == "p"
    decisions, models = told["confusion"]
    assert decisions == {
        "field": "decision", "right": 1, "total": 2, "matrix": {"think": {"answer": 1, "think": 1}},
    }  # fmt: skip
    assert (models["field"], models["right"], models["total"]) == ("model", 1, 1)
    shown = vsr(capsys, *arguments, "--labels", "decision").out
    assert "decision: 1 of 2 as expected" in shown
    assert "model:" not in shown


def test_a_wrong_line_of_a_batch_is_told_with_its_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "batch.jsonl"
    file.write_text('{"text": "a"}\n{"text": "a", "messages": []}\nnonsense\n')
    result = vsr(capsys, "explain", "--batch", str(file))
    assert result.code == 2
    assert "batch.jsonl:2: needs exactly one of text, messages, body" in result.err
    assert "batch.jsonl:3: is not JSON" in result.err


def test_a_line_of_a_batch_ends_at_a_line_feed_only(tmp_path: Path) -> None:
    file = tmp_path / "batch.jsonl"
    texts = ["a\u2028b", "a\u2029b", "a\x85b"]
    file.write_text("".join(json.dumps({"text": text}, ensure_ascii=False) + "\r\n" for text in texts))
    lines = read_lines(file, "auto")
    assert [line.body["messages"][0]["content"] for line in lines] == texts


@pytest.mark.parametrize("line", ["[" * 100_000, '{"text": "\\ud800"}', "[]"])
def test_a_line_that_could_not_be_asked_is_told_with_its_number(tmp_path: Path, line: str) -> None:
    file = tmp_path / "batch.jsonl"
    file.write_text(f"{line}\n")
    with pytest.raises(ConfigError, match=r"batch\.jsonl:1: is not JSON that can be asked"):
        read_lines(file, "auto")


def test_a_prompt_and_a_batch_together_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "either a prompt or --batch" in vsr(capsys, "explain").err


LATER = """\
schema_version: v1
fixtures: {images: {dot: {media_type: image/png, data_base64: "aGk\n="}}}
coverage: {required_request_shapes: [text]}
decisions:
  - id: lane
    expected_recipe: quick
    expected_plugins: [system_prompt]
    plugin_match: exact
    forbidden_signals: {keywords: [k]}
    variants:
      - id: around
        notes: n
        playground: {enabled: false}
        query: abc
        padding: {text: pad, placement: around}
        expected_signal_values: {"embedding:e": {gte: 0.5}}
        tool_choice: none
      - id: seen
        model: m
        generated_text: {message_index: 0, content_index: 1, target_text_bytes: 7, text: "xy"}
        messages: [{role: user, content: [{type: text, text: look}, {type: image_fixture, fixture: dot}]}]
"""


def test_a_suite_of_a_later_version_is_read(tmp_path: Path) -> None:
    suite = read_suite(written(tmp_path, LATER))
    around, seen = probes(suite, "auto", {"fast": "quick", "other": "slow"})
    assert around.body["model"] == "fast"
    assert around.body["messages"][0]["content"] == "pad\nabc\npad"
    assert around.body["tool_choice"] == "none"
    assert around.forbidden == {("keyword", "k")}
    text, filling, image = seen.body["messages"][0]["content"]
    assert (seen.body["model"], text["text"], filling["text"]) == ("m", "look", "xyxyxyx")
    assert image["image_url"]["url"] == "data:image/png;base64,aGk="


def test_what_must_not_be_is_told(tmp_path: Path) -> None:
    around, _ = probes(read_suite(written(tmp_path, LATER)), "auto")
    route = Route("forward", "auto", recipe="quick", plugins=(SystemPrompt("x"), FastResponse("y")))
    asked = Asked(route, frozenset({("keyword", "k")}), {("embedding", "e"): 0.4})
    assert differences(around, asked) == (
        "signals that must not match: keyword:k",
        "embedding:e is 0.4, not >= 0.5",
        "plugins that run besides: fast_response",
    )


def test_a_suite_that_names_an_unknown_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no image 'dit' in fixtures"):
        probes(read_suite(written(tmp_path, LATER.replace("fixture: dot", "fixture: dit"))), "auto")
