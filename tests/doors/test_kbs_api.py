"""Knowledge bases and recipes over the management API: shown, created, changed, deleted."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.doors.reloading import AUTH, ENV, Reloading, document, reloading
from vsr.config.storage import digest_of

KBS, RECIPES = "/config/kbs", "/config/router/recipes"
MINE: dict[str, Any] = {
    "name": "mine",
    "threshold": 0.4,
    "labels": [
        {"name": "cats", "exemplars": ["a cat purrs"]},
        {"name": "dogs", "exemplars": ["a dog barks"]},
    ],
    "groups": {"pets": ["cats", "dogs"]},
}
CHEAP = {"routing": {"decisions": [{"name": "all", "modelRefs": [{"model": "a"}]}]}}
ASKED = CHEAP | {"entrypoints": [{"model_names": ["cheap"]}]}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Reloading]:
    async with reloading(tmp_path / "router.yaml", document("a")) as router:
        yield router


async def send(
    api: Reloading, method: str, path: str, body: object = None, **headers: str
) -> tuple[int, Any]:
    text = "" if body is None else json.dumps(body)
    reply = await api.ask(method, path, text, content_type="application/json", **headers)
    return reply.status, reply.json


def text(api: Reloading) -> str:
    assert api.path is not None
    return api.path.read_text()


# ---------------------------------------------------------------- knowledge bases


async def test_built_in_bases_are_listed_with_their_labels_and_groups(api: Reloading) -> None:
    _, shown = await send(api, "GET", KBS)
    assert [(one["name"], one["builtin"]) for one in shown["items"]] == [
        ("privacy_kb", True),
        ("mmlu_kb", True),
    ]
    status, one = await send(api, "GET", f"{KBS}/privacy_kb")
    assert status == 200
    assert len(one["labels"]) == 18
    assert one["labels"][0]["exemplars"]
    assert one["bind_options"]["metrics"][-1] == "private_vs_public"
    assert (await send(api, "GET", f"{KBS}/nowhere"))[0] == 404


async def test_a_base_is_created_in_the_file_and_used(api: Reloading) -> None:
    status, made = await send(api, "POST", KBS, MINE)
    assert (status, made["managed"], made["groups"]) == (201, True, {"pets": ["cats", "dogs"]})
    (base,) = api.live.current.policy.signals.knowledge_bases
    assert (base.name, base.threshold, base.exemplars["cats"]) == ("mine", 0.4, ("a cat purrs",))
    assert "# a comment that stays" in text(api)
    assert (await send(api, "POST", KBS, MINE))[0] == 409


async def test_a_base_is_changed_whole_and_the_change_is_a_version(api: Reloading) -> None:
    await send(api, "POST", KBS, MINE)
    before = text(api)
    changed = {"labels": [{"name": "fish", "exemplars": ["a carp swims"]}]}
    status, shown = await send(api, "PUT", f"{KBS}/mine", changed)
    assert (status, [one["name"] for one in shown["labels"]], shown["groups"]) == (200, ["fish"], {})
    await send(api, "POST", "/config/router/rollback", {})
    assert text(api) == before


async def test_a_base_is_not_renamed_by_what_is_sent(api: Reloading) -> None:
    await send(api, "POST", KBS, MINE)
    before = text(api)
    status, refused = await send(api, "PUT", f"{KBS}/mine", MINE | {"name": "other"})
    assert (status, refused["error"]["param"]) == (400, "name")
    assert text(api) == before
    assert (await send(api, "PUT", f"{KBS}/mine", MINE))[0] == 200


async def test_a_built_in_base_is_changed_by_an_entry_of_its_own_and_comes_back(api: Reloading) -> None:
    status, shown = await send(api, "PUT", f"{KBS}/mmlu_kb", {"labels": {"x": {"exemplars": ["y"]}}})
    assert (status, shown["builtin"], len(shown["labels"])) == (200, False, 1)
    assert (await send(api, "DELETE", f"{KBS}/mmlu_kb"))[0] == 200
    assert len((await send(api, "GET", f"{KBS}/mmlu_kb"))[1]["labels"]) == 14
    assert (await send(api, "DELETE", f"{KBS}/mmlu_kb"))[0] == 403


async def test_a_base_that_a_rule_asks_is_not_deleted(api: Reloading) -> None:
    await send(api, "POST", KBS, MINE)
    rule = {"name": "pet", "kb": "mine", "target": {"kind": "group", "value": "pets"}}
    assert (await send(api, "PATCH", "/config/router", {"routing": {"signals": {"kb": [rule]}}}))[0] == 200
    assert (await send(api, "GET", f"{KBS}/mine"))[1]["signal_references"] == [
        {"recipe": "default", "name": "pet"}
    ]
    status, refused = await send(api, "DELETE", f"{KBS}/mine")
    assert (status, refused["error"]["code"]) == (400, "INVALID_CONFIG")
    assert "there is no knowledge base 'mine'" in refused["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "x"},
        {"name": "x", "labels": [{"exemplars": ["y"]}]},
        {"name": "x", "labels": [{"name": "l", "exemplars": []}]},
        {"name": "x", "labels": {"l": {"exemplars": ["y"]}}, "tresholds": 1},
        {"labels": {"l": {"exemplars": ["y"]}}},
    ],
)
async def test_a_wrong_base_changes_nothing(api: Reloading, body: object) -> None:
    assert (await send(api, "POST", KBS, body))[0] == 400
    assert text(api) == document("a")


async def test_a_change_upon_another_file_than_was_read_is_refused(api: Reloading) -> None:
    old = f'"{digest_of(document("a"))}"'
    assert (await send(api, "POST", KBS, MINE, if_match=old))[0] == 201
    assert (await send(api, "DELETE", f"{KBS}/mine", if_match=old))[0] == 412


async def test_a_base_from_a_file_is_shown_with_what_the_file_holds(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text('{"labels": {"pets": {"exemplars": ["a cat purrs"]}}}')
    kbs = f"global: {{model_catalog: {{kbs: [{{name: filed, source: {{path: '{tmp_path}'}}}}]}}}}\n"
    async with reloading(tmp_path / "router.yaml", document("a") + kbs) as api:
        _, shown = await send(api, "GET", f"{KBS}/filed")
        assert (shown["labels"][0]["exemplars"], shown["managed"]) == (["a cat purrs"], False)
        (tmp_path / "labels.json").unlink()
        assert "cannot be read" in (await send(api, "GET", f"{KBS}/filed"))[1]["load_error"]


async def test_changing_needs_the_role_admin(tmp_path: Path) -> None:
    async with reloading(tmp_path / "router.yaml", document("a") + AUTH) as api:
        viewer = f"Bearer {ENV['VIEWER']}"
        assert (await send(api, "GET", KBS))[0] == 401
        assert (await send(api, "GET", KBS, authorization=viewer))[0] == 200
        assert (await send(api, "POST", KBS, MINE, authorization=viewer))[0] == 403
        assert (await send(api, "PUT", f"{RECIPES}/r", ASKED, authorization=viewer, if_match="*"))[0] == 403


# ---------------------------------------------------------------- recipes


async def test_the_documents_own_routing_is_the_recipe_default(api: Reloading) -> None:
    reply = await api.ask("GET", RECIPES)
    assert [one["name"] for one in reply.json["recipes"]] == ["default"]
    assert reply.headers["etag"] == f'"{digest_of(document("a"))}"'


async def test_a_recipe_is_created_with_its_entrypoint_and_asked(api: Reloading) -> None:
    status, made = await send(api, "PUT", f"{RECIPES}/cheap", ASKED, if_match="*")
    assert (status, made["name"], made["entrypoints"]) == (200, "cheap", [{"model_names": ["cheap"]}])
    assert api.live.current.policy.entrypoints == {"cheap": "cheap"}
    _, one = await send(api, "GET", f"{RECIPES}/cheap")
    assert one["routing"] == CHEAP["routing"]


async def test_a_recipe_that_is_replaced_keeps_its_entrypoints_unless_others_are_sent(api: Reloading) -> None:
    await send(api, "PUT", f"{RECIPES}/cheap", ASKED, if_match="*")
    _, kept = await send(api, "PUT", f"{RECIPES}/cheap", CHEAP | {"description": "d"}, if_match="*")
    assert (kept["description"], kept["entrypoints"]) == ("d", [{"model_names": ["cheap"]}])
    _, moved = await send(api, "PUT", f"{RECIPES}/cheap", CHEAP | {"entrypoints": []}, if_match="*")
    assert moved["entrypoints"] == []


async def test_the_default_recipe_is_replaced_in_place(api: Reloading) -> None:
    assert (await send(api, "PUT", f"{RECIPES}/default", CHEAP, if_match="*"))[0] == 200
    assert [one.name for one in api.live.current.policy.decisions] == ["all"]


async def test_a_recipe_change_needs_what_it_is_based_on(api: Reloading) -> None:
    status, refused = await send(api, "PUT", f"{RECIPES}/cheap", ASKED)
    assert (status, refused["error"]["code"]) == (428, "precondition_required")
    assert (await send(api, "DELETE", f"{RECIPES}/cheap"))[0] == 428
    assert (await send(api, "PUT", f"{RECIPES}/cheap", ASKED, if_match='"old"'))[0] == 412


async def test_a_recipe_that_an_entrypoint_asks_is_not_deleted(api: Reloading) -> None:
    await send(api, "PUT", f"{RECIPES}/cheap", ASKED, if_match="*")
    assert (await send(api, "DELETE", f"{RECIPES}/cheap", if_match="*"))[0] == 409
    await send(api, "PUT", f"{RECIPES}/cheap", CHEAP | {"entrypoints": []}, if_match="*")
    assert (await send(api, "DELETE", f"{RECIPES}/cheap", if_match="*"))[0] == 200
    assert (await send(api, "GET", f"{RECIPES}/cheap"))[0] == 404
    assert (await send(api, "DELETE", f"{RECIPES}/default", if_match="*"))[0] == 409


async def test_a_recipe_is_checked_without_being_written(api: Reloading) -> None:
    right = await send(api, "POST", f"{RECIPES}/validate", ASKED | {"name": "cheap"})
    assert (right[0], right[1]["valid"]) == (200, True)
    wrong = {"name": "r", "routing": {"decisions": [{"name": "d", "modelRefs": [{"model": "nobody"}]}]}}
    _, found = await send(api, "POST", f"{RECIPES}/validate", wrong)
    assert "model 'nobody' is not in providers.models" in found["errors"][0]["message"]
    assert text(api) == document("a")


@pytest.mark.parametrize("body", [{}, {"routing": []}, ASKED | {"name": "other"}, ASKED | {"speed": 1}])
async def test_a_wrong_recipe_changes_nothing(api: Reloading, body: object) -> None:
    assert (await send(api, "PUT", f"{RECIPES}/cheap", body, if_match="*"))[0] == 400
    assert text(api) == document("a")


@pytest.mark.parametrize("entrypoints", [None, ["cheap"], {"model_names": ["cheap"]}])
async def test_entrypoints_that_are_none_do_not_remove_those_that_there_are(
    api: Reloading, entrypoints: object
) -> None:
    await send(api, "PUT", f"{RECIPES}/cheap", ASKED, if_match="*")
    body = CHEAP | {"entrypoints": entrypoints}
    status, refused = await send(api, "PUT", f"{RECIPES}/cheap", body, if_match="*")
    assert (status, refused["error"]["param"]) == (400, "entrypoints")
    assert api.live.current.policy.entrypoints == {"cheap": "cheap"}


@pytest.mark.parametrize("name", ["default", "cheap"])
async def test_a_recipe_can_be_put_back_as_it_was_got(api: Reloading, name: str) -> None:
    await send(api, "PUT", f"{RECIPES}/cheap", ASKED, if_match="*")
    _, got = await send(api, "GET", f"{RECIPES}/{name}")
    status, put = await send(api, "PUT", f"{RECIPES}/{name}", got, if_match="*")
    assert status == 200
    assert {key: put[key] for key in got} == got


async def test_a_405_names_every_method_of_the_path(api: Reloading) -> None:
    reply = await api.ask("POST", f"{RECIPES}/default", "{}")
    assert (reply.status, reply.headers["allow"]) == (405, "DELETE, GET, HEAD, PUT")
