"""`vsr explain`: how a request would be judged and routed, and what would be sent. Nothing is sent."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from vsr.cli.options import Bundle, Config, Json
from vsr.cli.output import print_json


def explain(
    prompt: Annotated[str, typer.Argument(help="What the user says; - reads it from standard input.")],
    config: Config = None,
    system: Annotated[
        str | None, typer.Option(envvar="VSR_SYSTEM", help="A system prompt before it.", show_default=False)
    ] = None,
    model: Annotated[
        str, typer.Option(envvar="VSR_MODEL", help="The model that the client asks for.")
    ] = "auto",
    bundle: Bundle = None,
    as_json: Json = False,
) -> None:
    """Show how a request would be judged and routed, and why."""
    from vsr.cli.explain_text import show
    from vsr.cli.explanation import explanation

    text = sys.stdin.read() if prompt == "-" else prompt
    messages = [{"role": "system", "content": system}] if system else []
    body: dict[str, object] = {"model": model, "messages": [*messages, {"role": "user", "content": text}]}
    result = asyncio.run(explanation(body, config, bundle))
    if as_json:
        print_json(result.as_dict())
    else:
        show(result)
