"""Imported models in their seats: windows, limits, and what is checked when they start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.encoder.imported.tiny_model import read_manifest, write_manifest, write_model
from vsr.encoder.classifiers import Embedder, SpanFinder, TextClassifier
from vsr.encoder.failures import EncoderFailed, EncoderTimeout
from vsr.encoder.imported.folder import file_hash
from vsr.encoder.imported.manifest import Kind
from vsr.encoder.imported.model import (
    ImportedClassifier,
    ImportedEmbedder,
    ImportedModel,
    ImportedSpanFinder,
    start,
)
from vsr.errors import BundleError


@asynccontextmanager
async def running(tmp_path: Path, kind: Kind) -> AsyncIterator[ImportedModel]:
    model = await start(write_model(tmp_path / kind, kind), threads=1)
    try:
        yield model
    finally:
        await model.aclose()


async def test_a_guard_hears_its_worst_window_wherever_that_is(tmp_path: Path) -> None:
    async with running(tmp_path, "jailbreak") as model:
        assert isinstance(model, ImportedClassifier)
        classifier: TextClassifier = model
        texts = ["the word", "word " * 90 + "attack bypass " + "word " * 9, ""]
        benign, attacked, empty = await classifier.classify(texts, deadline=None)
    assert benign["jailbreak"] < 0.5 < attacked["jailbreak"]
    assert sum(attacked.values()) == pytest.approx(1.0)
    assert set(empty) == {"benign", "jailbreak"}


async def test_other_labels_come_from_a_bounded_part_of_a_long_text(tmp_path: Path) -> None:
    async with running(tmp_path, "domain") as model:
        assert isinstance(model, ImportedClassifier)
        read, unread = await model.classify(
            ["algebra " * 3 + "word " * 5, "word " * 30 + "algebra " * 14 + "word " * 60], deadline=None
        )
    assert read["math"] > 0.9
    assert unread["math"] < 0.5


async def test_persons_are_found_across_windows_and_where_they_stand(tmp_path: Path) -> None:
    text = "word " * 11 + "john smith " + "word " * 12 + "张三"
    async with running(tmp_path, "pii") as model:
        assert isinstance(model, ImportedSpanFinder)
        finder: SpanFinder = model
        spans, nothing = await finder.find([text, ""], deadline=None)
    assert [(span.type, text[span.start : span.end]) for span in spans] == [
        ("PERSON", "john smith"),
        ("PERSON", "张三"),
    ]
    assert nothing == []


async def test_vectors_are_unit_vectors_whatever_the_length(tmp_path: Path) -> None:
    async with running(tmp_path, "embedding") as model:
        assert isinstance(model, ImportedEmbedder)
        embedder: Embedder = model
        vectors = await embedder.embed(["word", "the algebra " * 40, ""], deadline=None)
    assert embedder.dimension == 4
    assert np.allclose([np.linalg.norm(vector) for vector in vectors], 1.0)


async def test_alone_and_beside_others_a_text_gets_the_same_answer(tmp_path: Path) -> None:
    texts = ["the algebra word", "word", "algebra", "word " * 30]
    async with running(tmp_path, "domain") as model:
        assert isinstance(model, ImportedClassifier)
        together = await model.classify(texts, deadline=None)
        alone = await asyncio.gather(*(model.classify([text], deadline=None) for text in texts))
    for one, (other,) in zip(together, alone, strict=True):
        assert one == pytest.approx(other, abs=1e-5)


async def test_a_call_ends_at_its_deadline(tmp_path: Path) -> None:
    async with running(tmp_path, "domain") as model:
        assert isinstance(model, ImportedClassifier)
        with pytest.raises(EncoderTimeout, match="model domain did not finish"):
            await model.classify(["word"], deadline=asyncio.get_running_loop().time() - 1)


async def test_numbers_that_are_none_are_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path, "jailbreak") as model:
        assert isinstance(model, ImportedClassifier)
        monkeypatch.setattr(model._turns, "_run", lambda windows: [np.full(2, np.nan, np.float32)])
        with pytest.raises(EncoderFailed, match="not finite"):
            await model.classify(["word"], deadline=None)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda d: d["golden"][0].update(values=[0.5, 0.5]), "golden text 1 is off by"),
        (lambda d: d["golden"][0].update(values=[1.0]), "golden text 1 is off by nan"),
        (lambda d: d.update(labels=["math", "law", "other"]), "golden text 1 is off by nan"),
        (lambda d: d.update(labels=["math"]), "labels holds only one"),
        (lambda d: d["golden"][1].update(text="word " * 15), "golden text 2 has 15 tokens, a window 14"),
        (lambda d: d.update(golden=[]), "golden needs at least one text"),
        (lambda d: d.update(labels=["math", "math"]), "labels holds one twice"),
        (lambda d: d["files"].update({"openvino_model.bin": "sha256:0"}), "openvino_model.bin differs"),
        (lambda d: d["files"].update({"config.json": "sha256:0"}), "config.json is missing"),
        (lambda d: d["files"].update({"../x": "sha256:0"}), "outside the directory"),
        (lambda d: d["files"].pop("tokenizer.json"), "no hash for tokenizer.json"),
        (lambda d: d["specials"].update(cls="<s>"), "the tokenizer has no <s>"),
        (lambda d: d.update(kind="jailbreak"), "positive belongs to a jailbreak model"),
        (lambda d: d.update(format=2), "format 2; this version reads format 1"),
        (lambda d: d.pop("windows"), "windows: "),
    ],
)
async def test_a_model_that_is_not_whole_does_not_start(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], Any], complaint: str
) -> None:
    path = write_model(tmp_path / "domain", "domain")
    document = read_manifest(path)
    spoil(document)
    write_manifest(path, document)
    with pytest.raises(BundleError, match=complaint):
        await start(path, threads=1)


async def test_a_model_whose_labels_are_not_one_of_several_does_not_start(tmp_path: Path) -> None:
    path = write_model(tmp_path / "domain", "domain")
    (path / "config.json").write_text('{"problem_type": "multi_label_classification"}')
    document = read_manifest(path)
    document["files"]["config.json"] = file_hash(path / "config.json")
    write_manifest(path, document)
    with pytest.raises(BundleError, match="is for multi_label_classification"):
        await start(path, threads=1)


async def test_a_graph_that_the_engine_does_not_compile_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_model(tmp_path / "domain", "domain")
    monkeypatch.setattr("openvino.Core.compile_model", refuse)
    with pytest.raises(BundleError, match=r"openvino_model\.xml cannot be compiled here: RuntimeError"):
        await start(path, threads=1)


def refuse(*_: object) -> None:
    raise RuntimeError("Exception from core.cpp:109")


async def test_a_pickle_in_a_model_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path / "domain", "domain")
    (path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(BundleError, match="looks like a pickle"):
        await start(path)


async def test_a_directory_that_is_no_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="`vsr models import` makes such a directory"):
        await start(tmp_path)
