"""Rows that the trunk never sees: every kind in both languages, labelled for one head and no other."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from vsr.evaluation.redteam import own_samples
from vsr.training.examples import task_of
from vsr.training.joined import about_tokens
from vsr.training.labels import FEEDBACK, JAILBREAK
from vsr.training.prepare import key
from vsr.training.rows import Row
from vsr.training.unseen import LONGEST, unseen
from vsr.training.written import sections

NATURAL = Path(__file__).parents[2] / "benchmarks" / "data" / "asks_natural.jsonl"
ROWS = list(unseen(0))


def of(head: str) -> list[Row]:
    return [row for row in ROWS if getattr(row, head)]


def test_each_row_teaches_one_head() -> None:
    assert {task_of(row) for row in ROWS} == {"unseen"}
    assert len(of("feedback")) + len(of("jailbreak")) == len(ROWS)
    assert not [row for row in ROWS if row.domain or row.anchor or row.annotated]


def test_every_kind_of_feedback_has_many_phrasings_in_both_languages() -> None:
    phrasings = Counter(
        (label, lang) for label, lang, _ in {(r.feedback, r.lang, r.group) for r in of("feedback")}
    )
    assert set(phrasings) == {(label, lang) for label in FEEDBACK for lang in ("en", "zh")}
    assert min(phrasings.values()) >= 250


def test_attacks_and_harmless_texts_are_about_as_many_in_both_languages() -> None:
    counts = Counter((row.jailbreak, row.lang) for row in of("jailbreak"))
    assert set(counts) == {(label, lang) for label in JAILBREAK for lang in ("en", "zh")}
    assert min(counts.values()) > 0.8 * max(counts.values())


def test_a_text_is_written_once_and_may_have_lines() -> None:
    texts = [row.text for row in of("jailbreak")]
    assert len({key(text) for text in texts}) == len(texts)
    assert any("\n" in text for text in texts)
    assert not [text for text in texts if "\\n" in text]


def test_a_document_stands_beside_a_twin_that_differs_in_one_sentence() -> None:
    documents = [row for row in of("jailbreak") if "/document/" in row.stratum]
    assert {row.lang for row in documents} == {"en", "zh"}
    for attack, harmless in zip(documents[::2], documents[1::2], strict=True):
        assert (attack.jailbreak, harmless.jailbreak) == ("jailbreak", "benign")
        assert attack.group == harmless.group


def test_what_is_read_of_a_document_holds_its_sentence() -> None:
    documents = {row.text: row.jailbreak for row in of("jailbreak") if "/document/" in row.stratum}
    for _, _, _, line in sections("documents_unseen.txt"):
        _, attack, harmless = line.split("\t")
        assert [label for text, label in documents.items() if attack in text] == ["jailbreak"]
        assert [label for text, label in documents.items() if harmless in text] == ["benign"]
    assert max(map(about_tokens, documents)) <= LONGEST + 1  # of sums that are rounded


def test_the_same_seed_makes_the_same_rows() -> None:
    assert list(unseen(3)) == list(unseen(3))


def test_few_of_the_reported_answers_were_written_again() -> None:
    reported = {key(json.loads(line)["text"]) for line in NATURAL.read_text(encoding="utf-8").splitlines()}
    assert len(reported & {key(row.text) for row in ROWS}) <= 5  # which `prepare` leaves out


def test_no_attack_of_the_red_team_was_written_again() -> None:
    written = {key(row.text) for row in of("jailbreak")}
    assert not written & {key(sample.text) for sample in own_samples()}
