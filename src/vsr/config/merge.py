"""Several configuration files as one: a base and overlays over it, e.g. one that a calibration wrote.

Works on plain data before anything is checked; what comes out is loaded like any other file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vsr.config.paths import Plain
from vsr.config.storage import read_text
from vsr.config.yamlfile import parse_yaml, to_yaml
from vsr.errors import ConfigError, Problem


def merge_files(paths: Sequence[Path]) -> str:
    """One YAML document. References to the environment are kept as they are; comments are not."""
    merged: Plain = {}
    for path in paths:
        data = parse_yaml(read_text(path), str(path)).data
        if not isinstance(data, dict):
            raise ConfigError([Problem("must be a mapping", str(path))])
        merged = merge(merged, data)
    return to_yaml(merged)


def merge(base: Plain, overlay: Plain) -> Plain:
    """Mappings are merged key by key; of everything else, lists too, the overlay's is taken whole."""
    if not isinstance(base, dict) or not isinstance(overlay, dict):
        return overlay
    return base | {key: merge(base.get(key), value) for key, value in overlay.items()}
