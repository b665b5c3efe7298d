"""The documentation keeps up with the code: links lead somewhere, flags and commands are described."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from prometheus_client import Counter, Gauge, Histogram

from tests.cli.command import COMMANDS
from vsr.config.load import load_text
from vsr.simulator.settings import FaultKind
from vsr.telemetry import Metrics

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_that_exist(page: Path) -> None:
    missing = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert missing == []


def test_every_page_is_reachable_from_the_index() -> None:
    listed = set(LINK.findall((ROOT / "docs" / "README.md").read_text()))
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"} <= listed


def test_every_command_flag_and_variable_is_described() -> None:
    text = (ROOT / "docs" / "cli.md").read_text()
    missing = [
        word
        for name, command in COMMANDS
        for option in command.params
        if option.param_type_name == "option" and option.name != "help"
        for word in (*option.opts, *option.secondary_opts, str(option.envvar))
        if f"`{word}`" not in text
    ]
    missing += [name for name, _ in COMMANDS if f"`{name}" not in text and f"## {name}" not in text]
    assert missing == []


def test_every_metric_is_described_with_its_type_and_labels() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text()
    missing = []
    for family in vars(Metrics()).values():
        if isinstance(family, (Counter, Gauge, Histogram)):
            (told,) = family.describe()
            name = told.name + ("_total" if told.type == "counter" else "")
            labels = ", ".join(f"`{label}`" for label in family._labelnames)
            row = f"| `{name}` | {told.type} | {labels} |".replace("|  |", "| |")
            missing += [] if row in text else [row]
    assert missing == []


def test_every_fault_of_the_simulator_is_described() -> None:
    text = (ROOT / "docs" / "simulator.md").read_text()
    assert [kind for kind in get_args(FaultKind) if f"`{kind}" not in text] == []


def test_every_make_target_that_is_mentioned_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = "\n".join(page.read_text() for page in PAGES)
    for words in re.findall(r"`make ([a-z -]+?)[`A-Z]|^make ([a-z-]+)", text, re.MULTILINE):
        assert set(" ".join(words).split()) <= targets


def test_the_configuration_in_the_readme_is_right() -> None:
    found = re.search(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert found is not None
    policy = load_text(found.group(1), "README.md", {}).policy
    assert policy.default_model == "general"
