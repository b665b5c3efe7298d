"""Draws what `selector_report` measured: accuracy over the share of calls to the strong model.

Needs matplotlib (extra `evaluate`).
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure  # no pyplot: no window system is asked

from vsr.errors import SelectorError
from vsr.training.selector_report import Report


def demand_format(file: Path) -> None:
    """Raises SelectorError, before anything is measured for nothing, unless the name is one to draw to."""
    kinds = Figure().canvas.get_supported_filetypes()
    if file.suffix and file.suffix[1:].lower() not in kinds:
        raise SelectorError(
            f"{file}: there are no pictures of this kind; there are {', '.join(sorted(kinds))}"
        )


def draw(report: Report, file: Path) -> None:
    figure = Figure(figsize=(6 * len(report.parts), 5), layout="constrained")
    for axes, part in zip(figure.subplots(1, len(report.parts), squeeze=False)[0], report.parts, strict=True):
        for name, points in part.curves.items():
            style = "k--" if name == "random mixing" else "-"
            axes.plot([share for share, _ in points], [accuracy for _, accuracy in points], style, label=name)
        axes.set(title=part.source, xlabel="share of calls to the strong model", ylabel="accuracy")
        axes.legend()
    figure.savefig(file)
