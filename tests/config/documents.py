"""Short documents for the tests, and what loading says about them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from vsr.config.load import LoadedConfig, load_text
from vsr.config.policy import Policy
from vsr.errors import ConfigError

PROVIDERS = """\
version: v0.3
providers:
  defaults: {default_model: a}
  models:
    - {name: a, backend_refs: [{endpoint: "127.0.0.1:9001"}]}
    - {name: b, backend_refs: [{endpoint: "127.0.0.1:9002"}]}
"""
"""Six lines; what a test appends begins in line 7."""


def load(text: str, env: Mapping[str, str] | None = None) -> LoadedConfig:
    return load_text(text, "f.yaml", env or {})


def policy(extra: str = "", env: Mapping[str, str] | None = None) -> Policy:
    return load(PROVIDERS + extra, env).policy


def complaints(text: str, env: Mapping[str, str] | None = None) -> list[str]:
    """`line: message` of every problem."""
    with pytest.raises(ConfigError) as caught:
        load(text, env)
    return [f"{problem.line}: {problem.message}" for problem in caught.value.problems]


def complaint(extra: str, env: Mapping[str, str] | None = None) -> str:
    """The one problem of the providers above with something appended."""
    found = complaints(PROVIDERS + extra, env)
    assert len(found) == 1, found
    return found[0]


def warned(extra: str) -> list[str]:
    return [f"{warning.line}: {warning.message}" for warning in load(PROVIDERS + extra).warnings]
