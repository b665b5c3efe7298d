"""In which order the servers of one model are tried."""

from __future__ import annotations

import random

from vsr.config.policy import Model


def order_backends(model: Model, seed: int) -> tuple[str, ...]:
    """Names in a weighted random order that depends on the seed alone.

    Drawing without replacement by keys u^(1/w), after Efraimidis and Spirakis (2006): the first of
    the order is each back end in proportion to its weight. Weight 0 takes a back end out, unless
    all have it.
    """
    weighted = [backend for backend in model.backends if backend.weight > 0]
    drawn = [(backend.name, backend.weight) for backend in weighted]
    drawn = drawn or [(backend.name, 1) for backend in model.backends]
    if len(drawn) == 1:
        return (drawn[0][0],)
    generator = random.Random(seed)
    keys = {name: generator.random() ** (1 / weight) for name, weight in drawn}
    return tuple(sorted(keys, key=lambda name: -keys[name]))
