"""Imports point downwards only, so that every room can be read knowing only the rooms below it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "vsr"

ROOMS = (
    "cli",
    "doors",
    "reload",
    "generation",
    "exchange",
    "loopers",
    "headers",
    "router",
    "guards",
    "plugins",
    "selection",
    "decisions",
    "signals",
    "encoder",
    "providers",
    "identity",
    "chat",
    "config",
)
"""From top to bottom: a room may import itself and what stands after it."""

LEAVES = frozenset({"errors", "content", "facts", "route", "telemetry"})
"""May be imported from everywhere, and import nothing of the package but each other."""

APART = {
    "evaluation": {"evaluation", "router", "guards", "signals", "encoder", "chat", "config"} | LEAVES,
    "training": {"training", "evaluation", "models", "selection", "encoder", "config"} | LEAVES,
    "models": {"models", "encoder", "config"} | LEAVES,
    "simulator": {"simulator", "errors"},
}
"""Rooms outside the order and all they may import; only `cli` imports them."""

HEAVY = frozenset({"torch", "transformers", "peft", "nncf", "sklearn", "datasets", "matplotlib"})
"""Belong to the extra `train`; the server runs without them."""
MAY_BE_HEAVY = ("training/", "evaluation/plots.py", "models/", "encoder/torch.py")
"""Imported only when asked for: by a command, or by a bundle whose engine is torch."""


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_modules(tree: ast.AST, package: str) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything imported, wherever in the file and for whatever reason."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
            module = ".".join(filter(None, (base if node.level else "", node.module or "")))
            yield node.lineno, module
            if module == "vsr":
                yield from ((node.lineno, f"vsr.{alias.name}") for alias in node.names)


def allowed(room: str) -> set[str]:
    """Rooms and leaves that a room may import."""
    if room in APART:
        return APART[room]
    if room in LEAVES:
        return set(LEAVES)
    below = set(ROOMS[ROOMS.index(room) :]) | LEAVES
    return below | set(APART) if room == "cli" else below


def violations(path: Path, source: str) -> list[str]:
    room = room_of(path)
    package = ".".join(("vsr", *path.relative_to(SOURCE).parts[:-1]))
    rooms = {*ROOMS, *LEAVES, *APART}
    found = []
    for line, module in imported_modules(ast.parse(source), package):
        top, *rest = module.split(".")
        if top in HEAVY and not path.relative_to(SOURCE).as_posix().startswith(MAY_BE_HEAVY):
            found.append(f"{path.name}:{line} imports {top}, which the server runs without")
        # `from vsr import __version__` names no room
        if top == "vsr" and rest and rest[0] in rooms and rest[0] not in allowed(room):
            found.append(f"{path.name}:{line} in {room} imports {module}")
    return found


FILES = [path for path in sorted(SOURCE.rglob("*.py")) if path != SOURCE / "__init__.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_downwards(path: Path) -> None:
    assert violations(path, path.read_text()) == []


def test_every_module_has_its_place() -> None:
    assert {room_of(path) for path in FILES} <= {*ROOMS, *LEAVES, *APART}


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("chat/body.py", "from vsr.router import decide"),
        ("chat/body.py", "from vsr import router"),
        ("chat/body.py", "def f() -> None:\n    import vsr.doors.gateway"),
        ("chat/body.py", "from ..doors import gateway"),
        ("errors.py", "from vsr.chat import body"),
        ("simulator/wire.py", "from vsr.content import Content"),
        ("doors/gateway.py", "from vsr.simulator import Settings"),
        ("encoder/encoder.py", "import torch.nn"),
    ],
)
def test_an_import_that_points_upwards_is_found(file: str, source: str) -> None:
    assert violations(SOURCE / file, source)


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("cli/main.py", "import vsr.training"),
        ("router.py", "from vsr.chat.request import ChatRequest\nfrom vsr.facts import Facts"),
        ("training/train.py", "import torch"),
        ("generation.py", "from vsr import __version__"),
    ],
)
def test_an_import_that_points_downwards_is_fine(file: str, source: str) -> None:
    assert violations(SOURCE / file, source) == []
