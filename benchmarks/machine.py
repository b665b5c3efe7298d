"""Where a measurement was made, and what it costs there: processor, memory, sizes."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path

from vsr import __version__
from vsr.cli.checks import FEATURES, cpu_flags

ROOT = Path(__file__).parent.parent


def describe() -> dict[str, object]:
    flags = cpu_flags()
    return {
        "processor": _processor_name(),
        "cores": os.cpu_count(),
        "features": [name for flag, name in FEATURES.items() if flag in flags],
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "vsr": __version__,
        "openvino": metadata.version("openvino"),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _processor_name() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1) if found else platform.machine()


def resident_mib(pid: int) -> float:
    """Resident memory of one process."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        found = re.search(r"^VmRSS:\s*(\d+) kB", status.read_text(), re.MULTILINE)
        kib = int(found.group(1)) if found else 0
    else:
        kib = int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(pid)]))
    return round(kib / 1024, 1)


def install_mib(lock: Path = ROOT / "requirements" / "serve.txt") -> float:
    """Size of the installed files of every package in the lock file, and of the router itself."""
    names = re.findall(r"^([A-Za-z0-9._-]+)==", lock.read_text(), re.MULTILINE)
    total = sum(file.stat().st_size for file in (ROOT / "src" / "vsr").rglob("*") if file.is_file())
    for name in names:
        try:
            files = metadata.files(name) or []
        except metadata.PackageNotFoundError:
            continue  # not for this platform
        total += sum(path.stat().st_size for file in files if (path := Path(str(file.locate()))).is_file())
    return round(total / 2**20, 1)
