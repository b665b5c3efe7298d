from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator

import pytest

from vsr.cli import logs


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root, own = logging.getLogger(), logging.getLogger("vsr")
    handlers, level, of_own = root.handlers[:], root.level, own.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    own.setLevel(of_own)


def fail() -> None:
    # put together here, since the line itself is part of a traceback
    raise ValueError("can" + "ary")


@pytest.mark.parametrize("style", ["text", "json"])
def test_an_exception_is_logged_without_its_message(capsys: pytest.CaptureFixture[str], style: str) -> None:
    logs.configure("info", style)
    try:
        fail()
    except ValueError:
        logging.getLogger("somewhere").exception("it failed")
    err = capsys.readouterr().err
    assert "it failed" in err
    assert "ValueError" in err
    assert "canary" not in err


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    logging.getLogger("a.b").warning("two\nlines %d", 3)
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["logger"], line["message"]) == ("warning", "a.b", "two\nlines 3")


@pytest.mark.parametrize(("style", "shown"), [("text", "request status=200"), ("json", '"status": 200')])
def test_what_is_logged_beside_the_message_is_shown(
    capsys: pytest.CaptureFixture[str], style: str, shown: str
) -> None:
    logs.configure("info", style)
    logging.getLogger("vsr.a").info("request", extra={"status": 200})
    assert shown in capsys.readouterr().err


def test_messages_below_the_level_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("warning", "text")
    logging.getLogger("vsr.a").info("not this")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["mcp.client.streamable_http", "httpx2", "httpcore2.http11", "asyncio"])
def test_what_libraries_say_below_a_warning_is_left_out_whatever_the_level(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    logs.configure("debug", "text")
    logging.getLogger(name).info("HTTP Request: POST https://host/mcp?key=canary")
    logging.getLogger(name).warning("this")
    logging.getLogger("vsr.router").debug("that")
    err = capsys.readouterr().err
    assert "canary" not in err
    assert "this" in err
    assert "that" in err


def test_an_error_of_a_forgotten_task_is_logged_without_its_message(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure("info", "text")

    async def forget() -> None:
        asyncio.get_running_loop().set_exception_handler(logs.log_loop_error)
        asyncio.get_running_loop().call_soon(fail)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(forget())
    err = capsys.readouterr().err
    assert "ValueError" in err
    assert "canary" not in err
