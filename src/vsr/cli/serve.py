"""`vsr serve`: run the router."""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import replace
from typing import Annotated

import typer

from vsr.cli.options import Bundle, Config, LogFormat, LogLevel
from vsr.cli.serve_options import ServeOptions


def serve(
    config: Config = None,
    host: Annotated[
        str | None, typer.Option(envvar="VSR_HOST", help="Instead of the listener's address.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(envvar="VSR_PORT", min=1, max=65535, help="Instead of the listener's port.")
    ] = None,
    envoy: Annotated[
        bool, typer.Option("--envoy", envvar="VSR_ENVOY", help="Put the real Envoy in front of the router.")
    ] = False,
    extproc: Annotated[
        bool | None,
        typer.Option(
            envvar="VSR_EXTPROC", help="Serve ext_proc for an Envoy of yours.", show_default="with --envoy"
        ),
    ] = None,
    extproc_host: Annotated[
        str,
        typer.Option(
            envvar="VSR_EXTPROC_HOST",
            help="Address that ext_proc is served on. Whoever reaches it is not asked who they are.",
        ),
    ] = "127.0.0.1",
    extproc_port: Annotated[int, typer.Option(envvar="VSR_EXTPROC_PORT", min=1, max=65535)] = 50051,
    loopback_port: Annotated[
        int,
        typer.Option(
            envvar="VSR_LOOPBACK_PORT", min=1, max=65535, help="Where Envoy sends what needs several models."
        ),
    ] = 8802,
    management_port: Annotated[
        int | None, typer.Option(envvar="VSR_MANAGEMENT_PORT", min=1, max=65535, show_default="8080")
    ] = None,
    metrics_host: Annotated[
        str, typer.Option(envvar="VSR_METRICS_HOST", help="Address that metrics are served on.")
    ] = "127.0.0.1",
    metrics_port: Annotated[int, typer.Option(envvar="VSR_METRICS_PORT", min=1, max=65535)] = 9190,
    simulate: Annotated[
        bool | None,
        typer.Option(
            envvar="VSR_SIMULATE",
            help="Start simulated models at the back ends on this machine.",
            show_default="with the built-in configuration",
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(envvar="VSR_WORKERS", min=1, max=256, help="Processes that share the ports.")
    ] = 1,
    bundle: Bundle = None,
    grace: Annotated[
        float, typer.Option(envvar="VSR_GRACE", min=0, help="Seconds for running requests to end at stop.")
    ] = 30.0,
    log_level: LogLevel = "info",
    log_format: LogFormat = "text",
) -> None:
    """Run the router: the built-in configuration, a file, or the models of OPENAI_BASE_URL."""
    # gRPC would complain when Envoy or workers are started beside its threads; none of them forks
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    from vsr.cli import logs, serving, source

    logs.configure(log_level, log_format)
    options = ServeOptions(
        config=config,
        bundle=bundle,
        host=host,
        port=port,
        envoy=envoy,
        extproc=envoy if extproc is None else extproc or envoy,
        extproc_host=extproc_host,
        extproc_port=extproc_port,
        loopback_port=loopback_port,
        management_port=management_port,
        metrics_host=metrics_host,
        metrics_port=metrics_port,
        workers=workers,
        grace=grace,
        log_level=log_level,
        log_format=log_format,
    )
    if source.uses_environment(options, os.environ):
        options = replace(options, models=source.list_models(os.environ))
    built_in = options.config is None and not options.models
    options = replace(options, simulate=built_in if simulate is None else simulate)
    given = source.given(options, os.environ)
    for warning in given.loaded.warnings:
        logging.getLogger(source.__name__).warning("warning: %s", warning)
    with asyncio.Runner(loop_factory=serving.new_event_loop) as runner:
        runner.run(serving.serve(given, options))
