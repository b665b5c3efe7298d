"""Comparisons as pictures: curves by size, bars by variant; needs no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="pictures need the extra `evaluate`")

from vsr.training.compare_plot import draw, shown


def row(value: float, n: int) -> dict[str, float]:
    return {"value": value, "low": value - 0.02, "high": value + 0.02, "n": n}


SCORES = {
    "domain": {"MMLU-Pro-a": row(0.8, 1000), "natural-1-en": row(0.9, 70), "natural-1-zh": row(0.8, 70)},
    "jailbreak": {"jailbreak_dev/deepset/prompt-injections": row(0.9, 650)},
    "pii": {"SGD-test": row(0.8, 700), "few": row(0.1, 9)},
}


def written(folder: Path, comparison: str, name: str, size: int | None) -> Path:
    file = folder / f"{name}.json"
    report = {"comparison": comparison, "variant": name, "size": size, "share": 0.2, "scores": SCORES}
    file.write_text(json.dumps(report))
    return file


@pytest.mark.parametrize(("comparison", "sizes"), [("layers", (2, 4, 6)), ("trunks", (None, None))])
def test_the_variants_of_a_comparison_become_one_picture(
    tmp_path: Path, comparison: str, sizes: tuple[int | None, ...]
) -> None:
    files = [written(tmp_path, comparison, f"variant {n}", size) for n, size in enumerate(sizes)]
    assert draw(files, tmp_path / "drawn.png").read_bytes().startswith(b"\x89PNG")


def test_the_domains_sources_are_grouped_and_tiny_sources_are_left_out() -> None:
    domain = shown("domain", SCORES["domain"])
    assert values(domain) == {"MMLU-Pro": (0.8, 1000), "natural": (0.85, 140)}
    assert shown("pii", SCORES["pii"]).keys() == {"SGD-test"}
    assert shown("jailbreak", SCORES["jailbreak"]).keys() == {"deepset/prompt-injections"}


def values(table: Mapping[str, Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    return {name: (found["value"], found["n"]) for name, found in table.items()}


def test_a_domain_without_the_groups_sources_is_shown_by_source() -> None:
    row = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 100}
    assert shown("domain", {"mine": row}) == {"mine": row}
