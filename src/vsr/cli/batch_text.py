"""A batch of routes as a person reads it: a table, and a confusion matrix for each kind of expectation."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from vsr.cli.asked import Asked
from vsr.cli.batch import Confusion, Line
from vsr.cli.output import console


def show_batch(lines: Sequence[Line], asked: Sequence[Asked], matrices: Sequence[Confusion]) -> None:
    out = console()
    table = Table("id", "outcome", "decision", "model", "category", "expected", "ms")
    for line, got in zip(lines, asked, strict=True):
        table.add_row(*_row(line, got))
    out.print(table)
    for matrix in matrices:
        out.print(f"\n{matrix.field}: {matrix.right} of {matrix.total} as expected")
        out.print(_matrix(matrix))


def _row(line: Line, asked: Asked) -> list[str]:
    route = asked.route
    if route is None:
        return [escape(line.id), f"[red]{escape(asked.error)}[/red]", "", "", "", "", ""]
    got = {"decision": route.decision, "model": route.selected_model}
    wrong = [f"{field} {value or 'none'}" for field, value in line.expected.items() if got[field] != value]
    right = "[green]yes[/green]" if line.expected else ""
    verdict = f"[red]{escape(', '.join(wrong))}[/red]" if wrong else right
    cells = (line.id, route.outcome, route.decision, route.selected_model, route.category)
    return [*map(escape, cells), verdict, f"{asked.milliseconds:.1f}"]


def _matrix(matrix: Confusion) -> Table:
    """Rows are what was expected, columns what came out."""
    names = matrix.names
    table = Table("expected \\ got", *map(escape, names))
    for expected in names:
        counts = [matrix.counts.get((expected, got), 0) for got in names]
        if any(counts):
            cells = [_cell(count, got == expected) for got, count in zip(names, counts, strict=True)]
            table.add_row(escape(expected), *cells)
    return table


def _cell(count: int, right: bool) -> str:
    colour = "green" if right else "red"
    return f"[{colour}]{count}[/{colour}]" if count else ""
