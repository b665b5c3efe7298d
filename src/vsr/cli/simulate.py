"""`vsr simulate`: simulated model servers in the foreground."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from vsr.errors import StartError


def simulate(
    port: Annotated[
        list[int] | None,
        typer.Option(
            envvar="VSR_SIMULATOR_PORT",
            min=0,
            max=65535,
            help="May be given several times; 0 takes a free one.",
            show_default="9001",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(envvar="VSR_SIMULATOR_MODEL", help="A name it answers to.", show_default="any"),
    ] = None,
    host: Annotated[str, typer.Option(envvar="VSR_SIMULATOR_HOST")] = "127.0.0.1",
    first_token: Annotated[
        float, typer.Option(envvar="VSR_SIMULATOR_FIRST_TOKEN", min=0, help="Seconds before the first token.")
    ] = 0.0,
    tokens_per_second: Annotated[
        float, typer.Option(envvar="VSR_SIMULATOR_TOKENS_PER_SECOND", min=0, help="0: all at once.")
    ] = 50.0,
    fault: Annotated[
        str, typer.Option(envvar="VSR_SIMULATOR_FAULT", help="What goes wrong, as in status=503 or cut.")
    ] = "",
) -> None:
    """Run simulated model servers that speak as vLLM does."""
    from vsr.simulator.run import run
    from vsr.simulator.settings import Settings, parse_fault

    settings = Settings(
        models=tuple(model or ()),
        first_token=first_token,
        tokens_per_second=tokens_per_second,
        fault=parse_fault(fault),
        keep_requests=0,
    )
    try:
        asyncio.run(run(settings, host, port or [9001]))
    except OSError as error:
        raise StartError(f"cannot listen on {host}: {error.strerror}") from None
