"""`vsr calibrate`: fit the prompt guard's threshold to your own harmless traffic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from vsr.cli.options import Bundle, Json
from vsr.cli.output import console, print_json, progress


def calibrate(
    data: Annotated[
        Path, typer.Option("--data", envvar="VSR_DATA", help="Harmless requests: JSON lines, or plain lines.")
    ],
    bundle: Bundle = None,
    head: Annotated[
        Literal["jailbreak"], typer.Option(envvar="VSR_HEAD", help="Whose threshold.")
    ] = "jailbreak",
    target_fpr: Annotated[
        float, typer.Option(envvar="VSR_TARGET_FPR", min=1e-5, max=0.5, help="False positives to allow.")
    ] = 0.01,
    positives: Annotated[
        Path | None, typer.Option(envvar="VSR_POSITIVES", help="Attacks, to see how many are still found.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", envvar="VSR_OUT", help="Where the configuration overlay goes.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Fit a threshold to a rate of false positives on your own traffic, as a configuration overlay."""
    from vsr.encoder.bundle import default_bundle_path
    from vsr.evaluation.calibrate import Calibration, overlay
    from vsr.evaluation.calibrate import calibrate as fitted
    from vsr.evaluation.report import demand_writable, writing

    if out is not None:
        demand_writable(out)
    with progress("requests", None) as done:
        found: Calibration = fitted(
            bundle or default_bundle_path(), data, target_fpr, positives=positives, done=done
        )
    text = overlay(found, data)
    if out is not None:
        with writing():
            out.write_text(text, encoding="utf-8")
    if as_json:
        print_json({"head": head, **found.as_dict()})
        return
    shown = console()
    shown.print("risk of the harmless requests, by quantile:")
    for quantile, risk in found.quantiles.items():
        shown.print(f"  {quantile:>5}  {risk:.5f}")
    low, high = found.alarms.interval
    shown.print(
        f"threshold {found.threshold}: {found.alarms.hits} false positives in {found.rows} requests "
        f"(95 %, in-sample: {low:.4f} to {high:.4f}), {found.system} of them by system prompts, which it is "
        f"not for; the bundle's own operating points raise {found.before.hits}"
    )
    if found.caught is not None:
        low, high = found.caught.interval
        shown.print(
            f"recall {found.caught.value:.3f} of {found.caught.count} attacks (95 %: {low:.3f} to {high:.3f})"
        )
    shown.print(f"overlay written to {out}" if out else f"\n{text}", markup=False)
