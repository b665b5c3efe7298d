"""A threshold fitted to somebody's own traffic."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.evaluation.development_files import write_lines
from vsr.cli.calibrate import calibrate as command
from vsr.config.load import DEFAULT_FILE, load_text
from vsr.config.merge import merge_files
from vsr.content import Content
from vsr.encoder.bundle import load_bundle
from vsr.errors import EvaluationError
from vsr.evaluation.calibrate import _fitted, calibrate, overlay, read_requests
from vsr.evaluation.reading import Judge
from vsr.facts import Facts, Passage, Readings, WindowRisk

WORDS = ("the", "a", "word", "other", "poem", "algebra", "mary")


@pytest.fixture
def traffic(tmp_path: Path) -> Path:
    texts = [f"{a} {b} {c}" for a in WORDS for b in WORDS for c in WORDS]
    return write_lines(tmp_path / "traffic.jsonl", [{"text": text} for text in texts])


def test_no_more_of_the_traffic_alarms_than_asked_for_and_a_lower_threshold_would(
    tiny: Path, traffic: Path
) -> None:
    found = calibrate(tiny, traffic, 0.02)
    assert found.rows == len(WORDS) ** 3
    assert found.alarms.value <= 0.02
    assert found.alarms.hits <= 0.02 * (found.rows + 1) - 1
    with Judge(tiny) as judge:
        facts = judge.requests(list(read_requests(traffic)))
    risks = sorted(max(w.risk for w in one.readings.jailbreak) for one in facts if one.readings)
    assert sum(risk >= found.threshold - 2e-5 for risk in risks) >= found.alarms.hits
    assert found.threshold <= risks[-1]


def test_attacks_are_counted_at_the_threshold_found(tiny: Path, traffic: Path, tmp_path: Path) -> None:
    attacks = tmp_path / "attacks.txt"
    attacks.write_text("attack bypass\n\nbypass attack\n", "utf-8")
    found = calibrate(tiny, traffic, 0.1, positives=attacks)
    assert found.caught is not None
    assert found.caught.count == 2


def judged(system: float, user: float) -> Facts:
    """A request of a system prompt and a question, by their risks."""
    passages = (Passage("system", Content("a"), ()), Passage("user", Content("b"), ()))
    readings = Readings(jailbreak=(WindowRisk(0, system), WindowRisk(1, user)))
    return Facts(passages, readings, {}, operating_points={"any": 0.3, "system": 0.5})


def test_alarms_of_system_prompts_are_counted_before_and_after_and_told(tiny: Path) -> None:
    harmless = [judged(0.9, 0.0), judged(0.9, 0.4), *(judged(0.4, number / 100) for number in range(58))]
    found = _fitted(load_bundle(tiny), harmless, [judged(0.9, 0.0), judged(0.0, 0.0)], 0.1)
    assert found.caught is not None
    assert found.threshold == pytest.approx(0.54, abs=2e-5)
    assert (found.system, found.alarms.hits, found.before.hits, found.caught.hits) == (2, 5, 30, 1)
    assert "2 of them by system prompts" in overlay(found, tiny)


def test_more_alarms_of_system_prompts_than_asked_for_are_refused(tiny: Path) -> None:
    harmless = [*[judged(0.9, 0.0)] * 7, *[judged(0.0, 0.0)] * 53]
    with pytest.raises(EvaluationError, match="7 of 60 requests alarm by their system prompts"):
        _fitted(load_bundle(tiny), harmless, [], 0.1)


def test_a_place_that_cannot_be_written_is_told_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EvaluationError, match="cannot be written"):
        command(tmp_path / "none.jsonl", out=tmp_path / "file" / "overlay.yaml")


def test_too_few_requests_for_the_rate_are_refused_with_how_many_it_takes(tiny: Path, traffic: Path) -> None:
    with pytest.raises(EvaluationError, match="at least 3000"):
        calibrate(tiny, traffic, 0.001)


def test_the_overlay_is_a_configuration_that_says_how_it_was_fitted(
    tiny: Path, traffic: Path, tmp_path: Path
) -> None:
    found = calibrate(tiny, traffic, 0.02)
    written = tmp_path / "overlay.yaml"
    written.write_text(overlay(found, traffic), "utf-8")
    assert "343 requests of traffic.jsonl" in written.read_text("utf-8")
    merged = load_text(merge_files([DEFAULT_FILE, written]), "merged", {})
    assert merged.policy.guards.jailbreak.threshold == found.threshold


@pytest.mark.parametrize(
    ("line", "problem"),
    [("{", "1 is not JSON"), ('{"prompt": "x"}', "needs a `text`"), ('{"messages": []}', "no chat request")],
)
def test_a_line_that_is_no_request_is_told_by_number(tmp_path: Path, line: str, problem: str) -> None:
    (tmp_path / "x.jsonl").write_text(line + "\n", "utf-8")
    with pytest.raises(EvaluationError, match=problem):
        list(read_requests(tmp_path / "x.jsonl"))


def test_whole_requests_are_read_as_clients_send_them(tmp_path: Path) -> None:
    body = {"messages": [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]}
    (read,) = read_requests(write_lines(tmp_path / "x.jsonl", [body]))
    assert read == {"model": "auto", **body}


@pytest.mark.parametrize(("name", "line"), [("x.jsonl", '{"text": "one"}'), ("x.txt", "one")])
def test_requests_saved_on_windows_are_the_same_requests(tmp_path: Path, name: str, line: str) -> None:
    (tmp_path / name).write_bytes(f"\ufeff{line}\r\n".encode())
    (read,) = read_requests(tmp_path / name)
    assert read["messages"][0]["content"] == "one"


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\u0085"])
def test_breaks_of_unicode_within_a_text_end_no_line(tmp_path: Path, mark: str) -> None:
    bodies = [{"text": f"one{mark}two"}, {"text": "three"}]
    in_json = list(read_requests(write_lines(tmp_path / "x.jsonl", bodies)))
    (tmp_path / "x.txt").write_bytes(f"one{mark}two\r\nthree\r\n".encode())
    assert in_json == list(read_requests(tmp_path / "x.txt"))
    assert [body["messages"][0]["content"] for body in in_json] == [f"one{mark}two", "three"]
