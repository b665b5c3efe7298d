"""Hand-written requests are harmless, under a domain where there is a heading, and each a group."""

from __future__ import annotations

from collections import Counter

from vsr.training.examples import task_of
from vsr.training.labels import DOMAINS
from vsr.training.requests import WITH_DOMAIN, requests

ROWS = list(requests())


def test_every_domain_has_requests_in_english_and_chinese() -> None:
    for lang in WITH_DOMAIN:
        counts = Counter(row.domain for row in ROWS if row.lang == lang)
        assert set(counts) == set(DOMAINS)
        assert min(counts.values()) >= 20


def test_requests_of_other_languages_teach_the_guard_alone() -> None:
    others = [row for row in ROWS if row.lang not in WITH_DOMAIN]
    assert others
    assert {(row.domain, task_of(row)) for row in others} == {(None, "guard")}


def test_all_are_harmless_and_none_is_another_ones_group() -> None:
    assert {row.jailbreak for row in ROWS} == {"benign"}
    assert len({row.group for row in ROWS}) == len(ROWS)


def test_written_line_breaks_are_line_breaks() -> None:
    assert any("\n" in row.text for row in ROWS)
    assert not any("\\n" in row.text for row in ROWS)
