"""How the commands speak: results to stdout, everything else to stderr, JSON where a machine reads.

NO_COLOR and output that is not a terminal are rich's affair, and it heeds both.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_WIDTH_OF_A_FILE = 160


def console() -> Console:
    """Standard output, with colours if it is a terminal, and wide enough for a table if it is not. What is
    in brackets in values is markup to it: `escape` them, or print with markup=False."""
    from rich.console import Console

    return Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else _WIDTH_OF_A_FILE)


def print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


def complain(message: str) -> None:
    """One line on stderr for each thing that is wrong."""
    for line in message.splitlines() or [""]:
        print(f"vsr: {line}", file=sys.stderr)


@contextmanager
def reading_progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr while it is a terminal; yields what to call with (done, total)."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextlib.contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, which is told how many more are done; none if nobody would see it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    shown = Console(stderr=True)
    with Progress(*columns, console=shown, transient=True, disable=not shown.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)
