"""A running configuration that changes: what is used, what is rejected, and who is told."""

# ruff: noqa: ASYNC110, ASYNC240 # small files, and states of others that have no event

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from tests.scripted import ScriptedBundle, ScriptedEncoder
from vsr.config.load import LoadedConfig, load_text
from vsr.config.policy import Policy
from vsr.config.storage import ConfigFile
from vsr.encoder.bundle import default_bundle_path, load_bundle
from vsr.encoder.encoder import Encoder
from vsr.encoder.manifest import Manifest
from vsr.errors import ConfigError, Conflict, EncoderBusy, NotSaved, Overloaded, RestartNeeded, Stale
from vsr.exchange import RequestHead
from vsr.generation import MAX_RETIRING, Generation, Live
from vsr.reload import Reloader, Source
from vsr.selection.memory import Memory
from vsr.telemetry import Metrics

GOOD = """\
version: v0.3
providers:
  defaults: {default_model: NAME}
  models: [{name: NAME, backend_refs: [{endpoint: "127.0.0.1:9001"}]}]
"""
CLASSIFIER = """\
routing: {signals: {classifiers: [{name: c, type: llm, model: judge, labels: [x, y]}]}}
global:
  model_catalog:
    external:
      - {name: judge, model_role: classification, llm_model_name: m, llm_endpoint: {base_url: "http://127.0.0.1:9"}}
"""
HEAD = RequestHead("POST", "/v1/chat/completions", ())


@dataclass
class ManifestBundle(ScriptedBundle):
    manifest: Manifest = field(default_factory=lambda: load_bundle(default_bundle_path()).manifest)


def document(name: str) -> str:
    return GOOD.replace("NAME", name)


def load(text: str) -> LoadedConfig:
    return load_text(text, "router.yaml", {})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "router.yaml"
    path.write_text(document("a"))
    return path


@pytest.fixture
def encoder() -> ScriptedEncoder:
    return ScriptedEncoder(bundle=ManifestBundle())


@pytest.fixture
async def reloader(path: Path, encoder: ScriptedEncoder) -> Reloader:
    return make(path, encoder)[1]


def make(path: Path | None, encoder: ScriptedEncoder) -> tuple[Live, Reloader]:
    loaded = load(document("a"))
    live = Live(Generation(loaded.policy, cast(Encoder, encoder), Metrics()))
    file = ConfigFile(path) if path is not None else None
    return live, Reloader(live, Source("router.yaml", file, load), document("a"), loaded)


def metric(reloader: Reloader, name: str, **labels: str) -> float | None:
    return reloader._live.current.metrics.registry.get_sample_value(name, labels)


async def test_a_changed_file_is_used_and_numbered(reloader: Reloader, path: Path) -> None:
    path.write_text(document("b"))
    assert await reloader.reload()
    assert reloader._live.current.policy.default_model == "b"
    assert (reloader._live.current.number, reloader.active.generation) == (2, 2)
    assert metric(reloader, "vsr_config_generation") == 2
    assert metric(reloader, "vsr_config_reloads_total", result="used") == 1


async def test_the_same_content_is_not_loaded_again_unless_forced(reloader: Reloader) -> None:
    assert await reloader.reload()
    assert reloader.active.generation == 1
    assert await reloader.reload(force=True)
    assert reloader.active.generation == 2


async def test_a_wrong_file_leaves_the_last_good_one_and_is_told_once(
    reloader: Reloader, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_text("version: v0.3\nprovders: {}\n")
    for _ in range(3):
        assert not await reloader.reload()
    assert reloader._live.current.policy.default_model == "a"
    assert reloader._live.current.ready
    assert reloader.rejected is not None
    assert 2 in [problem.line for problem in reloader.rejected.problems]
    assert len([one for one in caplog.records if one.levelno == logging.ERROR]) == 1
    assert "did you mean 'providers'?" in caplog.text
    assert metric(reloader, "vsr_config_last_reload_successful") == 0


async def test_a_file_that_is_right_again_is_no_longer_rejected(reloader: Reloader, path: Path) -> None:
    path.write_text("version: v0.3\n")
    assert not await reloader.reload()
    path.write_text(document("a"))
    assert await reloader.reload()
    assert reloader.rejected is None
    assert reloader.active.generation == 1
    assert metric(reloader, "vsr_config_last_reload_successful") == 1


async def test_a_file_that_is_gone_is_told_and_nothing_else_happens(reloader: Reloader, path: Path) -> None:
    path.unlink()
    assert not await reloader.reload()
    assert reloader.rejected is not None
    assert "cannot be read" in reloader.rejected.problems[0].message


async def test_an_address_that_changes_is_refused_and_says_restart(reloader: Reloader, path: Path) -> None:
    path.write_text(document("b") + "listeners: [{port: 9999}]\n")
    assert not await reloader.reload()
    assert reloader.rejected is not None
    message = reloader.rejected.problems[0].message
    assert "127.0.0.1:8801 → 127.0.0.1:9999" in message
    assert "restart" in message


async def test_a_bug_while_loading_is_a_rejection(path: Path, encoder: ScriptedEncoder) -> None:
    live, reloader = make(path, encoder)

    def crash(text: str) -> LoadedConfig:
        raise KeyError(text)

    reloader.source = Source("router.yaml", ConfigFile(path), crash)
    path.write_text(document("b"))
    assert not await reloader.reload()
    assert live.current.policy.default_model == "a"


# ---------------------------------------------------------------- put


async def test_what_is_put_is_saved_and_used_and_the_text_before_is_kept(
    reloader: Reloader, path: Path
) -> None:
    text = document("b") + "# as it was sent\n"
    active = await reloader.put(text)
    assert path.read_text() == text
    assert (active.text, reloader._live.current.policy.default_model) == (text, "b")
    file = reloader.source.file
    assert file is not None
    assert [file.version(one.id) for one in file.versions()] == [document("a")]


async def test_what_is_wrong_is_neither_saved_nor_used(reloader: Reloader, path: Path) -> None:
    with pytest.raises(ConfigError):
        await reloader.put("version: v0.3\n")
    with pytest.raises(RestartNeeded):
        await reloader.put(document("b") + "listeners: [{port: 9999}]\n")
    with pytest.raises(Stale):
        await reloader.put(document("b"), expected="0" * 64)
    assert path.read_text() == document("a")
    assert reloader.active.generation == 1


async def test_a_model_that_a_signal_asks_and_is_not_there_is_a_wrong_configuration(
    reloader: Reloader, tmp_path: Path
) -> None:
    rule = f"{{name: c, type: local, model_path: {tmp_path}/none, labels: [x, y]}}"
    text = document("b") + f"routing: {{signals: {{classifiers: [{rule}]}}}}\n"
    with pytest.raises(ConfigError, match=r"router\.yaml: .*none"):
        await reloader.put(text)
    with pytest.raises(ConfigError):
        await reloader.check(text)


async def test_what_cannot_be_saved_is_not_used(
    reloader: Reloader, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: ConfigFile, text: str, *, expected: str = "") -> None:
        raise NotSaved("disk full", "full")

    monkeypatch.setattr(ConfigFile, "replace", full)
    with pytest.raises(NotSaved):
        await reloader.put(document("b"))
    assert reloader._live.current.policy.default_model == "a"


async def test_what_was_built_and_not_used_leaves_nothing_open(reloader: Reloader) -> None:
    """A classifier's connections are opened with its generation."""
    await reloader.reload(force=True)
    current = reloader._live.current
    assert current.signals is not None
    opened = current.signals._shared
    await reloader.check(document("b") + CLASSIFIER)
    assert not len(opened)
    with pytest.raises(Stale):
        await reloader.put(document("b") + CLASSIFIER, expected="0" * 64)
    assert not len(opened)
    await reloader.put(document("b") + CLASSIFIER)
    assert len(opened)
    await reloader.put(document("b"))
    await until(lambda: not len(opened))
    assert reloader._live.current.ready


async def test_without_a_file_nothing_can_be_put(encoder: ScriptedEncoder) -> None:
    _, reloader = make(None, encoder)
    assert await reloader.reload()
    with pytest.raises(Conflict, match="--config FILE"):
        await reloader.put(document("b"))


# ---------------------------------------------------------------- generations


async def test_a_request_ends_on_the_generation_it_began_on(path: Path, encoder: ScriptedEncoder) -> None:
    live, reloader = make(path, encoder)
    first = live.current
    exchange = first.exchange(HEAD, "gateway")
    await reloader.put(document("b"))
    await asyncio.sleep(0)
    assert (live.retiring, first.ready, first.policy.default_model) == (1, True, "a")
    exchange.close()
    await until(lambda: live.retiring == 0)
    assert not first.ready
    assert not encoder.closed
    await live.aclose()
    assert encoder.closed


async def test_memory_is_closed_with_the_last_generation_and_no_earlier(
    path: Path, encoder: ScriptedEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[Memory] = []
    monkeypatch.setattr(Memory, "close", lambda memory: closed.append(memory))
    live, reloader = make(path, encoder)
    await reloader.check(document("b"))
    await reloader.put(document("b"))
    await until(lambda: live.retiring == 0)
    assert not closed
    await live.aclose()
    assert closed == [live.current.memory]


async def test_generations_that_wait_for_their_requests_are_closed_at_the_end(
    path: Path, encoder: ScriptedEncoder
) -> None:
    live, _ = make(path, encoder)
    waiting = []
    for _ in range(2):
        waiting.append(live.current)
        live.current.exchange(HEAD, "gateway")
        live.switch(await live.current.successor(live.current.policy), patience=1000)
        await asyncio.sleep(0)
    await live.aclose()
    assert [one.ready for one in (*waiting, live.current)] == [False, False, False]


async def test_a_generation_whose_requests_never_end_is_closed_in_time_and_told(
    path: Path, encoder: ScriptedEncoder, caplog: pytest.LogCaptureFixture
) -> None:
    live, _ = make(path, encoder)
    first = live.current
    first.exchange(HEAD, "gateway")
    live.switch(await first.successor(first.policy), patience=0.01)
    await until(lambda: live.retiring == 0)
    assert not first.ready
    assert "1 of its requests" in caplog.text


async def test_generations_that_wait_for_their_requests_are_bounded(
    path: Path, encoder: ScriptedEncoder
) -> None:
    live, _ = make(path, encoder)
    for _ in range(MAX_RETIRING + 5):
        live.current.exchange(HEAD, "gateway")
        live.switch(await live.current.successor(live.current.policy), patience=1000)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await until(lambda: live.retiring <= MAX_RETIRING)
    await live.aclose()


async def test_old_generations_are_not_kept_alive(path: Path, encoder: ScriptedEncoder) -> None:
    live, reloader = make(path, encoder)
    seen = []
    for number in range(20):
        seen.append(weakref.ref(live.current))
        live.current.exchange(HEAD, "gateway").close()
        await reloader.put(document(f"m{number}"))
    await until(lambda: live.retiring == 0)
    gc.collect()
    assert [one for one in seen if one() is not None] == []


async def test_counters_of_names_that_are_gone_go_with_them(path: Path, encoder: ScriptedEncoder) -> None:
    live, reloader = make(path, encoder)
    metrics = live.current.metrics
    metrics.model_requests.labels(model="a").inc()
    metrics.model_requests.labels(model="_OTHER").inc()
    await reloader.put(document("b"))
    await until(lambda: live.retiring == 0)
    assert metric(reloader, "llm_model_requests_total", model="a") is None
    assert metric(reloader, "llm_model_requests_total", model="_OTHER") == 1


async def test_the_limit_of_requests_counts_over_generations(path: Path, encoder: ScriptedEncoder) -> None:
    live, reloader = make(path, encoder)
    exchange = live.current.exchange(HEAD, "gateway")
    await reloader.put(document("b"))
    assert live.current.in_flight.count == 1
    exchange.close()
    assert live.current.in_flight.count == 0


# ---------------------------------------------------------------- watching


async def test_workers_draw_differently(path: Path, encoder: ScriptedEncoder) -> None:
    one, other = (make(path, encoder)[0].current.exchange(HEAD, "test") for _ in range(2))
    assert one._services.seed != other._services.seed


async def test_a_watched_file_is_followed_however_it_is_written(path: Path, encoder: ScriptedEncoder) -> None:
    live, reloader = make(path, encoder)
    watching = asyncio.create_task(reloader.watch(interval=0.001, settle=0.001))
    try:
        path.write_text(document("in-place"))
        await until(lambda: live.current.policy.default_model == "in-place")
        other = path.with_name("router.yaml~")
        other.write_text(document("renamed"))
        other.replace(path)
        await until(lambda: live.current.policy.default_model == "renamed")
        path.unlink()
        await until(lambda: reloader.rejected is not None)
        path.write_text(document("back"))
        await until(lambda: live.current.policy.default_model == "back")
    finally:
        watching.cancel()


async def test_the_swap_of_a_kubernetes_volume_is_followed(tmp_path: Path, encoder: ScriptedEncoder) -> None:
    for name, model in (("..1", "a"), ("..2", "b")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "router.yaml").write_text(document(model))
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "router.yaml").symlink_to("..data/router.yaml")
    live, reloader = make(tmp_path / "router.yaml", encoder)
    watching = asyncio.create_task(reloader.watch(interval=0.001, settle=0.001))
    try:
        (tmp_path / "..data_tmp").symlink_to("..2")
        (tmp_path / "..data_tmp").replace(tmp_path / "..data")
        await until(lambda: live.current.policy.default_model == "b")
    finally:
        watching.cancel()


class BusyGeneration(Generation):
    """Cannot be followed before the encoder has time."""

    busy = True

    async def successor(self, policy: Policy) -> Generation:
        if self.busy:
            raise Overloaded("busy")
        return await super().successor(policy)


def make_busy(path: Path, encoder: ScriptedEncoder) -> tuple[Live, Reloader, BusyGeneration]:
    live, reloader = make(path, encoder)
    busy = BusyGeneration(live.current.policy, cast(Encoder, encoder), live.current.metrics)
    live.current = busy
    return live, reloader, busy


async def test_a_file_that_met_a_busy_encoder_is_tried_again(
    path: Path, encoder: ScriptedEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vsr.reload._PAUSES", ())
    live, reloader, busy = make_busy(path, encoder)
    path.write_text(document("b"))
    watching = asyncio.create_task(reloader.watch(interval=0.001, settle=0.001, retry=0.001))
    try:
        await until(lambda: reloader.rejected is not None and reloader.rejected.transient)
        with pytest.raises(EncoderBusy):
            await reloader.check(document("b"))
        busy.busy = False
        await until(lambda: live.current.policy.default_model == "b")
        assert reloader.rejected is None
    finally:
        watching.cancel()


async def test_a_signal_that_met_a_busy_encoder_is_tried_again_although_the_file_is_the_same(
    path: Path, encoder: ScriptedEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vsr.reload._PAUSES", ())
    live, reloader, busy = make_busy(path, encoder)
    assert not await reloader.reload(force=True)
    watching = asyncio.create_task(reloader.watch(interval=0.001, settle=0.001, retry=0.001))
    try:
        await until(lambda: (metric(reloader, "vsr_config_reloads_total", result="rejected") or 0) > 2)
        busy.busy = False
        await until(lambda: live.current.number == 2)
        assert reloader.rejected is None
    finally:
        watching.cancel()


async def until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)
