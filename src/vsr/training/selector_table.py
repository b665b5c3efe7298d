"""A report on selectors as tables, for the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vsr.training.selector_measure import Summary
from vsr.training.selector_report import Part, Report


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables(report: Report) -> list[Table]:
    """One for each source. Shares are of calls to the strong model."""
    return [_table(part) for part in report.parts]


def _table(part: Part) -> Table:
    header = ["ranking", "half the gap", "95 %", "four fifths", "95 %", "area"]
    if part.costs:
        header += ["price at half", "price at four fifths"]
    title = (
        f"{part.source}: {part.rows} rows, strong {part.strong_accuracy:.3f}, "
        f"weak {part.weak_accuracy:.3f}, oracle {part.oracle_accuracy:.3f}"
    )
    return Table(title, header, [_row(one, part) for one in part.rankings])


def _row(one: Summary, part: Part) -> list[str]:
    prices = part.costs.get(one.name, ())
    return [
        one.name,
        f"{one.share_for_half:.3f}",
        "{:.2f}–{:.2f}".format(*one.half_interval),
        f"{one.share_for_four_fifths:.3f}",
        "{:.2f}–{:.2f}".format(*one.four_fifths_interval),
        f"{one.area:.3f}",
        *(f"{price:.4g}" for price in prices),
    ]


def markdown(report: Report) -> str:
    lines = [f"Strong is {report.strong}, weak {report.weak}; bundle {report.bundle[:12]}."]
    for table in tables(report):
        lines += ["", f"**{table.title}**", "", _line(table.header), _line(["---"] * len(table.header))]
        lines += [_line(row) for row in table.rows]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
