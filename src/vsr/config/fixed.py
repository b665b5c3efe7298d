"""What a running router cannot change about itself: sockets that are open, a file that is in use."""

from __future__ import annotations

from collections.abc import Iterator

from vsr.config.policy import Policy


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


def _sentence(what: str, change: str) -> str:
    return f"{what} is fixed while the router runs ({change}): restart the router to change it"
