"""`vsr train-selector`: fit a model selector on outcomes. A thin door to `vsr.training.selector`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from vsr.cli.options import Bundle, Json
from vsr.cli.output import complain, print_json, reading_progress


def train_selector(
    data: Annotated[
        Path,
        typer.Option("--data", envvar="VSR_SELECTOR_DATA", help="Rows of prompt × outcome, JSON lines."),
    ],
    out: Annotated[
        Path, typer.Option("--out", envvar="VSR_SELECTOR_OUT", help="Directory to write the selector to.")
    ],
    algorithm: Annotated[
        Literal["difficulty", "knn", "kmeans", "svm", "mlp"],
        typer.Option("--algorithm", envvar="VSR_SELECTOR_ALGORITHM", help="What to fit."),
    ] = "difficulty",
    held_out: Annotated[
        Path | None,
        typer.Option(
            "--held-out",
            envvar="VSR_SELECTOR_HELD_OUT",
            help="Rows to be evaluated on: their questions and models are left out of training.",
        ),
    ] = None,
    bundle: Bundle = None,
    cache: Annotated[
        Path | None,
        typer.Option("--cache", envvar="VSR_SELECTOR_CACHE", help="Directory for what the encoder read."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a model selector from rows of prompt × model outcome."""
    try:
        from vsr.training.selector import train
    except ImportError as error:
        complain(
            f"training needs {error.name or 'packages'}, which is not installed: "
            "pip install 'vsr-router[train]'"
        )
        raise typer.Exit(1) from None
    from vsr.encoder.bundle import default_bundle_path
    from vsr.selection.learned.artifact import save_artifact
    from vsr.training.outcomes import groups, model_names, outcome_table, read_outcomes, without_copies
    from vsr.training.question_features import cache_directory, read_features

    rows, copies = read_outcomes(data), 0
    unseen: tuple[str, ...] = ()
    if held_out is not None:
        others = read_outcomes(held_out)
        rows, copies = without_copies(rows, others)
        unseen = model_names(others)
    models = model_names(rows, unseen)
    with reading_progress("reading prompts") as progress:
        features = read_features(rows, bundle or default_bundle_path(), cache or cache_directory(), progress)
    left_out = [name for name in unseen if any(name in row.correct for row in rows)]
    report: dict[str, object] = {
        "rows": len(rows),
        "models": list(models),
        "copies_dropped": copies,
        "models_left_out": left_out,
    }
    trained = train(algorithm, features, outcome_table(rows, models), models, groups(rows), report)
    save_artifact(out, trained.manifest, trained.arrays)
    if as_json:
        print_json({"selector": str(out), "algorithm": algorithm, **trained.manifest.report})
        return
    print(f"{algorithm} selector of {len(models)} models written to {out}")
    for name, value in trained.manifest.report.items():
        print(f"  {name}: {value}")
