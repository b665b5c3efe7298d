"""`vsr redteam`: which disguises get attacks past a bundle's prompt guard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vsr.cli.options import Bundle, Json
from vsr.cli.output import print_json, progress


def redteam(
    bundle: Bundle = None,
    attacks: Annotated[
        Path | None,
        typer.Option(envvar="VSR_ATTACKS", help="More attacks, one a line."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(envvar="VSR_DATA", help="Folder whose jailbreak_dev.jsonl adds attacks.")
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(envvar="VSR_SAMPLE", min=1, help="At most so many texts a language."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Try known attacks on a bundle in many disguises: recall, what a disguise loses, false positives."""
    from vsr.cli.evaluate import show_tables
    from vsr.encoder.bundle import default_bundle_path
    from vsr.evaluation.redteam import red_team

    with progress("attacks", None) as done:
        report = red_team(
            bundle or default_bundle_path(), attacks=attacks, data=data, sample=sample, done=done
        )
    if as_json:
        print_json(report)
    else:
        show_tables({"red_team": report})
