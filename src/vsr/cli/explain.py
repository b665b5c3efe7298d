"""`vsr explain`: how a request would be judged and routed, and what would be sent. Nothing is sent."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from vsr.cli.options import Bundle, Config, Json
from vsr.cli.output import print_json, progress


def explain(
    prompt: Annotated[
        str | None,
        typer.Argument(help="What the user says; - reads it from standard input.", show_default=False),
    ] = None,
    config: Config = None,
    system: Annotated[
        str | None, typer.Option(envvar="VSR_SYSTEM", help="A system prompt before it.", show_default=False)
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            envvar="VSR_MODEL", help="The model that the client asks for. None: the router chooses."
        ),
    ] = None,
    batch: Annotated[
        Path | None,
        typer.Option(
            envvar="VSR_BATCH", help="Instead of a prompt: a file of requests, one JSON object a line."
        ),
    ] = None,
    labels: Annotated[
        Literal["decision", "model"] | None,
        typer.Option(envvar="VSR_LABELS", help="Which expectation of the batch to compare. None: all given."),
    ] = None,
    bundle: Bundle = None,
    as_json: Json = False,
) -> None:
    """Show how a request would be judged and routed, and why."""
    from vsr.cli.explain_text import show
    from vsr.cli.explanation import explanation

    if (prompt is None) == (batch is None):
        raise typer.BadParameter("give either a prompt or --batch FILE")
    if batch is not None:
        asyncio.run(_explain_batch(batch, labels, config, bundle, as_json))
        return
    try:
        text = sys.stdin.read() if prompt == "-" else prompt
        "".join((text or "", system or "", model or "")).encode()
    except UnicodeError:
        raise typer.BadParameter("the prompt, --system and --model must be UTF-8 text") from None
    messages = [{"role": "system", "content": system}] if system else []
    body: dict[str, object] = {"messages": [*messages, {"role": "user", "content": text}]}
    if model is not None:
        body["model"] = model
    result = asyncio.run(explanation(body, config, bundle))
    if as_json:
        print_json(result.as_dict())
    else:
        show(result)


async def _explain_batch(
    file: Path,
    labels: Literal["decision", "model"] | None,
    config: Path | None,
    bundle: Path | None,
    as_json: bool,
) -> None:
    from vsr.cli.asked import ask_all
    from vsr.cli.batch import as_dict, confusion, read_lines
    from vsr.cli.batch_text import show_batch
    from vsr.cli.explanation import load_policy
    from vsr.encoder.bundle import default_bundle_path
    from vsr.generation import Generation

    policy = await load_policy(config)
    lines = read_lines(file, policy.auto_name)
    generation = await Generation.start(policy, bundle=bundle or default_bundle_path())
    try:
        with progress("requests", len(lines)) as done:
            asked = await ask_all(generation, [line.body for line in lines], done)
    finally:
        await generation.aclose()
    fields: tuple[Literal["decision", "model"], ...] = (labels,) if labels else ("decision", "model")
    matrices = [matrix for field in fields if (matrix := confusion(lines, asked, field)).total]
    if as_json:
        rows = [as_dict(line, got) for line, got in zip(lines, asked, strict=True)]
        print_json({"results": rows, "confusion": [matrix.as_dict() for matrix in matrices]})
    else:
        show_batch(lines, asked, matrices)
