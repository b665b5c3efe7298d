"""What a running router cannot change about itself: sockets that are open, a file that is in use."""

from __future__ import annotations

from collections.abc import Iterator

from vsr.config.policy import Policy
from vsr.config.policy_services import MCPServer


def needs_restart(running: Policy, wanted: Policy) -> list[str]:
    """One sentence for each difference that only a restart brings about."""
    return list(_differences(running, wanted))


def _differences(running: Policy, wanted: Policy) -> Iterator[str]:
    before = {one.name: f"{one.address}:{one.port}" for one in running.listeners}
    after = {one.name: f"{one.address}:{one.port}" for one in wanted.listeners}
    for name in dict.fromkeys((*before, *after)):
        if before.get(name) != after.get(name):
            change = f"{before.get(name, 'not there')} → {after.get(name, 'not there')}"
            yield _sentence(f"listeners: where '{name}' listens", change)
    one, other = running.management, wanted.management
    if (one.address, one.port) != (other.address, other.port):
        change = f"{one.address}:{one.port} → {other.address}:{other.port}"
        yield _sentence("global.services.management_api: where it listens", change)
    if running.learning.feedback_file != wanted.learning.feedback_file:
        yield _sentence("global.router.learning.feedback_file", "another file")
    if running.learning.max_sessions != wanted.learning.max_sessions:
        change = f"{running.learning.max_sessions} → {wanted.learning.max_sessions}"
        yield _sentence("global.router.learning.max_sessions", change)
    # who may write the configuration over HTTP must not thereby run programs here
    for name in sorted({server.name for server in _started(wanted) - _started(running)}):
        yield _sentence(f"the command of the MCP server '{name}'", "a program that was not named at start")


def _started(policy: Policy) -> set[MCPServer]:
    """MCP servers that the router runs itself."""
    recipes = (policy, *policy.recipes.values())
    servers = (rule.server for recipe in recipes for rule in recipe.signals.classifiers)
    return {server for server in servers if server is not None and server.command}


def _sentence(what: str, change: str) -> str:
    return f"{what} is fixed while the router runs ({change}): restart the router to change it"
