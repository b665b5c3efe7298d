"""A route whose model is chosen by asking another one: what becomes of the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from vsr.config.policy import ModelRef
from vsr.exchange.declined import declined
from vsr.exchange.values import Services
from vsr.facts import Facts
from vsr.loopers.task import Ballot
from vsr.route import Route
from vsr.router import candidates_of, chosen, settle
from vsr.selection.memory import Turn
from vsr.selection.state import Advice


def ballot_of(
    route: Route, facts: Facts, services: Services, turn: Turn, settled: Callable[[Route], None]
) -> Ballot | None:
    """None where nothing is asked. `settled` is told the route with its model, before that is called."""
    if route.algorithm != "prompt":
        return None
    policy, seed = services.policy, services.seed

    def decided(advice: Advice) -> ModelRef:
        found = settle(route, facts, policy, seed=seed, state=replace(turn.state, advice=advice))
        if found.outcome == "unselected":
            raise declined(found, policy, facts)
        turn.sent(found)
        settled(found)
        return chosen(found)

    return Ballot(candidates_of(route, facts, policy, seed=seed), decided)
