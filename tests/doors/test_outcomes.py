"""`/v1/router/outcomes` over real sockets: what is taken, what is refused, what it leads to."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.doors.managing import Api, management
from tests.doors.wire import Reply, ask
from tests.scripted import make_policy
from vsr.config.policy import Decision, Management, ManagementToken, ModelRef, Policy
from vsr.content import Secret
from vsr.selection.memory import Memory

PATH = "/v1/router/outcomes"


def with_decision(**fields: object) -> Policy:
    refs = (ModelRef("math-7b"), ModelRef("general-8b"))
    return replace(make_policy(), decisions=(Decision("sums", models=refs),), **fields)  # type: ignore[arg-type]


async def report(api: Api) -> dict[str, object]:
    found: dict[str, object] = json.loads((await api.get(PATH)).body)
    return found


async def test_a_verdict_shows_in_the_report() -> None:
    async with management(with_decision()) as api:
        reply = await api.post(PATH, model="math-7b", verdict="underpowered", decision="sums")
        assert (reply.status, json.loads(reply.body)) == (201, {"status": "recorded", "outcomes": 1})
        assert (await report(api))["judged"] == [
            {"decision": "*", "model": "math-7b", "quality": 0.3333, "outcomes": 1},
            {"decision": "sums", "model": "math-7b", "quality": 0.3333, "outcomes": 1},
        ]


async def test_a_comparison_moves_both_ratings() -> None:
    async with management(with_decision()) as api:
        await api.post(PATH, winner="math-7b", loser="general-8b", category="math")
        rated = {(one["category"], one["model"]): one["rating"] for one in (await report(api))["ratings"]}  # type: ignore[attr-defined]
    assert rated[("*", "math-7b")] == 1516.0
    assert rated[("math", "general-8b")] == 1484.0


async def test_the_original_form_of_an_outcome_is_taken() -> None:
    async with management(with_decision()) as api:
        reply = await api.post(
            PATH,
            replay_id="replay_01J",
            target="model",
            target_ref="model/math-7b",
            verdict="good_fit",
            reason="good_code_response",
            score=1.0,
            metadata={"decision": "sums"},
        )
        assert reply.status == 201


async def test_an_event_counts_once() -> None:
    async with management(with_decision()) as api:
        first = await api.post(PATH, model="math-7b", score=1, event_id="e1")
        again = await api.post(PATH, model="math-7b", score=1, event_id="e1")
        assert (first.status, again.status) == (201, 200)
        assert (await report(api))["outcomes"] == 1


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "nobody", "score": 1}, "model"),
        ({"model": "math-7b"}, "verdict"),
        ({"model": "math-7b", "score": 2}, "score"),
        ({"model": "math-7b", "score": True}, "score"),
        ({"model": "math-7b", "verdict": "superb"}, "verdict"),
        ({"model": "math-7b", "score": 1, "decision": "nothing"}, "decision"),
        ({"model": "math-7b", "score": 1, "category": "gossip"}, "category"),
        ({"model": "math-7b", "score": 1, "reason": "it said a whole sentence"}, "reason"),
        ({"model": "math-7b", "score": 1, "prompt": "my secret"}, ""),
        ({"model": "math-7b", "score": 1, "metadata": {"prompt": "my secret"}}, "metadata"),
        ({"target": "recipe", "target_ref": "math-7b", "score": 1}, "target"),
        ({"winner": "math-7b"}, "loser"),
        ({"winner": "math-7b", "loser": "math-7b"}, "loser"),
        ({"winner": "math-7b", "loser": "general-8b", "draw": 1}, "draw"),
    ],
)
async def test_what_is_no_outcome_is_refused_without_quoting_it(body: dict[str, object], param: str) -> None:
    async with management(with_decision()) as api:
        reply = await api.post(PATH, **body)
        error = json.loads(reply.body)["error"]
        assert (reply.status, error["param"]) == (400, param)
        assert "secret" not in error["message"]
        assert (await report(api))["outcomes"] == 0


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("operator", 201), ("admin", 201)])
async def test_a_viewer_may_read_outcomes_and_not_write_them(role: str, status: int) -> None:
    token = ManagementToken(Secret("right"), role)  # type: ignore[arg-type] # parametrised
    async with management(with_decision(management=Management(tokens=(token,)))) as api:
        headers = {"authorization": "Bearer right"}
        body = json.dumps({"model": "math-7b", "score": 1}).encode()
        reply: Reply = await ask(api.port, "POST", PATH, body, headers)
        assert reply.status == status
        assert (await ask(api.port, "GET", PATH, headers=headers)).status == 200


@pytest.mark.parametrize("headers", [{"origin": "http://evil.example"}, {"host": "evil.example:8080"}])
async def test_without_tokens_no_page_in_a_browser_can_teach_anything(headers: dict[str, str]) -> None:
    async with management(with_decision()) as api:
        body = json.dumps({"model": "math-7b", "score": 1}).encode()
        assert (await ask(api.port, "POST", PATH, body, headers)).status == 403
        assert (await report(api))["outcomes"] == 0


async def test_an_outcome_that_could_not_be_kept_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learning = replace(make_policy().learning, feedback_file=str(tmp_path / "outcomes.jsonl"))
    policy = with_decision(learning=learning)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with management(policy) as api:
        api.generation.memory = Memory.of(policy)
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", full)
            reply = await api.post(PATH, model="math-7b", score=1, event_id="e")
        assert reply.status == 507
        assert "send it again: No space left" in reply.json["error"]["message"]
        assert (await api.post(PATH, model="math-7b", score=1, event_id="e")).status == 201


async def test_outcomes_survive_a_restart(tmp_path: Path) -> None:
    learning = replace(make_policy().learning, feedback_file=str(tmp_path / "outcomes.jsonl"))
    policy = with_decision(learning=learning)
    async with management(policy) as api:
        api.generation.memory = Memory.of(policy)
        await api.post(PATH, model="math-7b", score=1)
        api.generation.memory.close()
        api.generation.memory = Memory.of(policy)
        assert (await report(api))["outcomes"] == 1
        api.generation.memory.close()
