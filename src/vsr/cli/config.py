"""`vsr config`: what can be made out of a configuration file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from vsr.cli import config_diff, config_test
from vsr.cli.options import File, Json
from vsr.cli.output import complain, print_json


def build() -> typer.Typer:
    group = typer.Typer(
        help="Compare, test, convert and merge files; print Envoy's configuration and the JSON Schema.",
        no_args_is_help=True,
    )
    group.command("envoy")(envoy)
    group.command("convert")(convert)
    group.command("diff")(config_diff.diff)
    group.command("schema")(schema)
    group.command("merge")(merge)
    group.command("test")(config_test.check)
    return group


def envoy(
    file: File,
    extproc_host: Annotated[
        str, typer.Option(envvar="VSR_EXTPROC_HOST", help="Where Envoy finds the external processor.")
    ] = "127.0.0.1",
    extproc_port: Annotated[int, typer.Option(envvar="VSR_EXTPROC_PORT", min=1, max=65535)] = 50051,
    loopback_port: Annotated[
        int,
        typer.Option(
            envvar="VSR_LOOPBACK_PORT", min=1, max=65535, help="Where Envoy sends what needs several models."
        ),
    ] = 8802,
    admin_port: Annotated[
        int | None,
        typer.Option(
            envvar="VSR_ENVOY_ADMIN_PORT", min=1, max=65535, help="Envoy's admin interface. None: none."
        ),
    ] = None,
    destination: Annotated[
        list[str] | None,
        typer.Option(
            envvar="VSR_DESTINATION",
            help="ADDRESS:PORT or NETWORK:PORT (10.0.1.0/24:8000) of back ends that a later configuration "
            "may name. Repeatable.",
        ),
    ] = None,
) -> None:
    """Print the Envoy configuration that belongs to a file; it fails closed."""
    from vsr.config.envoy import EnvoyOptions, envoy_config, to_yaml
    from vsr.config.envoy_destinations import destinations
    from vsr.config.load import load_policy

    options = EnvoyOptions(
        extproc_host=extproc_host,
        extproc_port=extproc_port,
        loopback_port=loopback_port,
        admin_port=admin_port,
        destinations=destinations(destination or ()),
    )
    print(to_yaml(envoy_config(load_policy(file, os.environ), options)), end="")


def convert(file: File, as_json: Json = False) -> None:
    """Print a file of the older flat format in the v0.3 format, its comments included."""
    from vsr.config.load import convert_text
    from vsr.config.storage import read_text

    converted = convert_text(read_text(file), str(file))
    if as_json:
        dropped = [{"message": one.message, "path": one.path, "line": one.line} for one in converted.dropped]
        print_json({"text": converted.text, "dropped": dropped})
        return
    for problem in converted.dropped:
        complain(f"left out: {problem}")
    print(converted.text, end="")


def schema() -> None:
    """Print the JSON Schema of a configuration file, for editors."""
    from vsr.config.jsonschema import json_schema

    print_json(json_schema())


def merge(
    files: Annotated[
        list[Path], typer.Argument(help="A configuration file and what lies over it, the last on top.")
    ],
) -> None:
    """Print several files as one: mappings merge, lists and values of later files win."""
    from vsr.config.merge import merge_files

    print(merge_files(files), end="")
