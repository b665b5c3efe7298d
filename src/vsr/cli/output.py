"""How the commands speak: results to stdout, everything else to stderr, JSON where a machine reads.

NO_COLOR and output that is not a terminal are rich's affair, and it heeds both.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_WIDTH_OF_A_FILE = 160


def console() -> Console:
    """Standard output, with colours if it is a terminal, and wide enough for a table if it is not."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH_OF_A_FILE)


def print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


def complain(message: str) -> None:
    """One line on stderr for each thing that is wrong."""
    for line in message.splitlines() or [""]:
        print(f"vsr: {line}", file=sys.stderr)
