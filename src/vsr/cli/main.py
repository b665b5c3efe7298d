"""The `vsr` command: its commands put together, and the one place that turns errors into exit codes.

Exit codes: 0 done, 1 failed, 2 wrong input (a flag, a file, a prompt), 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer
import typer.main
from typer.exceptions import TyperException

from vsr.cli import (
    calibrate,
    config,
    doctor,
    evaluate,
    evaluate_selection,
    explain,
    models,
    redteam,
    serve,
    simulate,
    train,
    train_selector,
    validate,
    version,
)
from vsr.cli.output import complain
from vsr.errors import BundleError, ConfigError, EvaluationError, RequestError, SelectorError, VSRError


def main() -> None:
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line; the exit code."""
    _forget_services()
    try:
        result = typer.main.get_command(build())(args=list(arguments), prog_name="vsr", standalone_mode=False)
    except TyperException as error:
        complain(error.format_message())
        return error.exit_code
    except (ConfigError, BundleError, EvaluationError, SelectorError) as error:
        complain(str(error))
        return 2
    except RequestError as error:
        complain(error.message)
        return 2 if error.http_status < 500 else 1
    except VSRError as error:
        complain(str(error))
        return 1
    except (KeyboardInterrupt, typer.Abort):
        return 130
    return result if isinstance(result, int) else 0


def _forget_services() -> None:
    """For a Service `vsr` or `vsr-metrics` Kubernetes sets VSR_PORT or VSR_METRICS_PORT in every pod beside
    it, to an address such as tcp://10.0.0.1:8801: nobody means our flags by that."""
    for name, value in list(os.environ.items()):
        if name.startswith("VSR_") and name.endswith("_PORT") and value.startswith(("tcp://", "udp://")):
            del os.environ[name]


def build() -> typer.Typer:
    """The whole command tree."""
    app = typer.Typer(
        help="A semantic router for LLM traffic: reads each request once and sends it to the right model.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,  # they show local variables, and those may hold prompts
    )
    app.command("serve")(serve.serve)
    app.command("validate")(validate.validate)
    app.command("explain")(explain.explain)
    app.add_typer(config.build(), name="config")
    app.add_typer(models.build(), name="models")
    app.command("doctor")(doctor.doctor)
    app.command("simulate")(simulate.simulate)
    passed_on = {"allow_extra_args": True, "ignore_unknown_options": True}
    app.command("train", add_help_option=False, context_settings=passed_on)(train.train)
    app.command("train-selector")(train_selector.train_selector)
    app.command("evaluate-selection")(evaluate_selection.evaluate_selection)
    app.command("evaluate")(evaluate.evaluate)
    app.command("calibrate")(calibrate.calibrate)
    app.command("redteam")(redteam.redteam)
    app.command("version")(version.version)
    return app
