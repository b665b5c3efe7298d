"""The model card that `vsr evaluate` writes: front matter, heads, figures and pictures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.evaluation.development_files import FILES, write_files, write_lines
from vsr.cli.evaluate import evaluate
from vsr.evaluation.card import card
from vsr.evaluation.report import BEGIN, END


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_files(tmp_path)
    rows = [
        {**row, "lang": lang} for row, lang in zip(FILES["intent_dev"], ("en", "zh", "other"), strict=False)
    ]
    write_lines(tmp_path / "intent_dev.jsonl", rows)
    return tmp_path


def front_matter(text: str) -> Any:
    start, front, _ = text.split("---\n", 2)
    assert start == ""
    return yaml.safe_load(front)


def test_the_report_is_a_model_card_of_the_bundle(
    tiny: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    evaluate(data, tiny, heads="domain,jailbreak", out=out, plots=False, redteam=False)
    capsys.readouterr()
    text = (out / "report.md").read_text("utf-8")
    front = front_matter(text)
    assert front["language"] == ["en", "zh"]
    assert front["pipeline_tag"] == "text-classification"
    assert "| domain | math, other |" in text
    assert "| pii | PASSWORD, PERSON, PHONE_NUMBER |" in text
    assert "windows of 14 tokens, one every 10" in text
    assert "manifest SHA-256 `" in text
    assert "### Jailbreak" in text


@pytest.mark.filterwarnings("ignore")
def test_the_pictures_that_card_and_page_refer_to_are_there(
    tiny: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    page, out = tmp_path / "docs" / "models.md", tmp_path / "a" / "card"
    page.parent.mkdir()
    page.write_text(f"{BEGIN}\n{END}\n", "utf-8")
    evaluate(data, tiny, heads="jailbreak", out=out, docs=page.parent, redteam=False)
    capsys.readouterr()
    for text in (out / "report.md", page):
        (picture,) = re.findall(r"!\[.*?\]\((.*?)\)", text.read_text("utf-8"))
        assert (text.parent / picture).is_file()


REPORT: dict[str, Any] = {
    "bundle": "1", "name": "b", "digest": "0a", "engine": "e", "measured": "2026-01-01", "seed": 7,
    "limit": None, "versions": {"vsr": "1"}, "machine": {"cpu": "c", "cores": 2}, "languages": [],
    "model": {
        "base_model": "of: others", "license": "", "heads": {"domain": ["math"]}, "dimension": 4,
        "windows": {"tokens": 14, "stride": 10},
    },
}  # fmt: skip


def test_what_a_bundle_does_not_say_is_left_out_of_the_front_matter() -> None:
    assert front_matter(card(REPORT)) == {"base_model": "of: others", "pipeline_tag": "text-classification"}


def test_pictures_are_referred_to_where_they_lie() -> None:
    text = card(REPORT, ["roc", "confusion-my-tickets"], "../docs/images")
    assert "![ROC of the prompt guard, by source](../docs/images/roc.png)" in text
    assert "![Domain, my-tickets](../docs/images/confusion-my-tickets.png)" in text
