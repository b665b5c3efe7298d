"""What answers say about the route."""

from __future__ import annotations

from vsr.headers import describe
from vsr.route import Retention, Route


def test_a_named_recipe_and_retention_directives_are_told_on_success_only() -> None:
    retention = Retention(drop=False, ttl_turns=3, prefer_prefix=True)
    route = Route("forward", "fast", model="a", recipe="quick", retention=retention)
    told = describe(route, path="upstream", success=True)
    assert told["x-vsr-selected-recipe"] == "quick"
    assert {name: value for name, value in told.items() if "retention" in name} == {
        "x-vsr-retention-drop": "false",
        "x-vsr-retention-ttl-turns": "3",
        "x-vsr-retention-prefer-prefix": "true",
    }
    failed = describe(route, path="error", success=False)
    assert not any("retention" in name or "recipe" in name for name in failed)


def test_the_documents_own_routing_is_not_named() -> None:
    told = describe(Route("forward", "auto", model="a"), path="upstream", success=True)
    assert "x-vsr-selected-recipe" not in told
