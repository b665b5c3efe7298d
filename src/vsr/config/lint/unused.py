"""Signals that nothing asks for: they look as if they did something."""

from __future__ import annotations

from collections.abc import Iterator

from vsr.config.lint.context import Context
from vsr.config.lint.logic import leaves
from vsr.config.resolve import SIGNAL_SECTIONS
from vsr.config.schema.routing import Routing


def check_unused(context: Context) -> None:
    """Domains are left out: they name the category of a request, and choose models by themselves."""
    routing = context.document.routing
    used = set(_used(routing))
    for kind, section in SIGNAL_SECTIONS.items():
        if kind == "domain":
            continue
        for index, signal in enumerate(getattr(routing.signals, section)):
            names = {signal.name, getattr(signal, "role", "") or signal.name}
            if used.isdisjoint((kind, name) for name in names):
                context.report.warn(
                    ("routing", "signals", section, index),
                    f"no decision and no projection asks for the {kind} signal '{signal.name}'",
                )


def _used(routing: Routing) -> Iterator[tuple[str, str]]:
    rules = [decision.rules for decision in routing.decisions if decision.rules is not None]
    rules += [signal.composer for signal in routing.signals.complexity if signal.composer is not None]
    for rule in rules:
        for leaf in leaves(rule):
            yield leaf.type or "", leaf.name
            yield leaf.type or "", leaf.name.partition(":")[0]
    for score in routing.projections.scores:
        yield from ((one.type, one.name) for one in score.inputs)
    for partition in routing.projections.partitions:
        yield from (("embedding", name) for name in partition.members)
