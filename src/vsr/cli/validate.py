"""`vsr validate`: is this configuration right, and what of it has no effect?"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer

from vsr.cli.options import File, Json
from vsr.cli.output import complain, print_json
from vsr.errors import ConfigError, Problem

if TYPE_CHECKING:
    from vsr.config.policy import Policy


def validate(file: File, as_json: Json = False) -> None:
    """Check a configuration file. Exit code 2 if it cannot be used."""
    from vsr.config.load import load_config

    try:
        loaded = load_config(file, os.environ)
    except ConfigError as error:
        if as_json:
            print_json({"valid": False, "errors": [_as_dict(problem) for problem in error.problems]})
        else:
            complain(str(error))
        raise typer.Exit(2) from None
    policy = loaded.policy
    doubts = _calibration(policy)
    if as_json:
        warnings, inert = ([_as_dict(one) for one in many] for many in (loaded.warnings, loaded.inert))
        warnings += [{"message": doubt.removeprefix("warning: "), "path": "", "line": 0} for doubt in doubts]
        print_json({"valid": True, "errors": [], "warnings": warnings, "inert": inert})
        return
    for remark in (*loaded.remarks, *doubts):
        complain(remark)
    print(
        f"{file} is valid: {len(policy.models)} models, {len(policy.decisions)} decisions, "
        f"default model {policy.default_lora or policy.default_model or 'none'}."
    )


def _calibration(policy: Policy) -> list[str]:
    """Against the bundle in the package."""
    from vsr.encoder.bundle import MANIFEST, default_bundle_path
    from vsr.encoder.manifest import parse_manifest
    from vsr.guards.calibration import threshold_doubts

    return threshold_doubts(policy, parse_manifest((default_bundle_path() / MANIFEST).read_bytes()))


def _as_dict(problem: Problem) -> dict[str, object]:
    return {"message": problem.message, "path": problem.path, "line": problem.line}
