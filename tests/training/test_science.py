"""Chinese science questions: hundreds of every subject under the label of its domain."""

from __future__ import annotations

from collections import Counter

from vsr.training.examples import task_of
from vsr.training.prepare import key
from vsr.training.science import DOMAINS, science


def test_the_same_seed_makes_the_same_rows() -> None:
    assert list(science(1)) == list(science(1))
    assert list(science(1)) != list(science(2))


def test_every_subject_has_hundreds_of_different_questions() -> None:
    rows = list(science(1))
    counts = Counter(stratum for stratum, _ in {(row.stratum.split("/")[3], key(row.text)) for row in rows})
    assert set(counts) == set(DOMAINS)
    assert min(counts.values()) >= 600


def test_geography_is_other_and_the_rest_keep_their_names() -> None:
    for row in science(1):
        assert row.domain == DOMAINS[row.stratum.split("/")[3]]
        assert task_of(row) in ("natural", "exam")


def test_no_slot_is_left_open() -> None:
    assert not [row.text for row in science(1) if "{" in row.text]
