"""Logging of the `vsr` process: to stderr, as text or JSON, and never with the text of a request.

An exception's message can hold what a client sent, so a traceback is shown as its type and frames. What
libraries say below a warning can hold it too (calls of tools, URLs with keys in them), so it is left out.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

logger = logging.getLogger(__name__)

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


_STANDARD = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"})


def configure(level: str, style: str) -> None:
    """Set up the root logger. level: a name of `logging`, of the router's own messages; style: `text` or
    `json`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    own = logging.getLogger("vsr")
    own.setLevel(level.upper())
    logging.basicConfig(level=max(logging.WARNING, own.level), handlers=[handler], force=True)


class TextFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # the name is logging's
        fields = " ".join(f"{name}={value}" for name, value in extra(record).items())
        return f"{super().formatMessage(record)} {fields}".rstrip()

    def formatException(self, ei: ExcInfo) -> str:  # the name is logging's
        return frames(ei[1])


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **extra(record),
        }
        if record.exc_info:
            line["exception"] = frames(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False, default=str)


def extra(record: logging.LogRecord) -> dict[str, object]:
    """What was logged beside the message, as `extra`."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def frames(error: BaseException | None) -> str:
    """Type and frames of an exception, without its message."""
    if error is None:
        return ""
    return "".join(traceback.format_tb(error.__traceback__)) + type(error).__name__


def log_loop_error(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """For `loop.set_exception_handler`: asyncio's own prints the exception's message."""
    error = context.get("exception")
    logger.error("error outside of any request\n%s", frames(error) or "unknown")
