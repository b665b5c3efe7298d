"""`vsr evaluate-selection`: accuracy against cost of trained selectors on prompts and models they have not
seen. The measures are in `vsr.training.selector_measure`."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vsr.cli.options import Bundle, Json
from vsr.cli.output import console, print_json, reading_progress

if TYPE_CHECKING:
    from vsr.training.selector_report import Report


def evaluate_selection(
    selector: Annotated[
        list[Path],
        typer.Option(
            "--selector", envvar="VSR_SELECTOR", help="Directory of a trained selector; repeatable."
        ),
    ],
    data: Annotated[
        Path,
        typer.Option("--data", envvar="VSR_SELECTOR_DATA", help="Rows of prompt × outcome, JSON lines."),
    ],
    bundle: Bundle = None,
    price: Annotated[
        list[str] | None,
        typer.Option(
            "--price", envvar="VSR_SELECTOR_PRICE", help="MODEL=PRICE of a call, for costs beside shares."
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", envvar="VSR_SELECTOR_PLOT", help="Draw the curves to this file."),
    ] = None,
    docs: Annotated[
        Path | None,
        typer.Option("--docs", envvar="VSR_SELECTOR_DOCS", help="Page whose measured part is renewed."),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option("--cache", envvar="VSR_SELECTOR_CACHE", help="Directory for what the encoder read."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure selectors between the strongest and the weakest model of a file of outcomes."""
    from vsr.encoder.bundle import default_bundle_path
    from vsr.evaluation.plots import require_matplotlib
    from vsr.evaluation.report import around, demand_writable, write_docs, writing
    from vsr.selection.learned.artifact import load_artifact
    from vsr.training.outcomes import read_outcomes
    from vsr.training.question_features import cache_directory, read_features
    from vsr.training.selector_report import check_prices, measure
    from vsr.training.selector_table import markdown

    prices = _prices(price or [])
    if plot is not None:
        require_matplotlib()
        from vsr.training.selector_plot import demand_format, draw

        demand_format(plot)
        demand_writable(plot)
    if docs is not None:
        around(docs)
        demand_writable(docs)
    artifacts, rows = [load_artifact(path) for path in selector], read_outcomes(data)
    check_prices(prices, rows)
    with reading_progress("reading prompts") as progress:
        features = read_features(rows, bundle or default_bundle_path(), cache or cache_directory(), progress)
    report = measure(artifacts, rows, features, prices)
    if as_json:
        print_json(asdict(report))
    else:
        _show(report)
    with writing():  # after what was measured is told
        if plot is not None:
            draw(report, plot)
        if docs is not None:
            write_docs(docs, markdown(report))


def _prices(given: list[str]) -> dict[str, float]:
    prices = {}
    for one in given:
        name, _, value = one.rpartition("=")
        try:
            price = float(value)
        except ValueError:
            price = math.nan
        if not name or not 0 <= price < math.inf:  # what is no number is neither
            raise typer.BadParameter("must be MODEL=PRICE, such as large=2.5", param_hint="--price")
        prices[name] = price
    return prices


def _show(report: Report) -> None:
    from rich.table import Table

    from vsr.training.selector_table import tables

    print(f"strong: {report.strong}, weak: {report.weak}")
    if report.seen_models:
        print(f"trained on outcomes of {', '.join(report.seen_models)} too: this is no transfer")
    for one in tables(report):
        table = Table(*one.header, title=one.title, title_justify="left")
        for row in one.rows:
            table.add_row(*row)
        console().print(table, markup=False)
