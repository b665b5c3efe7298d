"""`vsr models`: bring in models of others, look at them, check them, hand them on.

Importing needs the `train` extra (torch, transformers); everything else runs with the server alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vsr.cli.options import Json
from vsr.cli.output import complain, console, print_json

if TYPE_CHECKING:
    from vsr.encoder.imported.folder import ImportedFolder
    from vsr.models.directory import Entry

Kind = Literal["domain", "jailbreak", "pii", "embedding", "fact_check", "feedback", "classifier"]

ModelsDir = Annotated[
    Path | None,
    typer.Option(
        "--models-dir",
        envvar="VSR_MODELS",
        help="Where imported models live.",
        show_default="~/.local/share/vsr/models",
    ),
]
Name = Annotated[str, typer.Argument(help="A model's name, or its directory.", show_default=False)]


def build() -> typer.Typer:
    app = typer.Typer(help="Imported models: bring in, list, verify, export.", no_args_is_help=True)
    app.command("import")(import_)
    app.command("list")(list_)
    app.command("show")(show)
    app.command("verify")(verify)
    app.command("export")(export)
    return app


def import_(
    source: Annotated[str, typer.Argument(help="A directory or a hub id (owner/name).", show_default=False)],
    kind: Annotated[
        Kind, typer.Option("--as", envvar="VSR_IMPORT_AS", help="What it does.", show_default=False)
    ],
    name: Annotated[
        str | None,
        typer.Option(
            envvar="VSR_IMPORT_NAME",
            help="What to call it.",
            show_default="the last part of where it is from",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            envvar="VSR_IMPORT_OUT", help="Where to put it.", show_default="in the models directory"
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(envvar="VSR_IMPORT_LABELS", help="JSON with the labels in the order of the logits."),
    ] = None,
    positive: Annotated[
        list[str] | None,
        typer.Option(
            envvar="VSR_IMPORT_POSITIVE", help="A label that means risk; may be given several times."
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(envvar="VSR_IMPORT_BASE", help="The base model of an adapter, if it does not name it."),
    ] = None,
    window: Annotated[
        int, typer.Option(envvar="VSR_IMPORT_WINDOW", min=8, help="Tokens read at a time, at most.")
    ] = 512,
    int8: Annotated[
        bool,
        typer.Option("--int8", envvar="VSR_IMPORT_INT8", help="Quantise: a quarter of the size, faster."),
    ] = False,
    models_dir: ModelsDir = None,
    json: Json = False,
) -> None:
    """Convert a Hugging Face checkpoint, merged or LoRA adapter, and compare it with the original."""
    from vsr.models.directory import default_directory, model_path

    try:
        from vsr.models.importing import Wish, import_model
        from vsr.models.quiet import quieten
    except ImportError as error:
        complain(f"importing needs {error.name or 'packages'}: pip install 'vsr-router[train]'")
        raise typer.Exit(1) from None
    name = name or Path(source).resolve().name
    path = out or model_path(models_dir or default_directory(), name)
    quieten()
    wish = Wish(source, kind, name, labels, tuple(positive or ()), base, window, int8)
    _tell(import_model(wish, path), json)


def list_(models_dir: ModelsDir = None, json: Json = False) -> None:
    """All imported models: kind, labels, size, digest."""
    from vsr.models.directory import default_directory, entries

    directory = models_dir or default_directory()
    found = entries(directory)
    if json:
        print_json([_row(entry) for entry in found])
        return
    if not found:
        complain(f"no models in {directory}; `vsr models import` brings one in")
        return
    _print_table(found)


def show(name: Name, models_dir: ModelsDir = None, json: Json = False) -> None:
    """What is known about one model, its comparison with the original included."""
    from vsr.encoder.imported.folder import load_folder
    from vsr.models.directory import default_directory, found_path

    _tell(load_folder(found_path(models_dir or default_directory(), name)), json)


def verify(name: Name, models_dir: ModelsDir = None) -> None:
    """Hash a model's files again and compare its golden outputs on this machine."""
    from vsr.models import directory

    folder = directory.verify(directory.found_path(models_dir or directory.default_directory(), name))
    files, golden = len(folder.manifest.files), len(folder.manifest.golden)
    print(f"{folder.manifest.name}: {files} files and {golden} golden outputs are as recorded")


def export(
    name: Annotated[str, typer.Argument(help="A model's name, or the directory of a model or a bundle.")],
    out: Annotated[Path, typer.Argument(help="A new directory, or a file that ends in .tar or .tar.gz.")],
    models_dir: ModelsDir = None,
) -> None:
    """Copy a model or a bundle, with the hashes of its files, to hand it on."""
    from vsr.models import directory

    path = Path(name) if Path(name).is_dir() else None
    path = path or directory.found_path(models_dir or directory.default_directory(), name)
    print(directory.export(path, out))


def _print_table(found: list[Entry]) -> None:
    from rich.table import Table

    table = Table("name", "kind", "labels", "size", "digest", box=None, pad_edge=False)
    for entry in found:
        size = f"{entry.size / 2**20:.1f} MiB"
        if entry.model is None:
            table.add_row(entry.name, "broken", entry.problem, size, "")
        else:
            manifest = entry.model.manifest
            labels = ", ".join(manifest.labels) or f"{manifest.dimension} dimensions"
            table.add_row(entry.name, manifest.kind, labels, size, entry.model.digest[:12])
    console().print(table, markup=False)


def _row(entry: Entry) -> dict[str, object]:
    row: dict[str, object] = {"name": entry.name, "path": str(entry.path), "bytes": entry.size}
    if entry.model is None:
        return {**row, "problem": entry.problem}
    manifest = entry.model.manifest
    return {**row, "kind": manifest.kind, "labels": list(manifest.labels), "digest": entry.model.digest}


def _tell(folder: ImportedFolder, json: bool) -> None:
    from dataclasses import asdict

    manifest = folder.manifest
    if json:
        print_json({**asdict(manifest), "path": str(folder.path), "digest": folder.digest})
        return
    parity = manifest.parity
    what = "vectors by 1 - cosine" if manifest.task == "embedding" else "logits"
    lines = {
        "model": f"{manifest.name}, {manifest.kind} ({manifest.architecture}, {manifest.engine})",
        "labels": ", ".join(manifest.labels) or f"{manifest.dimension} dimensions",
        "windows": f"{manifest.windows.tokens} tokens, one every {manifest.windows.stride}",
        "source": manifest.source,
        "parity": f"with transformers on {parity.texts} texts: {what} differ by at most "
        f"{parity.difference:.2g}, probabilities by {parity.probability:.2g} (allowed {parity.allowed:g}), "
        f"{parity.agreement:.1%} of labels agree",
        "digest": folder.digest,
        "path": str(folder.path),
    }
    for key, value in lines.items():
        print(f"{key:8} {value}")
