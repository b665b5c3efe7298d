"""Flags that several commands share. Each has a twin in the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Json = Annotated[bool, typer.Option("--json", envvar="VSR_JSON", help="Print JSON, for a machine to read.")]

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="VSR_CONFIG", help="Configuration file. None: the built-in one."),
]

Bundle = Annotated[
    Path | None,
    typer.Option("--bundle", envvar="VSR_BUNDLE", help="Encoder bundle. None: the one in the package."),
]

LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"],
    typer.Option("--log-level", envvar="VSR_LOG_LEVEL", help="Least important message to log."),
]

LogFormat = Annotated[
    Literal["text", "json"],
    typer.Option("--log-format", envvar="VSR_LOG_FORMAT", help="Logs go to stderr in this format."),
]

File = Annotated[Path, typer.Argument(help="Configuration file.", show_default=False)]
