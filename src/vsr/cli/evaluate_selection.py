"""`vsr evaluate-selection`: accuracy against cost of a trained selector on prompts and models it has not
seen. The measures are in `vsr.training.selector_measure`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vsr.cli.options import Bundle, Json
from vsr.cli.output import complain, console, print_json, reading_progress

if TYPE_CHECKING:
    from vsr.training.selector_report import Report


def evaluate_selection(
    selector: Annotated[
        Path, typer.Option("--selector", envvar="VSR_SELECTOR", help="Directory of a trained selector.")
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
    cache: Annotated[
        Path | None,
        typer.Option("--cache", envvar="VSR_SELECTOR_CACHE", help="Directory for what the encoder read."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure a selector between the strongest and the weakest model of a file of outcomes."""
    from vsr.encoder.bundle import default_bundle_path
    from vsr.selection.learned.artifact import load_artifact
    from vsr.training.outcomes import read_outcomes
    from vsr.training.question_features import cache_directory, read_features
    from vsr.training.selector_report import measure

    artifact, rows = load_artifact(selector), read_outcomes(data)
    with reading_progress("reading prompts") as progress:
        features = read_features(rows, bundle or default_bundle_path(), cache or cache_directory(), progress)
    report = measure(artifact, rows, features, _prices(price or []))
    if plot is not None:
        _draw(report, plot)
    if as_json:
        print_json(asdict(report))
    else:
        _show(report)


def _prices(given: list[str]) -> dict[str, float]:
    prices = {}
    for one in given:
        name, _, value = one.rpartition("=")
        try:
            prices[name] = float(value)
        except ValueError:
            raise typer.BadParameter("must be MODEL=PRICE, such as large=2.5", param_hint="--price") from None
        if not name or prices[name] < 0:
            raise typer.BadParameter("must be MODEL=PRICE, such as large=2.5", param_hint="--price")
    return prices


def _show(report: Report) -> None:
    from rich.table import Table

    print(f"strong: {report.strong}, weak: {report.weak}")
    if report.seen_models:
        print(f"trained on outcomes of {', '.join(report.seen_models)} too: this is no transfer")
    for part in report.parts:
        table = Table(
            title=f"{part.source}: {part.rows} rows, strong {part.strong_accuracy:.3f}, "
            f"weak {part.weak_accuracy:.3f}, oracle {part.oracle_accuracy:.3f}"
        )
        for heading in ("ranking", "half the gap at", "95 %", "four fifths at", "95 %", "area"):
            table.add_column(heading)
        for one in part.rankings:
            table.add_row(
                one.name,
                f"{one.share_for_half:.3f}",
                "{:.3f}–{:.3f}".format(*one.half_interval),
                f"{one.share_for_four_fifths:.3f}",
                "{:.3f}–{:.3f}".format(*one.four_fifths_interval),
                f"{one.area:.3f}",
            )
        console().print(table)


def _draw(report: Report, file: Path) -> None:
    try:
        from vsr.training.selector_plot import draw
    except ImportError:
        complain("--plot needs matplotlib, which is not installed: pip install 'vsr-router[evaluate]'")
        raise typer.Exit(1) from None
    draw(report, file)
