"""What `vsr doctor` looks at, one function a check. A check never raises; it says what is wrong."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import sys
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass, replace
from http.client import HTTPException, HTTPResponse
from importlib import metadata
from pathlib import Path
from typing import Literal

import typer
import typer.main
from typer.exceptions import TyperException

from vsr import __version__
from vsr.cli import ports, source
from vsr.cli.serve import serve
from vsr.cli.serve_options import ServeOptions
from vsr.config.load import load_config
from vsr.config.policy import Management
from vsr.doors.envoy_process import find_envoy
from vsr.encoder.bundle import default_bundle_path, load_bundle
from vsr.encoder.encoder import Encoder
from vsr.errors import ConfigError, VSRError

PACKAGES = (
    "openvino",
    "tokenizers",
    "numpy",
    "grpcio",
    "xds-protos",
    "starlette",
    "uvicorn",
    "aiohttp",
    "pydantic",
)
_ROUTER_TIMEOUT = 2.0
_PLACES = (
    "host",
    "port",
    "extproc_host",
    "extproc_port",
    "loopback_port",
    "management_port",
    "metrics_host",
    "metrics_port",
)
"""Flags of `vsr serve` that say where it listens."""
NEEDED_BYTES = 682 * 1024 * 1024
"""What the router takes after the benchmarks' load; the README says where that was measured."""

FEATURES = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX-512 VNNI",
    "avx_vnni": "AVX VNNI",
    "amx_int8": "AMX int8",
    "amx_bf16": "AMX bf16",
    "asimd": "NEON",
    "asimddp": "NEON dot product",
    "i8mm": "int8 matrix",
}
"""Flags of /proc/cpuinfo that matter to int8 inference, and how people call them."""

INT8 = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"})


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    state: Literal["good", "doubtful", "bad"]
    finding: str

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


def all_checks(bundle: Path | None, config: Path | None = None, *, check_ports: bool = True) -> list[Check]:
    found = [versions(), packages(), processor(), memory(), envoy(), encoder(bundle or default_bundle_path())]
    if config is not None:
        told = configuration(config)
        found += told
        if told[0].state == "bad":  # no ports can be read from it
            config = None
    return [*found, *free_ports(config)] if check_ports else found


def versions() -> Check:
    finding = f"vsr {__version__}, Python {platform.python_version()}, {platform.platform()}"
    return Check("versions", "good" if sys.version_info >= (3, 11) else "bad", finding)


def packages() -> Check:
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Check("packages", "bad", f"not installed: {', '.join(missing)}")
    return Check("packages", "good", ", ".join(found))


def processor() -> Check:
    flags = cpu_flags()
    named = [name for flag, name in FEATURES.items() if flag in flags]
    cores = f"{os.cpu_count()} cores"
    if not flags:
        return Check("processor", "good", f"{cores}, {platform.processor() or platform.machine()}")
    finding = f"{cores}, {', '.join(named) or 'none of the features that help'}"
    if INT8 & flags:
        return Check("processor", "good", finding)
    return Check("processor", "doubtful", f"{finding}; no int8 instructions, the encoder will be slow")


def cpu_flags(source: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Feature flags of the first processor; none where the system does not tell."""
    try:
        lines = source.read_text().splitlines()
    except OSError:
        return frozenset()
    found = (line.partition(":")[2] for line in lines if line.lower().startswith(("flags", "features")))
    return frozenset(next(found, "").split())


def memory() -> Check:
    available = available_memory()
    if available is None:
        return Check("memory", "good", "this system does not tell how much is free")
    enough = available >= NEEDED_BYTES
    needed = "" if enough else f"; the router takes about {NEEDED_BYTES // 2**20} MiB"
    return Check("memory", "good" if enough else "doubtful", f"{available / 2**30:.1f} GiB free{needed}")


def available_memory(source: Path = Path("/proc/meminfo")) -> int | None:
    """Bytes that a new process can have; None where the system does not tell. What Linux calls free leaves
    out what files are cached in, which is given back on demand."""
    try:
        lines = source.read_text().splitlines()
        kibibytes = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), None)
    except OSError:
        kibibytes = None
    if kibibytes is not None:
        return int(kibibytes) * 1024
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None


def envoy() -> Check:
    try:
        return Check("envoy", "good", str(find_envoy()))
    except VSRError as error:
        return Check("envoy", "doubtful", f"{error} Only `vsr serve --envoy` needs it.")


def encoder(path: Path) -> Check:
    """Hashes, golden outputs, and how long it takes to be ready."""
    started = time.perf_counter()
    try:
        bundle = load_bundle(path)
        asyncio.run(_start_encoder(path))
    except VSRError as error:
        return Check("bundle", "bad", str(error))
    seconds = time.perf_counter() - started
    return Check(
        "bundle",
        "good",
        f"{bundle.manifest.name} {bundle.manifest.version} ({bundle.digest[:12]}) at {path}: hashes and "
        f"{len(bundle.manifest.golden)} golden outputs agree, ready in {seconds:.1f} s",
    )


def configuration(path: Path) -> list[Check]:
    """The file, and whether a router that runs on its management address serves something else."""
    try:
        loaded = load_config(path, os.environ)
    except ConfigError as error:
        problems = str(error).splitlines()
        more = f" (and {len(problems) - 1} more: vsr validate {path})" if len(problems) > 1 else ""
        return [Check("configuration", "bad", problems[0] + more)]
    remarks = len(loaded.remarks)
    doubts = f", {remarks} remarks: vsr validate {path}" if remarks else ""
    found = [Check("configuration", "doubtful" if remarks else "good", f"{path} is valid{doubts}")]
    answer = _asked(loaded.policy.management)
    if answer is not None and answer.get("configuration") == "rejected":
        advice = "GET /config/router of its management API says why"
        found.append(
            Check(
                "router",
                "bad",
                f"the router that runs has rejected its file and serves the last good: {advice}",
            )
        )
    elif answer is not None:
        found.append(Check("router", "good" if answer.get("ready") else "doubtful", f"runs: {answer}"))
    return found


def _asked(management: Management) -> dict[str, object] | None:
    """What /readyz says; None if nothing that answers so is there."""
    host = f"[{management.address}]" if ":" in management.address else management.address
    url = f"http://{host.replace('0.0.0.0', '127.0.0.1').replace('[::]', '[::1]')}:{management.port}/readyz"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy knows this machine
    try:
        with _opened(opener, url) as response:
            answer = json.loads(response.read(4096)) if response.status in (200, 503) else None
    except (OSError, ValueError, RecursionError, HTTPException):
        return None
    return answer if isinstance(answer, dict) and "ready" in answer else None


def _opened(opener: urllib.request.OpenerDirector, url: str) -> HTTPResponse | urllib.error.HTTPError:
    try:
        response: HTTPResponse = opener.open(url, timeout=_ROUTER_TIMEOUT)
    except urllib.error.HTTPError as error:
        return error
    return response


async def _start_encoder(path: Path) -> None:
    started = await Encoder.start(load_bundle(path))
    await started.aclose()


def free_ports(config: Path | None = None) -> list[Check]:
    """What `vsr serve` with this file would listen on; a router that runs already takes it, too."""
    try:
        options = replace(_serve_options(), config=config)
        addresses = ports.wanted(source.load(options, os.environ), options)
    except TyperException as error:
        return [Check("ports", "bad", error.format_message())]
    except ConfigError as error:
        return [Check("ports", "bad", str(error))]
    sentences = ports.taken(addresses)
    if sentences:
        return [Check("port", "doubtful", sentence) for sentence in sentences]
    return [Check("ports", "good", "free: " + ", ".join(str(port) for _, port in addresses.values()))]


def _serve_options() -> ServeOptions:
    """As `vsr serve --extproc` would be started here: its flags may come from the environment."""
    app = typer.Typer(add_completion=False)
    app.command()(serve)
    flags = typer.main.get_command(app).make_context("serve", []).params
    return ServeOptions(extproc=True, **{name: flags[name] for name in _PLACES})
