"""`vsr config diff`: what would change in behaviour, and which prompts would go elsewhere."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vsr.cli.options import Bundle, Json
from vsr.cli.output import print_json, progress

if TYPE_CHECKING:
    from vsr.cli.asked import Asked
    from vsr.config.policy import Policy


@dataclass(frozen=True, slots=True)
class Rerouted:
    """A prompt, by its id in the file, of which something comes out otherwise."""

    id: str
    before: str
    after: str


def diff(
    before: Annotated[Path, typer.Argument(help="Configuration file as it is.", show_default=False)],
    after: Annotated[Path, typer.Argument(help="Configuration file as it will be.", show_default=False)],
    prompts: Annotated[
        Path | None,
        typer.Option(
            envvar="VSR_PROMPTS",
            help="A file of requests, one JSON object a line: tell which would be routed otherwise.",
        ),
    ] = None,
    envoy: Annotated[
        bool,
        typer.Option("--envoy", envvar="VSR_ENVOY", help="What needs a restart of `vsr serve --envoy`."),
    ] = False,
    extproc: Annotated[
        bool,
        typer.Option(
            "--extproc", envvar="VSR_EXTPROC", help="What needs a restart of `vsr serve --extproc`."
        ),
    ] = False,
    bundle: Bundle = None,
    as_json: Json = False,
) -> None:
    """Compare what two configurations do. Exit code 0 also if they differ."""
    from vsr.cli.fixed import Fixed
    from vsr.cli.serve_options import ServeOptions
    from vsr.config.diff import compare
    from vsr.config.load import load_policy

    old, new = (load_policy(path, os.environ) for path in (before, after))
    changes = compare(old, new)
    restart = Fixed(ServeOptions(envoy=envoy, extproc=extproc or envoy))(old, new)
    rerouted = asyncio.run(_rerouted(prompts, old, new, bundle)) if prompts is not None else None
    if as_json:
        print_json(
            {
                "changes": [
                    {"kind": one.kind, "path": one.path, "before": one.before, "after": one.after}
                    for one in changes
                ],
                "restart_needed": restart,
                "rerouted": None if rerouted is None else [_as_dict(one) for one in rerouted],
            }
        )
        return
    for change in changes:
        print(change)
    for sentence in restart:
        print(f"! {sentence}")
    if not changes:
        print("Both do the same with every request.")
    for one in rerouted or ():
        print(f"> {one.id}: {one.before} → {one.after}")
    if rerouted is not None:
        print(f"{len(rerouted)} of the prompts would be routed otherwise.")


async def _rerouted(file: Path, old: Policy, new: Policy, bundle: Path | None) -> list[Rerouted]:
    from vsr.cli.asked import ask_all
    from vsr.cli.batch import read_lines
    from vsr.encoder.bundle import default_bundle_path
    from vsr.generation import Generation

    lines = read_lines(file, old.auto_name)
    bodies = [line.body for line in lines]
    first = await Generation.start(old, bundle=bundle or default_bundle_path())
    try:
        second = await first.successor(new)
        try:
            with progress("requests", 2 * len(lines)) as done:
                befores = await ask_all(first, bodies, done)
                afters = await ask_all(second, bodies, done)
        finally:
            await second.discard()
    finally:
        await first.aclose()
    pairs = ((line.id, _said(a), _said(b)) for line, a, b in zip(lines, befores, afters, strict=True))
    return [Rerouted(name, one, other) for name, one, other in pairs if one != other]


def _said(asked: Asked) -> str:
    if asked.route is None:
        return f"error: {asked.error}"
    decision = f" by {asked.decision}" if asked.decision else ""
    model = f" to {asked.model}" if asked.model else ""
    reasoning = " with reasoning" if asked.route.reasoning else ""
    return f"{asked.route.outcome}{model}{decision}{reasoning}"


def _as_dict(one: Rerouted) -> dict[str, Any]:
    return {"id": one.id, "before": one.before, "after": one.after}
