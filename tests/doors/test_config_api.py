"""The configuration over the management API: shown, changed, refused, gone back to."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.doors.reloading import AUTH, ENV, Reloading, document, reloading
from vsr.config.storage import digest_of
from vsr.config.yamlfile import parse_yaml

ROUTER = "/config/router"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Reloading]:
    async with reloading(tmp_path / "router.yaml", document("a")) as router:
        yield router


def refusal(api: Reloading) -> str:
    return api.live.current.policy.guards.refusal


def text(api: Reloading) -> str:
    assert api.path is not None
    return api.path.read_text()


async def test_what_is_configured_is_shown_with_its_hash(api: Reloading) -> None:
    reply = await api.ask("GET", ROUTER)
    assert reply.json["config"] == parse_yaml(document("a"), "").data
    assert reply.json["hash"] == digest_of(document("a"))
    assert (reply.json["generation"], reply.json["rejected"]) == (1, None)
    assert reply.headers["etag"] == f'"{digest_of(document("a"))}"'
    assert (await api.ask("GET", "/config/hash")).json["hash"] == reply.json["hash"]


async def test_as_yaml_it_is_the_text_as_it_was_written(api: Reloading) -> None:
    reply = await api.ask("GET", ROUTER, accept="application/yaml")
    assert reply.body.decode() == document("a")


async def test_what_was_rejected_is_shown_beside_what_is_used(api: Reloading) -> None:
    assert api.path is not None
    api.path.write_text("version: v0.3\nprovders: {}\n")
    await api.reloader.reload()
    shown = (await api.ask("GET", ROUTER)).json
    assert shown["hash"] == digest_of(document("a"))
    assert {
        "message": "unknown key 'provders'; did you mean 'providers'?",
        "path": "router.yaml",
        "line": 2,
    } in (shown["rejected"]["errors"])
    assert (await api.ask("GET", "/readyz")).json == {"ready": True, "configuration": "rejected"}
    assert (await api.ask("GET", "/readyz")).status == 200


async def test_put_replaces_the_file_by_what_was_sent_and_uses_it(api: Reloading) -> None:
    reply = await api.ask("PUT", ROUTER, document("b"), content_type="application/yaml")
    assert (reply.status, reply.json["generation"]) == (200, 2)
    assert text(api) == document("b")
    assert api.live.current.policy.default_model == "b"
    assert reply.headers["etag"] == f'"{digest_of(document("b"))}"'


async def test_put_takes_json_too(api: Reloading) -> None:
    body = '{"version":"v0.3","providers":{"defaults":{"default_model":"j"},"models":'
    body += '[{"name":"j","description_of_nothing":1}]}}'
    reply = await api.ask("PUT", ROUTER, body, content_type="application/json")
    assert reply.status == 400
    assert any("description_of_nothing" in one["message"] for one in reply.json["errors"])
    fixed = body.replace('"description_of_nothing":1', '"backend_refs":[{"endpoint":"127.0.0.1:1"}]')
    assert (await api.ask("PUT", ROUTER, fixed, content_type="application/json")).status == 200
    assert api.live.current.policy.default_model == "j"


async def test_what_is_wrong_changes_nothing_and_names_every_problem(api: Reloading) -> None:
    reply = await api.ask("PUT", ROUTER, "version: v0.3\nprovders: {}\n")
    assert (reply.status, reply.json["error"]["code"]) == (400, "INVALID_CONFIG")
    assert len(reply.json["errors"]) == 2
    assert text(api) == document("a")
    assert api.reloader.rejected is None


async def test_what_needs_a_restart_is_a_conflict_that_says_so(api: Reloading) -> None:
    reply = await api.ask("PUT", ROUTER, document("b") + "listeners: [{port: 9999}]\n")
    assert (reply.status, reply.json["error"]["code"]) == (409, "restart_required")
    assert "restart the router" in reply.json["error"]["message"]
    assert text(api) == document("a")


async def test_a_change_upon_something_else_than_believed_is_refused(api: Reloading) -> None:
    old = f'"{digest_of(document("a"))}"'
    assert (await api.ask("PUT", ROUTER, document("b"), if_match=old)).status == 200
    reply = await api.ask("PUT", ROUTER, document("c"), if_match=old)
    assert (reply.status, reply.json["error"]["code"]) == (412, "precondition_failed")
    assert text(api) == document("b")
    assert (await api.ask("PUT", ROUTER, document("c"), if_match="*")).status == 200


async def test_patch_merges_and_keeps_the_comments(api: Reloading) -> None:
    patch = '{"global": {"guards": {"refusal": "completion"}}}'
    reply = await api.ask("PATCH", ROUTER, patch, content_type="application/merge-patch+json")
    assert reply.status == 200
    assert refusal(api) == "completion"
    assert "# a comment that stays" in text(api)
    assert "defaults: # the default" in text(api)
    assert (await api.ask("PATCH", ROUTER, "global: null\n")).status == 200
    assert refusal(api) == "error"


async def test_patch_refuses_a_file_that_is_not_what_is_used(api: Reloading) -> None:
    assert api.path is not None
    api.path.write_text("version: v0.3\n")
    reply = await api.ask("PATCH", ROUTER, "global: {}\n")
    assert (reply.status, reply.json["error"]["code"]) == (409, "config_rejected")


async def test_patch_refuses_a_file_that_is_gone_and_put_writes_it_anew(api: Reloading) -> None:
    assert api.path is not None
    api.path.unlink()
    reply = await api.ask("PATCH", ROUTER, "global: {}\n")
    assert (reply.status, reply.json["error"]["code"]) == (409, "config_rejected")
    assert "cannot be read" in reply.json["error"]["message"]
    assert (await api.ask("PUT", ROUTER, document("b"))).status == 200
    assert text(api) == document("b")


async def test_validate_answers_and_changes_nothing(api: Reloading) -> None:
    wrong = await api.ask("POST", f"{ROUTER}/validate", "version: v0.3\n")
    assert (wrong.status, wrong.json["valid"]) == (200, False)
    right = await api.ask("POST", f"{ROUTER}/validate", document("b"))
    assert (right.json["valid"], right.json["restart_needed"]) == (True, [])
    moved = await api.ask("POST", f"{ROUTER}/validate", document("b") + "listeners: [{port: 9999}]\n")
    assert len(moved.json["restart_needed"]) == 1
    assert text(api) == document("a")
    assert api.live.current.number == 1


async def test_validate_gives_the_same_keys_whatever_the_answer(api: Reloading) -> None:
    moved = document("b") + "listeners: [{port: 9999}]\nsetup: {mode: true}\n"
    replies = [await api.ask("POST", f"{ROUTER}/validate", sent) for sent in ("version: v0.3\n", moved)]
    assert {tuple(reply.json) for reply in replies} == {
        ("valid", "errors", "warnings", "inert", "restart_needed")
    }
    assert len(replies[1].json["restart_needed"]) == 1
    assert len(replies[1].json["inert"]) == 1


async def test_a_version_can_be_gone_back_to(api: Reloading) -> None:
    for name in ("b", "c"):
        await api.ask("PUT", ROUTER, document(name))
    versions = (await api.ask("GET", f"{ROUTER}/versions")).json["versions"]
    assert [one["hash"] for one in versions] == [digest_of(document("b")), digest_of(document("a"))]
    body = f'{{"version": "{versions[1]["version"]}"}}'
    reply = await api.ask("POST", f"{ROUTER}/rollback", body, content_type="application/json")
    assert (reply.status, text(api)) == (200, document("a"))
    assert (await api.ask("POST", f"{ROUTER}/rollback", "{}", content_type="application/json")).status == 200
    assert text(api) == document("c")
    unknown = await api.ask("POST", f"{ROUTER}/rollback", '{"version": "x"}', content_type="application/json")
    assert unknown.status == 404


async def test_a_full_disk_is_507_and_loses_nothing(api: Reloading, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    reply = await api.ask("PUT", ROUTER, document("b"))
    assert (reply.status, reply.json["error"]["code"]) == (507, "insufficient_storage")
    assert text(api) == document("a")
    assert api.live.current.policy.default_model == "a"


async def test_without_a_file_it_is_shown_and_cannot_be_changed() -> None:
    async with reloading(None, document("a")) as api:
        assert (await api.ask("GET", ROUTER)).json["read_only"] == "there is no file"
        reply = await api.ask("PUT", ROUTER, document("b"))
        assert (reply.status, reply.json["error"]["code"]) == (409, "config_read_only")


@pytest.mark.parametrize("headers", [{"origin": "http://evil.example"}, {"host": "evil.example:8080"}])
async def test_without_tokens_no_page_in_a_browser_can_change_it(
    api: Reloading, headers: dict[str, str]
) -> None:
    reply = await api.ask("PUT", ROUTER, document("b"), **headers)
    assert (reply.status, reply.error["code"]) == (403, "forbidden")
    form = await api.ask("POST", f"{ROUTER}/rollback", "{}", content_type="text/plain")
    assert form.status == 415


async def test_tokens_read_by_their_role_and_never_show(tmp_path: Path) -> None:
    async with reloading(tmp_path / "router.yaml", document("a") + AUTH) as api:
        assert (await api.ask("GET", ROUTER)).status == 401
        viewer = {"authorization": f"Bearer {ENV['VIEWER']}"}
        admin = {"authorization": f"Bearer {ENV['TOKEN']}"}
        shown = await api.ask("GET", ROUTER, **viewer)
        assert shown.status == 200
        assert not any(secret.encode() in shown.body for secret in ENV.values())
        for method, path in (("PUT", ROUTER), ("PATCH", ROUTER), ("POST", f"{ROUTER}/rollback")):
            assert (await api.ask(method, path, document("b") + AUTH, **viewer)).status == 403
        assert (await api.ask("PUT", ROUTER, document("b") + AUTH, **admin)).status == 200


async def test_of_two_changes_upon_the_same_text_one_wins(api: Reloading) -> None:
    old = f'"{digest_of(document("a"))}"'
    replies = await asyncio.gather(
        *(api.ask("PUT", ROUTER, document(name), if_match=old) for name in ("b", "c"))
    )
    assert sorted(reply.status for reply in replies) == [200, 412]
    assert text(api) == document(api.live.current.policy.default_model)
