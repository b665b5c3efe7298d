"""Draws what `compare` measured: a curve by size, or bars by variant; a panel per head, a colour per source.

Needs matplotlib (extra `evaluate`) but not torch, so it can be drawn elsewhere than where it was measured:

    python -m vsr.training.compare_plot FILE.json ... PICTURE.png
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vsr.evaluation.metrics import Share
from vsr.evaluation.plots import COLOURS, require_matplotlib

Scores = Mapping[str, Mapping[str, float]]

MEASURES = {"domain": "accuracy", "jailbreak": "AUC", "pii": "F1 of exact spans", "embedding": "AUC"}
FEWEST = 50
GROUPS: Mapping[str, Callable[[str], bool]] = {
    "MMLU-Pro": lambda source: source.startswith("MMLU-Pro"),
    "AGIEval-zh": lambda source: source.startswith(("AGIEval/gaokao", "AGIEval/jec")),
    "natural": lambda source: source.startswith("natural"),
}
"""Sources of the domain that are drawn together: a picture has no room for each."""
SIZES = {
    "ranks": "rank of the adapters",
    "layers": "layers of the trunk",
    "upper": "last layers with adapters",
    "data": "groups of rows, %",
}


def draw(files: Sequence[Path], picture: Path) -> Path:
    """Of the variants of one comparison, in this order. Raises EvaluationError without matplotlib."""
    require_matplotlib()
    from matplotlib.figure import Figure  # no pyplot: no window system is asked

    found = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    comparison = found[0]["comparison"]
    heads = [head for head in MEASURES if any(head in one["scores"] for one in found)]
    figure = Figure(figsize=(4.6 * len(heads), 4.6), layout="constrained")
    panels = figure.subplots(1, len(heads), squeeze=False, sharey=comparison not in SIZES)[0]
    for head, axes in zip(heads, panels, strict=True):
        tables = [shown(head, one["scores"].get(head, {})) for one in found]
        if comparison in SIZES:
            _curve(axes, [one["size"] for one in found], tables)
            axes.set(xlabel=SIZES[comparison], title=head, ylabel=MEASURES[head])
        else:
            _bars(axes, [one["variant"] for one in found], tables)
            axes.set(title=head, xlabel=MEASURES[head])
        axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.14))
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    figure.suptitle(f"{found[0]['share']:.0%} of the recipe's budget, 95 % intervals", fontsize=10)
    figure.savefig(picture, dpi=90)
    return picture


def shown(head: str, sources: Scores) -> dict[str, Mapping[str, float]]:
    """What fits into a picture: domain by groups of sources if there are
    any of these, others by source, without tiny ones."""
    by_source = {_short(s): row for s, row in sources.items() if row["n"] >= FEWEST}
    if head != "domain":
        return by_source
    grouped: dict[str, Mapping[str, float]] = {}
    for group, belongs in GROUPS.items():
        rows = [row for source, row in sources.items() if belongs(source)]
        if rows:
            right = round(sum(row["value"] * row["n"] for row in rows))
            grouped[group] = Share(right, round(sum(row["n"] for row in rows))).as_dict()
    return grouped or by_source


def _curve(axes: Any, sizes: Sequence[int], tables: Sequence[Scores]) -> None:
    for colour, source in zip(COLOURS, _sources(tables), strict=False):
        points = [(size, table[source]) for size, table in zip(sizes, tables, strict=True) if source in table]
        values = [row["value"] for _, row in points]
        xs = [size for size, _ in points]
        axes.errorbar(
            xs, values, yerr=_errors([r for _, r in points]), color=colour, marker="o", label=source
        )
    axes.set_xticks(sizes)


def _bars(axes: Any, names: Sequence[str], tables: Sequence[Scores]) -> None:
    sources = _sources(tables)
    places = np.arange(len(names))[::-1]
    height = 0.8 / max(1, len(sources))
    for number, (colour, source) in enumerate(zip(COLOURS, sources, strict=False)):
        # a variant that did not learn this has no bar
        having = [i for i, table in enumerate(tables) if source in table]
        rows = [tables[i][source] for i in having]
        at = places[having] + 0.4 - height * (number + 0.5)
        axes.barh(at, [row["value"] for row in rows], height, xerr=_errors(rows), color=colour, label=source)
    axes.set_yticks(places, names, fontsize=8)
    axes.set_xlim(0, 1)


def _errors(rows: Sequence[Mapping[str, float]]) -> Any:
    # a figure whose interval is None has no bar
    ends = np.array([[row["value"], row["low"], row["high"]] for row in rows], float).reshape(-1, 3)
    return np.maximum(0.0, np.stack([ends[:, 0] - ends[:, 1], ends[:, 2] - ends[:, 0]]))


def _sources(tables: Sequence[Scores]) -> list[str]:
    return list(dict.fromkeys(source for table in tables for source in table))


def _short(source: str) -> str:
    return source.partition("/")[2] if source.startswith("jailbreak_dev/") else source


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m vsr.training.compare_plot", description="Draw a comparison."
    )
    parser.add_argument(
        "files", type=Path, nargs="+", metavar="FILE.json", help="of one comparison, in order"
    )
    parser.add_argument("picture", type=Path, metavar="PICTURE.png")
    given = parser.parse_args()
    print(draw(given.files, given.picture))


if __name__ == "__main__":
    main()
