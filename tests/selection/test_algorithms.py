from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from tests.selection.pool import asking, model, observed, pool, taught
from vsr.config.policy import Automix, Elo, Hybrid, LatencyAware, MultiFactor, RouterDC, Thompson
from vsr.selection.automix import automix
from vsr.selection.backends import order_backends
from vsr.selection.choice import Candidate, Scores, Unselectable
from vsr.selection.elo import elo
from vsr.selection.feedback import Outcome
from vsr.selection.hybrid import hybrid
from vsr.selection.latency import latency_aware
from vsr.selection.multi_factor import multi_factor
from vsr.selection.observations import Observed
from vsr.selection.router_dc import router_dc
from vsr.selection.state import NOTHING_KNOWN, Knowledge, State
from vsr.selection.thompson import thompson

SMALL, LARGE = model("small", 0.6, 1.0), model("large", 0.9, 10.0)
BOTH = pool(SMALL, LARGE)


def best(candidates: list[Candidate], scores: Scores) -> str:
    return candidates[max(range(len(scores)), key=lambda place: scores[place])].name


def test_router_dc_takes_the_description_most_like_the_question() -> None:
    candidates = pool(model("poet", description="verse"), model("coder", description="code"))
    vectors = {"verse": np.array([1, 0], np.float32), "code": np.array([0, 1], np.float32)}
    state = State(knowledge=Knowledge(descriptions=vectors))
    assert best(candidates, router_dc(RouterDC(), candidates, asking(0.6, 0.8), state)) == "coder"
    assert best(candidates, router_dc(RouterDC(), candidates, asking(0.8, 0.6), state)) == "poet"


@pytest.mark.parametrize(
    ("vector", "expected"),
    [((), "no embedding"), ((0.0, 1.0), "no description is similar enough"), ((1.0, 0.0), "")],
)
def test_router_dc_says_why_it_cannot_choose(vector: tuple[float, ...], expected: str) -> None:
    candidates = pool(model("poet", description="verse"), model("nameless"))
    state = State(knowledge=Knowledge(descriptions={"verse": np.array([1, 0], np.float32)}))
    if expected:
        with pytest.raises(Unselectable, match=expected):
            router_dc(RouterDC(), candidates, asking(*vector), state)
    else:
        assert best(candidates, router_dc(RouterDC(), candidates, asking(*vector), state)) == "poet"


def test_latency_aware_takes_the_fastest_by_both_percentiles() -> None:
    state = observed(
        small=Observed(ttft=(0.1, 0.2, 2.0), tpot=(0.01, 0.01, 0.01)),
        large=Observed(ttft=(0.3, 0.3, 0.3), tpot=(0.02, 0.02, 0.02)),
    )
    by_median = LatencyAware(tpot_percentile=50, ttft_percentile=50)
    by_tail = LatencyAware(ttft_percentile=95)
    assert best(BOTH, latency_aware(by_median, BOTH, asking(), state)) == "small"
    assert best(BOTH, latency_aware(by_tail, BOTH, asking(), state)) == "large"


@pytest.mark.parametrize("candidates", [BOTH, pool(LARGE, SMALL)])
def test_a_model_that_was_never_measured_is_tried_by_one_request(candidates: list[Candidate]) -> None:
    settings, measured = LatencyAware(ttft_percentile=50), Observed(ttft=(0.1,))
    new, tried = observed(small=measured), observed(small=measured, large=Observed(tried=True))
    assert best(candidates, latency_aware(settings, candidates, asking(), new)) == "large"
    assert best(candidates, latency_aware(settings, candidates, asking(), tried)) == "small"


def test_without_any_latency_there_is_nothing_to_choose_by() -> None:
    with pytest.raises(Unselectable, match="no latency"):
        latency_aware(LatencyAware(ttft_percentile=50), BOTH, asking(), NOTHING_KNOWN)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (MultiFactor(quality=1, latency=0, cost=0, load=0), "large"),
        (MultiFactor(quality=0, latency=0, cost=1, load=0), "small"),
        (MultiFactor(quality=0, latency=1, cost=0, load=0), "large"),
        (MultiFactor(quality=0, latency=0, cost=0, load=1), "large"),
        (MultiFactor(quality=1, latency=0, cost=0, load=0, max_cost=5), "small"),
        (MultiFactor(quality=1, latency=0, cost=0, load=0, max_ttft=0.15), "large"),
        (MultiFactor(quality=0, latency=0, cost=1, load=0, max_ttft=0.15), "large"),
        (MultiFactor(quality=0, latency=0, cost=1, load=0, max_in_flight=3), "large"),
    ],
)
def test_multi_factor_weighs_factors_within_ceilings(settings: MultiFactor, expected: str) -> None:
    state = observed(small=Observed(ttft=(0.2,), in_flight=3), large=Observed(ttft=(0.1,), in_flight=1))
    assert best(BOTH, multi_factor(settings, BOTH, asking(), state)) == expected


def test_multi_factor_takes_a_missing_observation_for_the_mean_of_the_others() -> None:
    third = pool(SMALL, LARGE, model("new", 0.75, 5.0))
    state = observed(small=Observed(tpot=(0.03,)), large=Observed(tpot=(0.01,)))
    scores = multi_factor(MultiFactor(quality=0, latency=1, cost=0, load=0), third, asking(), state)
    assert scores[1] > scores[2] > scores[0]


@pytest.mark.parametrize(("rule", "expected"), [("cheapest", "small"), ("first", "large")])
def test_multi_factor_over_every_ceiling_follows_on_no_candidates(rule: str, expected: str) -> None:
    candidates = pool(LARGE, SMALL)
    settings = MultiFactor(max_cost=0.5, on_no_candidates=rule)  # type: ignore[arg-type] # parametrised
    assert best(candidates, multi_factor(settings, candidates, asking(), NOTHING_KNOWN)) == expected


def test_multi_factor_can_fail_over_every_ceiling() -> None:
    settings = MultiFactor(max_cost=0.5, on_no_candidates="fail")
    with pytest.raises(Unselectable) as caught:
        multi_factor(settings, BOTH, asking(), NOTHING_KNOWN)
    assert caught.value.final


def test_automix_prefers_the_cheap_model_until_quality_counts_enough() -> None:
    cheap = automix(Automix(cost_quality_tradeoff=0.3), BOTH, asking(), NOTHING_KNOWN)
    dear = automix(Automix(cost_aware=False), BOTH, asking(), NOTHING_KNOWN)
    assert best(BOTH, cheap) == "small"
    assert best(
        BOTH, automix(Automix(max_escalations=0, cost_aware=False), BOTH, asking(), NOTHING_KNOWN)
    ) == ("large")
    assert max(dear) > max(cheap)


def test_automix_learns_from_outcomes_that_a_model_fails() -> None:
    state = taught(*(Outcome("large", 0.0) for _ in range(60)))
    settings = Automix(max_escalations=0, cost_aware=False)
    assert best(BOTH, automix(settings, BOTH, asking(), state)) == "small"


def test_elo_takes_the_winner_of_the_comparisons() -> None:
    state = taught(*(Outcome("small", 1.0, loser="large") for _ in range(5)))
    assert best(BOTH, elo(Elo(), BOTH, asking(), state)) == "small"


def test_elo_prefers_the_ratings_of_the_category() -> None:
    state = taught(
        *(Outcome("small", 1.0, loser="large", category="law") for _ in range(5)),
        *(Outcome("large", 1.0, loser="small", category="math") for _ in range(8)),
    )
    assert best(BOTH, elo(Elo(), BOTH, asking(category="law"), state)) == "small"
    assert best(BOTH, elo(Elo(), BOTH, asking(category="history"), state)) == "large"
    overall = Elo(category_weighted=False)
    assert best(BOTH, elo(overall, BOTH, asking(category="law"), state)) == "large"


def test_elo_does_not_choose_by_too_few_comparisons() -> None:
    state = taught(Outcome("small", 1.0, loser="large"))
    with pytest.raises(Unselectable, match="often enough"):
        elo(Elo(min_comparisons=2), BOTH, asking(), state)


def test_elo_can_take_prices_off() -> None:
    state = taught(*(Outcome("large", 1.0, loser="small") for _ in range(5)))
    assert best(BOTH, elo(Elo(cost_scaling=1000), BOTH, asking(), state)) == "small"


def drawn(state: State, settings: Thompson = Thompson()) -> Counter[str]:  # noqa: B008 # frozen
    return Counter(best(BOTH, thompson(settings, BOTH, asking(seed=seed), state)) for seed in range(400))


def test_thompson_tries_equals_equally_and_settles_on_the_better_one() -> None:
    unknown = drawn(NOTHING_KNOWN)
    assert min(unknown.values()) > 150
    known = drawn(
        taught(
            *(Outcome("small", 1.0) for _ in range(40)),
            *(Outcome("large", 0.0) for _ in range(40)),
        )
    )
    assert known["small"] == 400


def test_thompson_keeps_trying_what_was_rarely_tried() -> None:
    few = drawn(taught(Outcome("large", 0.0), *(Outcome("small", 0.7) for _ in range(30))))
    assert 0 < few["large"] < 100


@pytest.mark.parametrize("algorithm", ["thompson", "automix"])
def test_outcomes_without_a_decision_count_where_the_decision_has_none(algorithm: str) -> None:
    bad = [Outcome("large", 0.0) for _ in range(60)]
    in_general = taught(*bad, *(Outcome("small", 1.0) for _ in range(60)))
    for state in (in_general, taught(*bad, *(replace(one, decision="another") for one in bad))):
        question = asking(decision="d", seed=1)
        if algorithm == "thompson":
            scores = thompson(Thompson(), BOTH, question, state)
        else:
            scores = automix(Automix(max_escalations=0, cost_aware=False), BOTH, question, state)
        assert best(BOTH, scores) == "small"


def test_a_draw_says_nothing_about_the_back_end_of_the_same_seed() -> None:
    servers = tuple(replace(SMALL.backends[0], name=name) for name in ("x", "y"))
    doubled = replace(SMALL, backends=servers)
    pairs = Counter(
        (
            best(BOTH, thompson(Thompson(), BOTH, asking(seed=seed), NOTHING_KNOWN)),
            order_backends(doubled, seed)[0],
        )
        for seed in range(400)
    )
    assert len(pairs) == 4
    assert min(pairs.values()) > 60


def test_the_same_seed_draws_the_same() -> None:
    assert thompson(Thompson(), BOTH, asking(seed=7), NOTHING_KNOWN) == thompson(
        Thompson(), BOTH, asking(seed=7), NOTHING_KNOWN
    )


def test_hybrid_leaves_out_what_has_nothing_to_say() -> None:
    by_quality = hybrid(Hybrid(cost=0.0), BOTH, asking(), NOTHING_KNOWN)
    assert best(BOTH, by_quality) == "small"  # automix alone speaks, and it looks at prices
    state = taught(*(Outcome("large", 1.0, loser="small") for _ in range(20)))
    rated = hybrid(Hybrid(experience=1.0, automix=0.1, cost=0.0), BOTH, asking(), state)
    assert best(BOTH, rated) == "large"
    with pytest.raises(Unselectable, match="neither"):
        hybrid(Hybrid(), pool(model("a"), model("b")), asking(), NOTHING_KNOWN)


def test_hybrid_ranks_descriptions_among_the_models_that_have_one() -> None:
    described = [model(name, description=name) for name in ("near", "far")]
    candidates = pool(*described, model("nameless"))
    vectors = {"near": np.array([1, 0], np.float32), "far": np.array([0, 1], np.float32)}
    state = State(knowledge=Knowledge(descriptions=vectors))
    assert hybrid(Hybrid(cost=0.0), candidates, asking(1.0, 0.0), state) == [1.0, 0.0, 0.0]


def test_hybrid_gives_no_bonus_for_a_low_price_beyond_the_quality_gap() -> None:
    state = taught(*(Outcome("large", 1.0, loser="small") for _ in range(20)))
    only_ratings = Hybrid(experience=1.0, router_dc=0.0, automix=0.0, cost=5.0)
    assert best(BOTH, hybrid(only_ratings, BOTH, asking(), state)) == "large"
    wide = replace(only_ratings, quality_gap_threshold=1.0)
    assert best(BOTH, hybrid(wide, BOTH, asking(), state)) == "small"
