from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from vsr.config.policy import Backend, Reliability
from vsr.providers.fleet import Fleet

ONE = Backend("m/1", "m", "http", "h1", 1)
TWO = Backend("m/2", "m", "http", "h2", 1)
THREE = Backend("m/3", "m", "http", "h3", 1)
ALL = (ONE, TWO, THREE)
RULES = Reliability(consecutive_5xx=2, base_ejection_time=10)


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fleet(clock: Clock) -> Fleet:
    return Fleet(clock)


def fail(fleet: Fleet, backend: Backend, times: int = 1, rules: Reliability = RULES) -> None:
    for _ in range(times):
        fleet.began(backend, rules)
        fleet.failed(backend, "status", ALL, rules)


def order(fleet: Fleet, rules: Reliability = RULES) -> list[str]:
    return [ALL[position].name[-1] for position in fleet.order(ALL, rules)]


def test_a_fleet_in_good_health_is_asked_as_given_and_remembers_nothing(fleet: Fleet) -> None:
    for backend in ALL:
        fleet.began(backend, RULES)
        fleet.served(backend)
    assert order(fleet) == ["1", "2", "3"]
    assert fleet._states == {}


def test_failures_in_a_row_make_a_back_end_rest_and_be_asked_last(fleet: Fleet) -> None:
    fail(fleet, ONE)
    assert order(fleet) == ["1", "2", "3"]
    fail(fleet, ONE)
    assert order(fleet) == ["2", "3", "1"]


def test_a_success_between_failures_starts_the_count_anew(fleet: Fleet) -> None:
    for _ in range(5):
        fail(fleet, ONE)
        fleet.served(ONE)
    assert not fleet.rests(ONE)


def test_after_the_rest_one_request_and_no_more_is_let_through(fleet: Fleet, clock: Clock) -> None:
    fail(fleet, ONE, 2)
    clock.now += 10
    assert order(fleet) == ["1", "2", "3"]
    fleet.began(ONE, RULES)
    assert order(fleet) == ["2", "3", "1"]
    fleet.served(ONE)
    assert order(fleet) == ["1", "2", "3"]
    assert fleet._states == {}


def test_a_probe_that_fails_makes_the_next_rest_longer_up_to_a_limit(fleet: Fleet, clock: Clock) -> None:
    fail(fleet, ONE, 2)
    for seconds in (20, 30, 40):
        clock.now += 300
        fail(fleet, ONE)
        clock.now += seconds - 1
        assert fleet.rests(ONE)
        clock.now += 1
        assert not fleet.rests(ONE)
    for _ in range(40):
        clock.now += 1000
        fail(fleet, ONE)
    clock.now += 300
    assert not fleet.rests(ONE)


def test_a_probe_whose_client_left_says_nothing_and_the_next_request_probes(
    fleet: Fleet, clock: Clock
) -> None:
    fail(fleet, ONE, 2)
    clock.now += 10
    fleet.began(ONE, RULES)
    fleet.abandoned(ONE)
    assert not fleet.rests(ONE)


@pytest.mark.parametrize(("percent", "resting"), [(0, 1), (34, 1), (67, 2), (100, 3)])
def test_no_more_than_a_share_rests_at_once_but_one_always_may(
    fleet: Fleet, percent: int, resting: int
) -> None:
    rules = replace(RULES, max_ejection_percent=percent)
    for backend in ALL:
        fail(fleet, backend, 2, rules)
    assert sum(fleet.rests(backend) for backend in ALL) == resting


def test_zero_failures_means_that_nothing_ever_rests(fleet: Fleet) -> None:
    fail(fleet, ONE, 50, replace(RULES, consecutive_5xx=0))
    assert not fleet.rests(ONE)


def test_a_back_end_alone_never_rests(fleet: Fleet) -> None:
    for _ in range(50):
        fleet.failed(ONE, "connect", (ONE,), RULES)
    assert not fleet.rests(ONE)


def test_the_less_busy_of_two_comes_first_by_weight(fleet: Fleet) -> None:
    rules = Reliability(lb_policy="least_request")
    heavy = (replace(ONE, weight=3), TWO)
    for _ in range(2):
        fleet.began(heavy[0], rules)
    assert list(fleet.order(heavy, rules)) == [1, 0]
    fleet.began(TWO, rules)
    assert list(fleet.order(heavy, rules)) == [0, 1]
    for backend in (*heavy, heavy[0]):
        fleet.ended(backend)
    assert fleet._states == {}


def test_a_sick_back_end_is_asked_last_until_its_check_passes(fleet: Fleet) -> None:
    fleet.checked(ONE, healthy=False)
    assert order(fleet) == ["2", "3", "1"]
    fleet.checked(ONE, healthy=True)
    assert order(fleet) == ["1", "2", "3"]


def test_what_a_new_configuration_does_not_have_is_forgotten(fleet: Fleet) -> None:
    fail(fleet, ONE, 2)
    fail(fleet, TWO, 2)
    moved = replace(TWO, port=9)
    fleet.keep((ONE, moved))
    assert fleet.rests(ONE)
    assert not fleet.rests(TWO)
    assert not fleet.rests(moved)


def test_health_checks_start_anew_with_a_new_configuration(fleet: Fleet) -> None:
    fleet.checked(ONE, healthy=False)
    fleet.keep(ALL)
    assert not fleet.rests(ONE)
