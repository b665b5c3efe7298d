"""What is observed, learned and remembered between requests."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.selection.pool import model, policy
from tests.selection.test_sessions import Clock, talk
from vsr.config.policy import Learning
from vsr.errors import ConfigError
from vsr.route import Route
from vsr.selection import feedback_file
from vsr.selection.feedback import EVENTS, MAX_ENTRIES, Feedback, Outcome
from vsr.selection.feedback_file import FOLLOW_SECONDS, FeedbackFile
from vsr.selection.memory import Memory, Turn
from vsr.selection.observations import HORIZON, KEPT, TRIED, Recorder, percentile
from vsr.selection.state import Knowledge

POLICY = policy(model("a"), model("b"))
ROUTE = Route("forward", "auto", model="a", model_id="a", algorithm="static")
TOOLS = {"tools": [{"type": "function"}]}


def turn(memory: Memory, body: dict[str, object]) -> Turn:
    return memory.turn({}, body, "me", POLICY, Knowledge())


@pytest.mark.parametrize(("percent", "expected"), [(1, 1.0), (50, 2.0), (75, 3.0), (95, 4.0), (100, 4.0)])
def test_percentiles_are_of_the_nearest_rank(percent: int, expected: float) -> None:
    assert percentile((1.0, 2.0, 3.0, 4.0), percent) == expected
    assert percentile((), percent) is None


def test_latencies_are_kept_for_a_while_and_no_longer() -> None:
    clock = Clock()
    recorder = Recorder(clock=clock)
    recorder.answered("a", 0.5, 2.5, 21)
    clock.now += HORIZON / 2
    recorder.answered("a", 0.1, 0.1, 0)
    seen = recorder.snapshot().of("a")
    assert (seen.ttft, seen.tpot) == ((0.1, 0.5), (0.1,))
    clock.now += HORIZON / 2 + 1
    assert recorder.snapshot().of("a").ttft == (0.1,)


def test_a_plain_answer_tells_the_time_per_token_and_none_to_the_first() -> None:
    recorder = Recorder(clock=Clock())
    recorder.answered("a", None, 2.0, 20)
    recorder.answered("a", None, 2.0, 0)
    seen = recorder.snapshot().of("a")
    assert (seen.ttft, seen.tpot) == ((), (0.1,))


def test_only_so_many_latencies_are_kept() -> None:
    recorder = Recorder(clock=Clock())
    for number in range(KEPT + 10):
        recorder.answered("a", float(number), 1000.0, 5)
    assert recorder.snapshot().of("a").ttft[0] == 10.0


def test_a_snapshot_does_not_change_afterwards() -> None:
    recorder = Recorder(clock=Clock())
    before = recorder.snapshot()
    recorder.started("a")
    recorder.feedback.learn(Outcome("a", 1.0))
    assert (before.of("a").in_flight, before.experience.arms) == (0, {})
    assert recorder.snapshot().of("a").in_flight == 1


def test_a_model_counts_as_tried_while_a_request_runs_and_a_while_after_it() -> None:
    clock = Clock()
    recorder = Recorder(clock=clock)
    recorder.started("a")
    seen = [recorder.snapshot().of("a").tried]
    recorder.ended("a")
    for seconds in (0, TRIED):
        clock.now += seconds
        seen.append(recorder.snapshot().of("a").tried)
    assert seen == [True, True, False]


def test_a_turn_counts_as_load_until_it_ends() -> None:
    memory = Memory()
    one = turn(memory, talk("hello"))
    one.ended(ROUTE, success=False)  # never sent: nothing to take back
    one.sent(ROUTE)
    assert memory.recorder.snapshot().of("a").in_flight == 1
    one.ended(ROUTE, success=False)
    one.ended(ROUTE, success=False)
    seen = memory.recorder.snapshot().of("a")
    assert (seen.in_flight, seen.ttft) == (0, ())


def test_a_tool_loop_finds_the_model_that_began_it() -> None:
    memory = Memory()
    first = turn(memory, talk("sum", **TOOLS))
    assert first.state.pin is None
    first.sent(ROUTE)
    first.ended(ROUTE, success=True, first=0.1, whole=0.5, prompt_tokens=90)
    body = talk("sum", "calling", **TOOLS)
    body["messages"].append({"role": "tool", "content": "42", "tool_call_id": "1"})
    pin = turn(memory, body).state.pin
    assert pin is not None
    assert (pin.model, pin.tokens, pin.tool_loop) == ("a", 90, True)


def test_without_tools_and_protection_no_session_is_kept() -> None:
    memory = Memory()
    one = turn(memory, talk("hello"))
    one.sent(ROUTE)
    one.ended(ROUTE, success=True)
    assert len(memory.sessions) == 0


def test_a_model_that_the_client_named_pins_nothing() -> None:
    memory = Memory()
    one = turn(memory, talk("sum", **TOOLS))
    named = Route("forward", "a", model="a", model_id="a", algorithm="specified")
    one.sent(named)
    one.ended(named, success=True)
    assert len(memory.sessions) == 0


def test_experience_has_a_bound() -> None:
    feedback = Feedback()
    for number in range(MAX_ENTRIES // 2 + 50):
        feedback._judge(f"d{number}", Outcome("a", 1.0))
        feedback._judge(f"d{number}", Outcome("b", 1.0))
    assert len(feedback._arms) == MAX_ENTRIES


def test_an_event_is_remembered_for_a_while() -> None:
    memory, outcome = Memory(), Outcome("a", 1.0)
    assert memory.learn(outcome, "e")
    assert not memory.learn(outcome, "e")
    for number in range(EVENTS):
        memory.learn(outcome, str(number))
    assert memory.learn(outcome, "e")


def test_a_draw_between_equals_moves_nothing() -> None:
    feedback = Feedback()
    feedback.learn(Outcome("a", 0.5, loser="b"))
    assert feedback.experience.rating("", "a").value == 1500.0
    assert feedback.experience.rating("", "a").comparisons == 1


def test_outcomes_reach_every_worker_and_the_next_start(tmp_path: Path) -> None:
    path, clock = tmp_path / "feedback" / "outcomes.jsonl", Clock()
    ours, theirs = Feedback(), Feedback()
    here, there = FeedbackFile(path, ours, clock), FeedbackFile(path, theirs, clock)
    here.add(Outcome("a", 1.0))
    here.follow()
    clock.now += 2
    there.follow()
    later = Feedback()
    again = FeedbackFile(path, later, clock)
    assert ours.outcomes == theirs.outcomes == later.outcomes == 1
    assert ours.experience == theirs.experience == later.experience
    for file in (here, there, again):
        file.close()


def test_an_event_counts_once_at_every_worker_and_after_a_restart(tmp_path: Path) -> None:
    path, clock, outcome = tmp_path / "outcomes.jsonl", Clock(), Outcome("a", 1.0)
    here, there = FeedbackFile(path, Feedback(), clock), FeedbackFile(path, Feedback(), clock)
    assert here.add(outcome, "e")
    assert not there.add(outcome, "e")
    assert not FeedbackFile(path, Feedback(), clock).add(outcome, "e")
    assert there.add(outcome, "f")


def test_an_outcome_that_cannot_be_written_is_none_and_may_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, feedback, outcome = tmp_path / "outcomes.jsonl", Feedback(), Outcome("a", 1.0)
    file = FeedbackFile(path, feedback, Clock())
    file.add(outcome, "first")
    before, write = path.read_bytes(), os.write

    def full(number: int, data: bytes) -> int:
        if len(data) < 20:
            raise OSError(errno.ENOSPC, "no space left")
        return write(number, data[:20])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(OSError, match="no space left"):
            file.add(outcome, "second")
    assert path.read_bytes() == before
    assert file.add(outcome, "second")
    assert feedback.outcomes == 2


@pytest.mark.timeout(10)
def test_nobody_waits_for_a_worker_that_holds_the_file_and_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "outcomes.jsonl"
    file = FeedbackFile(path, Feedback(), Clock())
    monkeypatch.setattr(feedback_file, "_PATIENCE", 0.0)
    with path.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError):
            file.add(Outcome("a", 1.0))
    assert file.add(Outcome("a", 1.0))


def test_a_line_is_written_whole_however_little_is_taken_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feedback, write = Feedback(), os.write
    file = FeedbackFile(tmp_path / "outcomes.jsonl", feedback, Clock())
    monkeypatch.setattr(os, "write", lambda number, data: write(number, data[:7]))
    file.add(Outcome("a", 1.0))
    assert feedback.outcomes == 1


def test_an_outcome_does_not_join_a_line_that_another_worker_did_not_end(tmp_path: Path) -> None:
    path, feedback = tmp_path / "outcomes.jsonl", Feedback()
    path.write_text('{"version":1,"mod')
    FeedbackFile(path, feedback, Clock()).add(Outcome("a", 1.0))
    assert feedback.outcomes == 1


def test_workers_go_on_with_a_file_that_another_one_cut_and_learn_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, clock, outcome = tmp_path / "outcomes.jsonl", Clock(), Outcome("a", 1.0)
    ours, theirs = Feedback(), Feedback()
    here = FeedbackFile(path, ours, clock)
    for _ in range(50):
        here.add(outcome)
    size = path.stat().st_size
    monkeypatch.setattr(feedback_file, "KEEP_BYTES", size // 5)
    there = FeedbackFile(path, theirs, clock)
    read = theirs.outcomes
    assert 0 < read < 20
    assert path.stat().st_size < size // 2
    assert list(tmp_path.iterdir()) == [path]
    for file in (here, there, here):
        file.add(outcome)
    clock.now += FOLLOW_SECONDS
    there.follow()
    assert (ours.outcomes, theirs.outcomes) == (53, read + 3)


@pytest.mark.parametrize(
    "rotate", [lambda path: path.rename(path.with_name("outcomes.1")), lambda path: os.truncate(path, 0)]
)
def test_workers_go_on_with_a_file_that_was_rotated(tmp_path: Path, rotate: Callable[[Path], object]) -> None:
    path, clock = tmp_path / "outcomes.jsonl", Clock()
    ours, theirs = Feedback(), Feedback()
    here, there = FeedbackFile(path, ours, clock), FeedbackFile(path, theirs, clock)
    for _ in range(3):
        here.add(Outcome("a", 1.0))
    there.follow()
    rotate(path)
    here.add(Outcome("b", 1.0))
    clock.now += FOLLOW_SECONDS
    there.follow()
    assert ours.outcomes == theirs.outcomes == 4
    assert path.read_bytes().count(b"\n") == 1


def test_lines_that_are_no_outcomes_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.jsonl"
    good = {"version": 1, "model": "a", "quality": 1.0, "loser": "", "decision": "", "category": ""}
    lines = [
        "half a line",
        "{}",
        json.dumps(good),
        json.dumps(good | {"quality": 7}),
        "[1]",
        json.dumps(good),
    ]
    path.write_text("\n".join(lines))
    feedback = Feedback()
    file = FeedbackFile(path, feedback, Clock())
    assert feedback.outcomes == 1  # the last line is not finished yet
    file.close()


def test_a_feedback_file_that_cannot_be_made_is_told_at_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    learning = Learning(feedback_file=str(tmp_path / "file" / "outcomes.jsonl"))
    with pytest.raises(ConfigError, match="feedback_file"):
        Memory.of(policy(model("a"), learning=learning))
