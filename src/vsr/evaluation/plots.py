"""Results as pictures: confusion, reliability, ROC with operating points, PII and red-team bars, as PNG.

Needs matplotlib, the extra `evaluate`; drawn without pyplot, so nothing global is set.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vsr.errors import EvaluationError
from vsr.evaluation.metrics import Share
from vsr.evaluation.results import Judged, Labelled, Results
from vsr.evaluation.tables import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Parts = Sequence[Sequence[Labelled]]
"""The rows of one source, or of several with one class each."""

BLUE, ORANGE, GREEN, RED, GREY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#8a8a8a"
"""Told apart by people with colour blindness as well (Okabe and Ito)."""
COLOURS = (BLUE, ORANGE, GREEN, RED, "#cc79a7", "#56b4e9")
DPI = 90
FEWEST_ROWS = 30
"""With fewer a matrix or a curve shows little but chance."""
MOST_CURVES = 8
"""More than can be told apart in one panel."""
FEWEST_IN_BIN = 10
FEW_ALARMS = 0.2


def require_matplotlib() -> None:
    """Raises EvaluationError, before anything is measured for nothing."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise EvaluationError(
            "pictures need matplotlib, which is not installed: pip install 'vsr-router[evaluate]'"
        ) from None


def draw(results: Results, report: Report, folder: Path) -> list[Path]:
    """Every picture there are results for, in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    domain = results.labelled.get("domain", {})
    figures: dict[str, Figure | None] = {}
    for name, parts in _shown(domain).items():
        if _classes(parts) > 1:
            figures[f"confusion-{_file(name)}"] = _confusion(name, parts)
    figures["reliability"] = _reliability(results)
    figures["roc"] = _roc(results.jailbreak)
    figures["pii"] = _pii(report.get("pii", {}))
    return [_saved(figure, folder / f"{name}.png") for name, figure in figures.items() if figure]


def draw_red_team(report: Report, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return _saved(_red_team(report), folder / "red-team.png")


def _saved(figure: Figure, path: Path) -> Path:
    figure.savefig(path, dpi=DPI)
    return path


def _figure(width: float, height: float, panels: int = 1) -> tuple[Figure, Any]:
    """With its axes, or a row of them."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    row = figure.subplots(1, panels, squeeze=False)[0]
    for axes in row:
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    return figure, row[0] if panels == 1 else row


def _shown(sources: Mapping[str, Sequence[Labelled]]) -> dict[str, Parts]:
    """Sources with rows enough: those of several classes by themselves, those of one class beside the others
    whose names have the same beginning, `X/a` and `X/b` as `X/*`."""
    groups: dict[str, dict[str, Sequence[Labelled]]] = defaultdict(dict)
    for source, rows in sources.items():
        name = source if _classes([rows]) > 1 else f"{source.partition('/')[0]}/*"
        groups[name][source] = rows
    named = {
        name if len(members) > 1 else next(iter(members)): list(members.values())
        for name, members in groups.items()
    }
    return {name: parts for name, parts in named.items() if sum(map(len, parts)) >= FEWEST_ROWS}


def _classes(parts: Parts) -> int:
    return len({row.truth for rows in parts for row in rows})


def _file(name: str) -> str:
    return re.sub(r"\W+", "-", name.lower()).strip("-")


def _confusion(name: str, parts: Parts) -> Figure:
    """A line per class that occurs, shaded by its shares; a cell's number is the count. Of several sources no
    accuracy is told: it would pool them."""
    rows = [row for part in parts for row in part]
    labels = sorted(rows[0].probabilities)
    truths = [label for label in labels if any(row.truth == label for row in rows)]
    column = {label: i for i, label in enumerate(labels)}
    line = {label: i for i, label in enumerate(truths)}
    counts = np.zeros((len(truths), len(labels)), dtype=int)
    for row in rows:
        if row.truth in line:
            counts[line[row.truth], column[row.said]] += 1
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    figure, axes = _figure(7.4, 2.2 + 0.34 * len(truths))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right", fontsize=8)
    named = [f"{label} ({count})" for label, count in zip(truths, counts.sum(axis=1), strict=True)]
    axes.set_yticks(range(len(truths)), named, fontsize=8)
    for (i, j), count in np.ndenumerate(counts):
        if count:
            colour = "white" if shares[i, j] > 0.55 else "black"
            axes.text(j, i, str(count), ha="center", va="center", fontsize=7, color=colour)
    right = Share(sum(row.said == row.truth for row in rows), len(rows)).value
    told = f"{right:.3f} of {len(rows)} texts right"
    if len(parts) > 1:
        told = f"{len(parts)} sources of one class each, {len(rows)} texts"
    axes.set(xlabel="said", ylabel="true", title=f"Domain, {name}: {told}")
    return figure


def _reliability(results: Results) -> Figure | None:
    """How often the likeliest class is right, by how sure the head is of it: a panel a head."""
    heads = {
        head: {name: [row for part in parts for row in part] for name, parts in _shown(sources).items()}
        for head, sources in results.labelled.items()
    }
    heads = {head: curves for head, curves in heads.items() if curves}
    if not heads:
        return None
    figure, _ = _figure(6 * len(heads), 5, panels=len(heads))
    for (head, curves), axes in zip(heads.items(), figure.axes, strict=True):
        _curves(axes, curves)
        axes.set_title(head.replace("_", " ").capitalize(), fontsize=10)
    figure.suptitle(
        f"Reliability, 95 %; a dot is a tenth of the scale with {FEWEST_IN_BIN} texts or more", fontsize=10
    )
    return figure


def _curves(axes: Any, curves: Mapping[str, Sequence[Labelled]]) -> None:
    """Of the sources with the most rows."""
    axes.plot((0, 1), (0, 1), color=GREY, linewidth=1, linestyle="--")
    looks = product(("-", ":"), COLOURS)
    largest = sorted(curves.items(), key=lambda curve: -len(curve[1]))[:MOST_CURVES]
    for (line, colour), (name, rows) in zip(looks, largest, strict=False):
        sure = np.array([row.confidence for row in rows])
        right = np.array([row.likeliest == row.truth for row in rows])
        parts = [part for part in _bins(sure) if part.sum() >= FEWEST_IN_BIN]
        xs = [sure[part].mean() for part in parts]
        shares = [Share(int(right[part].sum()), int(part.sum())) for part in parts]
        ys = [share.value for share in shares]
        # an interval of a share cannot end beyond it, but for rounding
        errors = [
            [max(0.0, share.value - share.interval[0]) for share in shares],
            [max(0.0, share.interval[1] - share.value) for share in shares],
        ]
        look = {"color": colour, "linestyle": line, "linewidth": 1.5, "elinewidth": 0.7}
        axes.errorbar(xs, ys, yerr=errors, label=f"{name} ({len(rows)})", **look)
        axes.scatter(
            xs, ys, s=[12 + 160 * share.count / len(rows) for share in shares], color=colour, alpha=0.75
        )
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="confidence", ylabel="right")
    axes.legend(frameon=False, fontsize=8, loc="upper left")


def _bins(values: Any, count: int = 10) -> list[Any]:
    places = np.minimum((values * count).astype(int), count - 1)
    return [places == place for place in range(count)]


def _roc(sources: Mapping[str, Sequence[Judged]]) -> Figure | None:
    """Sources with attacks and benign texts, whole and where false positives are few; a dot is what the
    bundle's thresholds give."""
    both = {s: rows for s, rows in sources.items() if len({row.attack for row in rows}) == 2}
    if not both:
        return None
    figure, (whole, part) = _figure(10, 4.6, panels=2)
    for axes in (whole, part):
        axes.plot((0, 1), (0, 1), color=GREY, linewidth=1, linestyle="--")
        axes.grid(alpha=0.25)
        axes.set(ylim=(0, 1.02), xlabel="false positives")
    largest = sorted(both.items(), key=lambda curve: -len(curve[1]))[:MOST_CURVES]
    for (line, colour), (source, rows) in zip(product(("-", ":"), COLOURS), largest, strict=False):
        risks = np.array([row.risk for row in rows])
        attacks = np.array([row.attack for row in rows])
        order = np.argsort(-risks, kind="stable")
        caught = np.concatenate([[0], np.cumsum(attacks[order]) / attacks.sum()])
        alarms = np.concatenate([[0], np.cumsum(~attacks[order]) / (~attacks).sum()])
        flagged = np.array([row.flagged for row in rows])
        point = (flagged[~attacks].mean(), flagged[attacks].mean())
        name = source.partition("/")[2] or source
        label = (
            f"{name}: recall {point[1]:.2f} at {point[0]:.3f} ({attacks.sum()} and {(~attacks).sum()} texts)"
        )
        for axes in (whole, part):
            axes.plot(alarms, caught, color=colour, linestyle=line, linewidth=1.5, label=label)
            axes.plot(*point, "o", color=colour, markersize=8, markeredgecolor="white", clip_on=False)
    whole.set(xlim=(-0.02, 1), ylabel="recall")
    part.set(xlim=(-0.002, FEW_ALARMS))
    figure.suptitle("Prompt guard: ROC, and the operating points", fontsize=12)
    whole.legend(frameon=False, fontsize=8, loc="lower right")
    return figure


def _pii(table: Report) -> Figure | None:
    """F1 by source and type, with intervals; types with few spans say little and are left out."""
    bars = [
        (f"{source}: {kind} ({row['served']['spans']})", row)
        for source, kinds in table.items()
        for kind, row in kinds.items()
        if kind != "all" and row["served"]["spans"] >= 5
    ]
    if not bars:
        return None
    figure, axes = _figure(8, 1.2 + 0.34 * len(bars))
    places = np.arange(len(bars))[::-1]
    for which, offset, colour, name in (
        ("served", 0.19, BLUE, "as served"),
        ("head", -0.19, ORANGE, "head alone"),
    ):
        rows = [row[which]["f1"] for _, row in bars]
        _bars(axes, places + offset, rows, colour, name)
    axes.set_yticks(places, [name for name, _ in bars], fontsize=8)
    axes.grid(axis="x", alpha=0.25)
    axes.set_axisbelow(True)
    axes.set(xlim=(0, 1), xlabel="F1 of exact spans, 95 %", title="Personal data, by source and type (spans)")
    figure.legend(frameon=False, fontsize=8, loc="outside lower center", ncols=2)
    return figure


def _bars(axes: Any, places: Any, rows: Sequence[Mapping[str, float]], colour: str, name: str) -> None:
    values = np.array([row["value"] for row in rows])
    # none, drawn as none, where a figure has no interval
    low, high = (np.array([row[end] for row in rows], float) for end in ("low", "high"))
    errors = np.maximum(0, np.stack([values - low, high - values]))
    style = {"elinewidth": 1, "ecolor": "black"}
    axes.barh(places, values, 0.36, xerr=errors, color=colour, label=name, error_kw=style)


def _red_team(report: Report) -> Figure:
    """Recall by transformation in each language, and what the same does to benign texts."""
    rows = report["transformations"]
    figure, axes = _figure(8, 1.4 + 0.42 * len(rows))
    places = np.arange(len(rows))[::-1]
    series = (("en", BLUE), ("zh", ORANGE), ("other", GREEN))
    shown = [(lang, colour) for lang, colour in series if any(lang in row["recall"] for row in rows.values())]
    for number, (lang, colour) in enumerate(shown):
        of_lang = [
            (p, row["recall"][lang])
            for p, row in zip(places, rows.values(), strict=True)
            if lang in row["recall"]
        ]
        offset = 0.26 * ((len(shown) - 1) / 2 - number)
        values = [share["value"] for _, share in of_lang]
        errors = [
            [max(0, s["value"] - s["low"]) for _, s in of_lang],
            [max(0, s["high"] - s["value"]) for _, s in of_lang],
        ]
        axes.barh(
            [p + offset for p, _ in of_lang], values, 0.25, xerr=errors, color=colour,
            label=f"recall, {lang}", error_kw={"elinewidth": 0.8, "ecolor": "black"},
        )  # fmt: skip
    alarms = [row["false_positives"] or {"value": np.nan} for row in rows.values()]
    axes.plot(
        [share["value"] for share in alarms],
        places,
        "|",
        color=RED,
        markersize=14,
        markeredgewidth=2.5,
        label="false positives",
    )
    axes.set_yticks(places, list(rows), fontsize=8)
    axes.grid(axis="x", alpha=0.25)
    axes.set_axisbelow(True)
    axes.set(xlim=(-0.01, 1), ylim=(-0.7, len(rows) - 0.3), title="Red team: recall by transformation, 95 %")
    figure.legend(frameon=False, fontsize=8, loc="outside lower center", ncols=4)
    return figure
