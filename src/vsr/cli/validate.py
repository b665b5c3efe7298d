"""`vsr validate`: is this configuration right, and what of it has no effect?"""

from __future__ import annotations

import os

import typer

from vsr.cli.options import File, Json
from vsr.cli.output import complain, print_json
from vsr.errors import ConfigError, Problem


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
    if as_json:
        warnings = [_as_dict(problem) for problem in loaded.warnings]
        print_json({"valid": True, "errors": [], "warnings": warnings, "inert": list(policy.inert)})
        return
    for warning in loaded.warnings:
        complain(f"warning: {warning}")
    for key in policy.inert:
        complain(f"warning: {file}: without effect: {key}")
    print(
        f"{file} is valid: {len(policy.models)} models, {len(policy.decisions)} decisions, "
        f"default model {policy.default_model or 'none'}."
    )


def _as_dict(problem: Problem) -> dict[str, object]:
    return {"message": problem.message, "path": problem.path, "line": problem.line}
