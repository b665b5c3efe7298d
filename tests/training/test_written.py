"""Written texts: exam questions under their domain, attacks and harmless texts for the guard, each once."""

from __future__ import annotations

from collections import Counter

from vsr.evaluation.redteam import own_samples
from vsr.training.examples import task_of
from vsr.training.labels import DOMAINS, JAILBREAK
from vsr.training.prepare import key
from vsr.training.unseen import unseen
from vsr.training.written import written

ROWS = list(written())
EXAMS = [row for row in ROWS if task_of(row) == "exam"]
GUARD = [row for row in ROWS if task_of(row) == "guard"]


def test_geography_and_law_have_hundreds_in_chinese() -> None:
    counts = Counter(row.stratum for row in EXAMS)
    assert min(counts["exam/written/zh/geography"], counts["exam/written/zh/law"]) >= 300


def test_every_exam_question_is_harmless_and_of_a_known_domain() -> None:
    assert {row.domain for row in EXAMS} == set(DOMAINS)
    assert {row.domain for row in EXAMS if row.stratum.endswith("geography")} == {"other"}
    assert {row.jailbreak for row in EXAMS} == {"benign"}


def test_attacks_and_harmless_texts_are_about_as_many_in_both_languages() -> None:
    counts = Counter((row.stratum.split("/")[0], row.jailbreak, row.lang) for row in GUARD)
    assert set(counts) == {(label, label, lang) for label in JAILBREAK for lang in ("en", "zh")}
    assert min(counts.values()) > 0.8 * max(counts.values())
    assert not [row for row in GUARD if row.domain]


def test_a_text_is_written_once_and_may_have_lines() -> None:
    assert len({key(row.text) for row in ROWS}) == len(ROWS)
    assert any("\n" in row.text for row in ROWS)
    assert not [row.text for row in ROWS if "\\n" in row.text]


def test_no_heading_is_taken_for_a_text() -> None:
    assert not [row.text for row in ROWS if row.text.startswith("[") and row.text.endswith((" en]", " zh]"))]


def test_what_the_trunk_learns_is_neither_kept_from_it_nor_in_the_red_team() -> None:
    others = {key(row.text) for row in unseen(0)} | {key(sample.text) for sample in own_samples()}
    assert not others & {key(row.text) for row in ROWS}
