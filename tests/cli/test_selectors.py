"""`vsr train-selector` and `evaluate-selection` on a bundle of a few kilobytes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.command import vsr
from tests.encoder.tiny_bundle import tiny_bundle
from vsr.evaluation.report import BEGIN, END
from vsr.selection.learned.artifact import FORMAT, Manifest, load_artifact, save_artifact
from vsr.selection.surface import NAMES

WORDS = ("the", "secret", "word", "john", "mary", "张", "三", "555", "other", "smith")


def rows(path: Path, *models: str) -> Path:
    """Ten questions about algebra, which only the first model answers right, and ten about a poem."""
    lines = []
    for word in WORDS:
        for topic, right in (("algebra", 0), ("poem", 1)):
            correct = {model: right if index else 1 for index, model in enumerate(models)}
            lines.append({"prompt": f"{topic} {word}", "correct": correct, "subject": word})
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


def selector(path: Path, bundle: Path) -> Path:
    """Long words are hard."""
    loaded = tiny_bundle(bundle)
    dimension, domains = loaded.manifest.heads.embedding.dimension, tuple(loaded.manifest.heads.domain.labels)
    size = dimension + len(domains) + len(NAMES)
    weights = np.zeros(size, np.float32)
    weights[dimension + len(domains) + NAMES.index("log_longest_word")] = 1
    arrays = {"mean": np.zeros(size, np.float32), "scale": np.ones(size, np.float32), "weights": weights}
    arrays["quantiles"] = np.linspace(0, 3, 301, dtype=np.float32)
    manifest = Manifest(FORMAT, "difficulty", loaded.digest, dimension, domains, (), {}, "", {"models": []})
    save_artifact(path, manifest, arrays)
    return path


def test_selectors_are_measured_and_a_page_is_renewed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, page = tmp_path / "bundle", tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    one = selector(tmp_path / "one", bundle)
    data = rows(tmp_path / "rows.jsonl", "strong", "weak")
    arguments = ("--selector", one, "--data", data, "--bundle", bundle, "--cache", tmp_path / "cache")
    prices = ("--price", "strong=10", "--price", "weak=1", "--docs", page)
    result = vsr(capsys, "evaluate-selection", *map(str, (*arguments, *prices)), "--json")
    assert result.code == 0, result.err
    (part,) = result.json()["parts"]
    assert part["rankings"][0]["name"] == "difficulty"
    assert part["rankings"][0]["share_for_half"] == 0.25
    assert part["costs"]["difficulty"] == [pytest.approx(3.25), pytest.approx(4.6)]
    text = page.read_text()
    assert "| difficulty | 0.250 |" in text
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (("--price", "ten"), "MODEL=PRICE"),
        (("--price", "strong=nan"), "MODEL=PRICE"),
        (("--price", "strong=inf"), "MODEL=PRICE"),
        (("--price", "strong=1", "--price", "other=1"), "prices are needed of strong and weak"),
        (("--selector", "nowhere"), "make one with vsr train-selector --out nowhere"),
    ],
)
def test_a_wrong_request_to_measure_says_what_to_do(
    more: tuple[str, ...], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = selector(tmp_path / "one", tmp_path / "bundle")
    data = rows(tmp_path / "rows.jsonl", "strong", "weak")
    arguments = ("--selector", one, "--data", data, "--bundle", tmp_path / "bundle")
    result = vsr(capsys, "evaluate-selection", *map(str, arguments), *more)
    assert result.code != 0
    assert expected in " ".join(result.err.split())


@pytest.mark.parametrize(
    ("flag", "name", "expected"),
    [
        ("--docs", "page.md", "needs the lines"),
        ("--docs", "none.md", "cannot be read"),
        ("--plot", "page.md/curve.png", "cannot be written"),
        ("--plot", "curve.docx", "no pictures of this kind"),
    ],
)
def test_what_cannot_be_written_is_told_before_anything_is_read(
    flag: str, name: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "page.md").write_text("no marks")
    nothing = ("--selector", "nowhere", "--data", "nowhere")
    result = vsr(capsys, "evaluate-selection", *nothing, flag, str(tmp_path / name))
    assert (result.code, result.out) == (2, "")
    assert expected in result.err


def test_what_was_measured_is_told_before_a_picture_that_cannot_be_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "curve.png")

    monkeypatch.setattr("vsr.training.selector_plot.draw", full)
    one = selector(tmp_path / "one", tmp_path / "bundle")
    data = rows(tmp_path / "rows.jsonl", "strong", "weak")
    arguments = ("--selector", one, "--data", data, "--bundle", tmp_path / "bundle")
    more = ("--cache", tmp_path / "cache", "--plot", tmp_path / "curve.png", "--json")
    result = vsr(capsys, "evaluate-selection", *map(str, (*arguments, *more)))
    assert result.code == 2
    assert "curve.png cannot be written: No space left" in result.err
    assert result.json()["strong"] == "strong"


def test_a_selector_is_trained_without_what_is_held_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("sklearn", reason="selectors are fitted with the train extra")
    tiny_bundle(tmp_path / "bundle")
    data = rows(tmp_path / "rows.jsonl", "large", "small", "other")
    held_out = tmp_path / "held_out.jsonl"
    held_out.write_text(json.dumps({"prompt": "Algebra, the!", "correct": {"other": 1}}))
    out, cache = tmp_path / "selector", tmp_path / "cache"
    arguments = ("--data", data, "--held-out", held_out, "--out", out, "--bundle", tmp_path / "bundle")
    result = vsr(capsys, "train-selector", *map(str, (*arguments, "--cache", cache)))
    assert result.code == 0, result.err
    assert f"{{pretrained_path: {out}}}" in result.out
    report = load_artifact(out).manifest.report
    assert (report["rows"], report["copies_left_out"]) == (19, 1)
    assert (report["models"], report["models_left_out"]) == (["large", "small"], ["other"])
    kept = vsr(capsys, "train-selector", *map(str, (*arguments, "--cache", cache)), "--keep-models", "--json")
    assert kept.json()["models"] == ["large", "small", "other"]
    assert len(list(cache.iterdir())) == 1  # read once
