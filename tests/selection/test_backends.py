"""The order in which a model's servers are tried."""

from __future__ import annotations

from collections import Counter

from vsr.config.policy import Backend, Model
from vsr.selection.backends import order_backends


def model(**weights: int) -> Model:
    backends = (
        Backend(name, "m", "http", "127.0.0.1", 9000 + index, weight=weight)
        for index, (name, weight) in enumerate(weights.items())
    )
    return Model("m", "m", tuple(backends))


def test_the_same_seed_gives_the_same_order() -> None:
    servers = model(a=1, b=2, c=3)
    assert order_backends(servers, 7) == order_backends(servers, 7)
    assert len({order_backends(servers, seed) for seed in range(50)}) > 1


def test_the_first_in_order_is_drawn_in_proportion_to_its_weight() -> None:
    servers = model(light=1, heavy=3)
    first = Counter(order_backends(servers, seed)[0] for seed in range(2_000))
    assert 1_400 < first["heavy"] < 1_600


def test_every_server_with_weight_is_in_the_order_once() -> None:
    assert sorted(order_backends(model(a=1, b=100, c=7), 1)) == ["a", "b", "c"]


def test_a_server_of_weight_zero_is_left_out_unless_all_are() -> None:
    assert order_backends(model(a=0, b=1), 3) == ("b",)
    assert sorted(order_backends(model(a=0, b=0), 3)) == ["a", "b"]


def test_a_model_without_servers_has_an_empty_order() -> None:
    assert order_backends(model(), 1) == ()
