"""`vsr train-selector`: fit a model selector on outcomes. A thin door to `vsr.training.selector`."""

from __future__ import annotations

from collections.abc import Mapping
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
            help="Rows to be evaluated on: their questions, near copies and models are left out of training.",
        ),
    ] = None,
    keep_models: Annotated[
        bool,
        typer.Option(
            "--keep-models",
            envvar="VSR_SELECTOR_KEEP_MODELS",
            help="Hold out questions only, and learn about the models of --held-out.",
        ),
    ] = False,
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
    from vsr.training.outcomes import groups, outcome_table, read_outcomes
    from vsr.training.question_features import cache_directory, read_features
    from vsr.training.selector_rows import admit

    rows = read_outcomes(data)
    admitted = admit(rows, read_outcomes(held_out) if held_out else [], keep_models=keep_models)
    with reading_progress("reading prompts") as progress:
        # all of them, so that what is held out does not matter to the cache
        features = read_features(rows, bundle or default_bundle_path(), cache or cache_directory(), progress)
    kept = [row for row, stays in zip(rows, admitted.kept, strict=True) if stays]
    outcomes = outcome_table(kept, admitted.models)
    with reading_progress("fitting") as progress:
        trained = train(
            algorithm,
            features[admitted.kept],
            outcomes,
            admitted.models,
            groups(kept),
            admitted.report,
            progress,
        )
    save_artifact(out, trained.manifest, trained.arrays)
    if as_json:
        print_json({"selector": str(out), "algorithm": algorithm, **trained.manifest.report})
        return
    _show(algorithm, out, trained.manifest.report)


def _show(algorithm: str, out: Path, report: Mapping[str, object]) -> None:
    print(f"{algorithm} selector written to {out}; a decision uses it by")
    print(f"  algorithm: {{type: {algorithm}, {algorithm}: {{pretrained_path: {out}}}}}")
    for name, value in report.items():
        print(f"{name.replace('_', ' ')}: {_readable(value)}")


def _readable(value: object) -> str:
    match value:
        case list():
            return ", ".join(map(str, value)) or "none"
        case dict():
            return ", ".join(f"{name} {_readable(one)}" for name, one in value.items())
        case float():
            return f"{value:.4g}"
        case _:
            return str(value)
