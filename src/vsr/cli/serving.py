"""A running router from start to end: back ends to try it on, doors, Envoy, metrics, signals, drain."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from vsr.cli import logs, ports
from vsr.cli.banner import announce
from vsr.cli.serve_options import HOP_TOKEN_ENV, ServeOptions
from vsr.cli.simulated import simulated
from vsr.cli.source import Given
from vsr.config.policy import Policy
from vsr.doors.envoy_process import EnvoyProcess
from vsr.errors import VSRError

logger = logging.getLogger(__name__)

MULTIPROCESS_ENV = "PROMETHEUS_MULTIPROC_DIR"

Exposition = Callable[[], tuple[bytes, str]]


class RouterDied(VSRError):
    """Something that the router cannot do without has ended."""


class Doors(Protocol):
    """What serves the requests: this process, or several that it watches. `stop` is idempotent."""

    async def start(self) -> None: ...

    def reload(self) -> None: ...

    async def stop(self, grace: float) -> None: ...


def new_event_loop() -> asyncio.AbstractEventLoop:
    """uvloop where there is one; an error outside of any request is logged without its message."""
    try:
        import uvloop
    except ImportError:
        loop: asyncio.AbstractEventLoop = asyncio.new_event_loop()
    else:
        loop = uvloop.new_event_loop()
    loop.set_exception_handler(logs.log_loop_error)
    return loop


def stop_signals() -> asyncio.Event:
    """Set by SIGTERM or SIGINT. The same signal once more ends the process at once."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop(number: signal.Signals) -> None:
        stopping.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    return stopping


def reload_signal(reload: Callable[[], None], stopping: asyncio.Event) -> None:
    """SIGHUP reloads, unless it means that the terminal is gone: then there is nobody to stop us later."""
    at_terminal = sys.stdin is not None and sys.stdin.isatty()

    def hung_up() -> None:
        if at_terminal and not os.isatty(0):
            stopping.set()
        else:
            reload()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hung_up)


async def serve(given: Given, options: ServeOptions) -> None:
    """Serve until a signal says stop, then drain. RouterDied if Envoy ends before that."""
    stopping = stop_signals()
    policy = given.policy
    ports.demand(ports.wanted(policy, options))
    async with AsyncExitStack() as opened:
        if options.simulate:
            await opened.enter_async_context(simulated(policy))
        doors, exposition = (
            opened.enter_context(_several(options)) if options.workers > 1 else _one(given, options)
        )
        reload_signal(doors.reload, stopping)
        opened.push_async_callback(doors.stop, 0)
        await doors.start()
        await _serve_metrics(exposition, options, opened)
        envoy = await _start_envoy(policy, options, opened) if options.envoy else None
        announce(policy, options)
        await _until(stopping, envoy)
        logger.info("stopping: running requests have %g seconds to end", options.grace)
        if envoy is not None:
            await envoy.stop(options.grace)
        await doors.stop(options.grace)


def _one(given: Given, options: ServeOptions) -> tuple[Doors, Exposition]:
    from vsr.cli.stack import Stack

    stack = Stack(given, options)
    return stack, stack.exposition


@contextmanager
def _several(options: ServeOptions) -> Iterator[tuple[Doors, Exposition]]:
    """Workers keep their metrics in files of one private directory, and this process adds them up. Beside
    them lies the configuration that was good last, for workers that start later."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.multiprocess import mark_process_dead

    from vsr.cli.supervisor import Supervisor, worker_command
    from vsr.telemetry import exposition

    with tempfile.TemporaryDirectory(prefix="vsr-workers-") as private:
        directory = os.path.join(private, "metrics")
        os.mkdir(directory)
        options = replace(options, last_good=Path(private) / "last-good.yaml")
        os.environ[MULTIPROCESS_ENV] = directory
        os.environ[HOP_TOKEN_ENV] = secrets.token_urlsafe(32)
        try:
            yield (
                Supervisor(worker_command(options.to_json()), options.workers, died=mark_process_dead),
                lambda: exposition(CollectorRegistry()),
            )
        finally:
            del os.environ[MULTIPROCESS_ENV], os.environ[HOP_TOKEN_ENV]


async def _serve_metrics(exposition: Exposition, options: ServeOptions, opened: AsyncExitStack) -> None:
    from vsr.doors.metrics import metrics_app
    from vsr.doors.server import HttpServer

    server = HttpServer(metrics_app(exposition), options.metrics_host, options.metrics_port)
    await server.start()
    opened.push_async_callback(server.stop)


async def _start_envoy(policy: Policy, options: ServeOptions, opened: AsyncExitStack) -> EnvoyProcess:
    from vsr.config.envoy import EnvoyOptions, envoy_config

    settings = EnvoyOptions(
        extproc_host=ports.reached_at(options.extproc_host),
        extproc_port=options.extproc_port,
        loopback_port=options.loopback_port,
    )
    envoy = EnvoyProcess(envoy_config(policy, settings))
    await envoy.start()
    opened.push_async_callback(envoy.stop, 0)
    return envoy


async def _until(stopping: asyncio.Event, envoy: EnvoyProcess | None) -> None:
    waiting: list[asyncio.Task[bool]] = [asyncio.create_task(stopping.wait())]
    if envoy is not None:
        waiting.append(asyncio.create_task(_end_of(envoy)))
    done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    for task in done:
        task.result()


async def _end_of(envoy: EnvoyProcess) -> bool:
    status = await envoy.wait()
    raise RouterDied(f"Envoy ended with status {status}; its log says why")
