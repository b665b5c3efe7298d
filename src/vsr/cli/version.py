"""`vsr version`."""

from __future__ import annotations

import platform

from vsr import __version__
from vsr.cli.options import Json
from vsr.cli.output import print_json


def version(as_json: Json = False) -> None:
    """Print the version."""
    if as_json:
        print_json({"vsr": __version__, "python": platform.python_version(), "platform": platform.platform()})
    else:
        print(f"vsr {__version__}")
