"""The processes under measurement: the simulated model, and routers as `vsr serve` starts them."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

READY_SECONDS = 120.0
"""Far more than a router takes on a busy machine; one that is not ready by then never will be."""
CONFIG = """\
version: v0.3
listeners: [{{name: bench, address: 127.0.0.1, port: {port}}}]
providers:
  defaults: {{default_model: general-8b}}
  models:
    - name: general-8b
      backend_refs: [{{name: sim, endpoint: "127.0.0.1:{simulator}"}}]
routing:
  signals:
    domains: [{{name: math}}, {{name: law}}, {{name: other}}]
# Random words may look like anything to the guards: they judge as always, and only report.
global:
  guards:
    jailbreak: {{mode: shadow}}
    pii: {{mode: shadow}}
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def simulator() -> Iterator[int]:
    """A model server that answers at once; its port."""
    port = free_port()
    command = [sys.executable, "-m", "vsr.simulator", "--port", str(port), "--tokens-per-second", "0"]
    with _process(command, f"http://127.0.0.1:{port}/health"):
        yield port


@contextlib.contextmanager
def router(
    simulator_port: int, directory: Path, *flags: str
) -> Iterator[tuple[int, subprocess.Popen[bytes], float]]:
    """A router in front of the simulator: port, process, and seconds from start to ready."""
    port, management, metrics, extproc = (free_port() for _ in range(4))
    config = directory / f"router-{port}.yaml"
    config.write_text(CONFIG.format(port=port, simulator=simulator_port))
    command = [sys.executable, "-m", "vsr.cli", "serve", "--config", str(config), "--log-level", "warning"]
    command += ["--management-port", str(management), "--metrics-port", str(metrics)]
    command += ["--extproc-port", str(extproc), *flags]
    started = time.perf_counter()
    with _process(command, f"http://127.0.0.1:{port}/readyz") as process:
        yield port, process, time.perf_counter() - started


@contextlib.contextmanager
def _process(command: list[str], ready_url: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _until_ready(process, ready_url)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"{process.args!r} was not ready within {READY_SECONDS:.0f} seconds"
                ) from None
            time.sleep(0.005)
        else:
            return
    raise RuntimeError(f"{process.args!r} ended with status {process.returncode}")
