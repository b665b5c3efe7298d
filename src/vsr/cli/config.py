"""`vsr config`: what can be made out of a configuration file."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from vsr.cli.options import File
from vsr.errors import ConfigError, Problem


def build() -> typer.Typer:
    group = typer.Typer(help="Print Envoy's configuration, convert old files.", no_args_is_help=True)
    group.command("envoy")(envoy)
    group.command("convert")(convert)
    return group


def envoy(
    file: File,
    extproc_host: Annotated[
        str, typer.Option(envvar="VSR_EXTPROC_HOST", help="Where Envoy finds the external processor.")
    ] = "127.0.0.1",
    extproc_port: Annotated[int, typer.Option(envvar="VSR_EXTPROC_PORT", min=1, max=65535)] = 50051,
    admin_port: Annotated[
        int | None, typer.Option(envvar="VSR_ENVOY_ADMIN_PORT", help="Envoy's admin interface. None: none.")
    ] = None,
) -> None:
    """Print the Envoy configuration that belongs to a file; it fails closed."""
    from vsr.config.envoy import EnvoyOptions, envoy_config, to_yaml
    from vsr.config.load import load_policy

    options = EnvoyOptions(extproc_host=extproc_host, extproc_port=extproc_port, admin_port=admin_port)
    print(to_yaml(envoy_config(load_policy(file, os.environ), options)), end="")


def convert(file: File) -> None:
    """Print a file of the older flat format in the v0.3 format."""
    from vsr.config.load import convert_text

    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError([Problem(f"cannot be read: {error.strerror}", str(file))]) from None
    except UnicodeDecodeError:
        raise ConfigError([Problem("is not UTF-8 text", str(file))]) from None
    print(convert_text(text, str(file)), end="")
