"""`vsr doctor`: what is installed here, and would the router run?"""

from __future__ import annotations

from typing import Annotated

import typer

from vsr.cli.options import Bundle, Config, Json
from vsr.cli.output import console, print_json


def doctor(
    config: Config = None,
    bundle: Bundle = None,
    as_json: Json = False,
    check_ports: Annotated[
        bool, typer.Option("--ports/--no-ports", envvar="VSR_PORTS", help="Look whether the ports are free.")
    ] = True,
) -> None:
    """Check this machine and a configuration. Exit code 1 if something is bad."""
    from vsr.cli.checks import all_checks

    checks = all_checks(bundle, config, check_ports=check_ports)
    healthy = not any(check.state == "bad" for check in checks)
    if as_json:
        print_json({"healthy": healthy, "checks": [check.as_dict() for check in checks]})
    else:
        out = console()
        marks = {"good": "[green]good[/green]", "doubtful": "[yellow]hmm[/yellow] ", "bad": "[red]bad[/red] "}
        for check in checks:
            out.print(f"{marks[check.state]} {check.name:<12}", end=" ")
            out.print(check.finding, markup=False)
    if not healthy:
        raise typer.Exit(1)
