from __future__ import annotations

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from tests.encoder.tiny_bundle import (
    DIMENSION,
    DOMAINS,
    TAGS,
    TOKENS,
    outputs,
    passage,
    read_manifest,
    write_bundle,
    write_manifest,
)
from vsr.encoder.backend import HeadOutputs, Ids
from vsr.encoder.bundle import Bundle, default_bundle_path, load_bundle
from vsr.encoder.encoder import Encoder
from vsr.encoder.golden import check_golden
from vsr.encoder.openvino import OpenVINOBackend, _Graph
from vsr.encoder.tokens import TextTokenizer
from vsr.errors import BundleError


@pytest.fixture(scope="module")
def backend(bundle: Bundle) -> OpenVINOBackend:
    return OpenVINOBackend(bundle.graph_path, 70, bundle.manifest.heads, threads=1)


def test_a_batch_gets_the_answers_of_its_windows_alone(backend: OpenVINOBackend) -> None:
    rows = backend.sizes(60)[-1]
    numbers = np.random.default_rng(rows)
    ids = numbers.integers(4, 30, (rows, 60))
    mask = (np.arange(60) < numbers.integers(45, 60, (rows, 1))).astype(np.int64)
    together = backend.infer(ids, mask)
    assert together.domain.shape == (rows, len(DOMAINS))
    assert together.embedding.shape == (rows, DIMENSION)
    assert together.pii.shape[2] == len(TAGS)
    for row in range(rows):
        alone = backend.infer(ids[row : row + 1], mask[row : row + 1])
        assert np.allclose(alone.domain[0], together.domain[row], atol=1e-5)
        assert np.allclose(alone.jailbreak[0], together.jailbreak[row], atol=1e-5)
        assert np.allclose(alone.pii[0], together.pii[row], atol=1e-5)
        assert np.allclose(alone.embedding[0], together.embedding[row], atol=1e-5)
        assert np.allclose(alone.asks["feedback"][0], together.asks["feedback"][row], atol=1e-5)


def test_the_graph_tells_of_each_token_what_follows_from_its_tags(backend: OpenVINOBackend) -> None:
    ids = np.random.default_rng(4).integers(4, 30, (1, 50))
    told = backend.infer(ids, np.ones_like(ids))
    expected = outputs(
        domain=told.domain, jailbreak=told.jailbreak, pii=told.pii, embedding=told.embedding, asks=told.asks
    )
    assert told.types[:, :50].tolist() == expected.types[:, :50].tolist()
    assert told.begins[:, :50].tolist() == expected.begins[:, :50].tolist()
    assert np.allclose(told.probabilities[:, :50], expected.probabilities[:, :50], atol=1e-5)


@pytest.mark.parametrize("width", [30, 60])
def test_what_makes_no_batch_is_read_alone(backend: OpenVINOBackend, width: int) -> None:
    for rows in backend.sizes(width):
        ids = np.full((rows, width), 5, dtype=np.int64)
        assert len(backend.infer(ids, np.ones_like(ids)).domain) == rows


def test_a_short_window_is_not_read_with_the_rest_of_a_longer_one(backend: OpenVINOBackend) -> None:
    short, long = np.full((1, 42), 6, dtype=np.int64), np.full((1, 70), 7, dtype=np.int64)
    first = np.array(backend.infer(short, np.ones_like(short)).domain)
    backend.infer(long, np.ones_like(long))
    assert np.array_equal(backend.infer(short, np.ones_like(short)).domain, first)


def test_a_short_window_has_a_graph_of_its_own_while_another_lane_works_and_the_same_answer(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = OpenVINOBackend(bundle.graph_path, 70, bundle.manifest.heads, threads=2)
    short, batch = np.full((1, 30), 6, dtype=np.int64), np.full((two.sizes(70)[-1], 70), 7, dtype=np.int64)
    run = _Graph.run
    used: set[int] = set()

    def noted(graph: _Graph, ids: Ids, mask: Ids) -> HeadOutputs:
        if len(ids) == 1:
            used.add(id(graph))
        return run(graph, ids, mask)

    monkeypatch.setattr(_Graph, "run", noted)
    quiet = np.array(two.infer(short, np.ones_like(short)).domain)
    assert len(used) == 1
    works, done = Event(), Event()

    def work() -> None:
        while not done.is_set():
            two.infer(batch, np.ones_like(batch), lane=1)
            works.set()

    with ThreadPoolExecutor(1) as other:
        working = other.submit(work)
        try:
            works.wait(10)
            for _ in range(200):
                assert np.allclose(two.infer(short, np.ones_like(short)).domain, quiet, atol=1e-5)
        finally:
            done.set()
        working.result()
    assert len(used) == 2


def test_a_window_wider_than_the_graph_is_refused(backend: OpenVINOBackend) -> None:
    with pytest.raises(ValueError, match="73 tokens"):
        backend.infer(np.ones((1, 73), dtype=np.int64), np.ones((1, 73), dtype=np.int64))


async def test_a_whole_bundle_starts_and_reads(bundle: Bundle) -> None:
    encoder = await Encoder.start(bundle, threads=1)
    try:
        readings = await encoder.read([passage("the algebra word")], [0])
    finally:
        await encoder.aclose()
    golden = bundle.manifest.golden[0]
    assert list(readings.domain.values()) == pytest.approx(golden.domain, abs=0.01)
    assert readings.jailbreak[0].risk == pytest.approx(golden.jailbreak, abs=0.01)


async def test_a_bundle_without_the_heads_about_the_ask_says_nothing_of_it(tmp_path: Path) -> None:
    encoder = await Encoder.start(load_bundle(write_bundle(tmp_path, asks=False)), threads=1)
    try:
        readings = await encoder.read([passage("the algebra word")], [0])
    finally:
        await encoder.aclose()
    assert readings.domain
    assert readings.fact_check is None
    assert readings.feedback == {}


async def test_the_default_bundle_answers_here_as_where_it_was_built() -> None:
    encoder = await Encoder.start(load_bundle(default_bundle_path()))
    try:
        readings = await encoder.read([passage("帮我解这道微积分题")], [0])
    finally:
        await encoder.aclose()
    assert readings.coverage.windows == 1
    assert set(readings.domain) == set(encoder.bundle.manifest.heads.domain.labels)


@pytest.mark.parametrize(
    ("output", "spoilt", "complaint"),
    [
        ("domain", [0.9, 0.1], "a domain probability is off by"),
        ("domain", [1.0], "domain has 2 classes, expected 1"),
        ("jailbreak", 0.99, "the jailbreak probability is off by"),
        ("embedding", [1.0, 0.0, 0.0, 0.0], "the embedding's cosine is"),
        ("pii", ["O", "O", "O"], "token 1 is not O by"),
        ("pii", ["O"], "3 tokens, expected 1"),
        ("fact_check", [0.99, 0.01], "a fact_check probability is off by"),
        ("feedback", [1.0], "feedback has 5 classes, expected 1"),
    ],
)
async def test_a_processor_that_computes_differently_is_told_of_at_start(
    copy: Path, output: str, spoilt: object, complaint: str
) -> None:
    document = read_manifest(copy)
    document["golden"][0][output] = spoilt
    write_manifest(copy, document)
    with pytest.raises(BundleError) as caught:
        await Encoder.start(load_bundle(copy), threads=1)
    assert "golden text 1" in str(caught.value)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("head", "complaint"),
    [
        ("domain", "a domain probability is off by nan"),
        ("jailbreak", "the jailbreak probability is off by nan"),
        ("embedding", "the embedding's cosine is nan"),
        ("pii", "by a probability of nan"),
    ],
)
def test_a_graph_that_computes_no_numbers_is_told_of_at_start(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, head: str, complaint: str
) -> None:
    run = OpenVINOBackend.infer

    def spoilt(backend: OpenVINOBackend, ids: Ids, mask: Ids, lane: int = 0) -> HeadOutputs:
        told = run(backend, ids, mask, lane)
        return replace(told, **{head: np.full_like(getattr(told, head), np.nan)})

    monkeypatch.setattr(OpenVINOBackend, "infer", spoilt)
    backend = OpenVINOBackend(bundle.graph_path, TOKENS, bundle.manifest.heads, threads=1)
    with pytest.raises(BundleError, match=complaint):
        check_golden(bundle.manifest, TextTokenizer(bundle.tokenizer_path), backend)


@pytest.mark.parametrize(
    ("head", "change", "complaint"),
    [
        ("domain", {"labels": [*DOMAINS, "law"]}, "domain of shape [?,2], the manifest's heads need [?,3]"),
        ("jailbreak", {"labels": ["benign", "jailbreak", "?"]}, "jailbreak of shape [?,2]"),
        ("pii", {"labels": ["O", "B-PERSON", "I-PERSON"]}, "the manifest's heads need [?,?,3]"),
        ("embedding", {"dimension": 5}, "embedding of shape [?,4], the manifest's heads need [?,5]"),
        ("feedback", {"labels": ["NONE", "SAT"]}, "feedback of shape [?,5], the manifest's heads need [?,2]"),
    ],
)
async def test_a_graph_with_other_numbers_of_outputs_than_labels_is_refused(
    copy: Path, head: str, change: dict[str, object], complaint: str
) -> None:
    document = read_manifest(copy)
    document["heads"][head] |= change
    write_manifest(copy, document)
    with pytest.raises(BundleError, match=re.escape(complaint)):
        await Encoder.start(load_bundle(copy), threads=1)


async def test_a_golden_text_longer_than_a_window_is_refused(copy: Path) -> None:
    document = read_manifest(copy)
    document["golden"][1]["text"] = "word " * (TOKENS + 1)
    write_manifest(copy, document)
    with pytest.raises(BundleError, match="golden text 2 has 15 tokens, a window 14"):
        await Encoder.start(load_bundle(copy), threads=1)


async def test_a_graph_that_the_engine_does_not_compile_is_refused(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("Exception from core.cpp:109")

    monkeypatch.setattr("openvino.Core.compile_model", refuse)
    with pytest.raises(BundleError, match=r"openvino_model\.xml cannot be compiled here: RuntimeError"):
        await Encoder.start(bundle, threads=1)


async def test_a_graph_without_a_head_is_refused(copy: Path) -> None:
    await refused(
        copy, "openvino_model.xml", b'names="jailbreak"', b'names="toxicity"', "no output named jailbreak"
    )


async def test_a_graph_that_is_none_is_refused(copy: Path) -> None:
    await refused(copy, "openvino_model.xml", b"<net", b"<not", "is not an OpenVINO graph")


async def refused(path: Path, name: str, old: bytes, new: bytes, complaint: str) -> None:
    content = (path / name).read_bytes()
    assert old in content
    (path / name).write_bytes(content.replace(old, new))
    document = read_manifest(path)
    document["files"][name] = "sha256:" + hashlib.sha256((path / name).read_bytes()).hexdigest()
    write_manifest(path, document)
    with pytest.raises(BundleError, match=complaint):
        await Encoder.start(load_bundle(path), threads=1)
