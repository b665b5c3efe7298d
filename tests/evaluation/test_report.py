"""A whole evaluation of the tiny bundle, from files to a page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.evaluation.development_files import write_files, write_lines
from vsr.errors import EvaluationError
from vsr.evaluation.inputs import read_inputs
from vsr.evaluation.markdown import markdown
from vsr.evaluation.report import BEGIN, END, evaluate, measured_part, write_docs


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_files(tmp_path)


def test_every_head_is_reported_by_source_and_says_what_it_was_measured_with(tiny: Path, data: Path) -> None:
    asks = write_lines(
        data / "asks.jsonl", [{"text": "other poem", "lang": "en", "feedback": "WANT_DIFFERENT"}]
    )
    inputs = read_inputs(data, asks=[asks])
    seen: list[int] = []
    report, _ = evaluate(tiny, inputs, done=seen.append)
    assert sum(seen) == inputs.count
    assert {"exam", "natural-en"} == report["domain"].keys()
    assert report["domain"]["exam"]["accuracy"]["n"] == 4
    assert set(report["jailbreak"]) == {
        "jailbreak_dev/XSafety-zh", "benign_hard_dev/hard", "harmful_direct_dev/direct",
    }  # fmt: skip
    assert {"auc", "recall", "false_positives"} < report["jailbreak"]["jailbreak_dev/XSafety-zh"].keys()
    assert report["pii"]["unit/credit_card"]["CREDIT_CARD"]["served"]["f1"]["value"] == 1.0
    assert report["pii_digits"]["neg:sums"]["texts"] == 1
    assert list(report["embedding"]) == ["pairs"]
    assert report["feedback"].keys() == {"asks-en", "intent_dev-natural"}
    assert report["bundle"] == "1"
    assert report["digest"] in measured_part(report)


def test_the_base_model_is_measured_beside_the_bundle_if_there_is_one(tiny: Path, data: Path) -> None:
    import numpy as np

    inputs = read_inputs(data, ["embedding"])
    report, _ = evaluate(tiny, inputs, base=lambda texts: [np.ones(2, np.float32) for _ in texts])
    assert report["embedding"]["pairs"]["auc_base"] == 0.5


def test_only_the_heads_asked_for_are_read_and_at_most_so_many_rows_a_source(data: Path) -> None:
    inputs = read_inputs(data, ["domain"], limit=2)
    assert [row["source"] for row in inputs.domain] == ["exam", "exam", "natural-en", "natural-en"]
    assert not inputs.guard


def test_an_unknown_head_a_missing_file_and_a_broken_row_are_told_by_name(data: Path) -> None:
    with pytest.raises(EvaluationError, match="no head 'domian'"):
        read_inputs(data, ["domian"])
    (data / "intent_dev.jsonl").unlink()
    with pytest.raises(EvaluationError, match=r"intent_dev\.jsonl cannot be read"):
        read_inputs(data, ["domain"])
    write_lines(data / "dup_pairs_dev.jsonl", [{"a": "x"}])
    with pytest.raises(EvaluationError, match=r"dup_pairs_dev\.jsonl:1 has no"):
        read_inputs(data, ["embedding"])


def test_a_table_has_a_line_for_each_source(tiny: Path, data: Path) -> None:
    report, _ = evaluate(tiny, read_inputs(data, ["jailbreak"]))
    text = markdown(report)
    assert text.startswith("### Jailbreak")
    assert "| benign_hard_dev/hard |" in text
    assert "### Domain" not in text


def test_only_what_stands_between_the_marks_of_a_page_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "models.md"
    page.write_text(f"# Title\n{BEGIN}\nold\n{END}\nend\n", "utf-8")
    write_docs(page, "new")
    assert page.read_text("utf-8") == f"# Title\n{BEGIN}\n\nnew\n\n{END}\nend\n"
    page.write_text("no marks", "utf-8")
    with pytest.raises(EvaluationError, match="needs the lines"):
        write_docs(page, "new")


def test_what_no_answer_could_get_right_is_not_counted(tmp_path: Path) -> None:
    write_files(tmp_path)
    plate = {
        "text": "plate #CP", "spans": [[6, 9, "OTHER_ID"]], "labels": "OTHER_ID(plate)", "source": "d",
    }  # fmt: skip
    write_lines(tmp_path / "pii_dev.jsonl", [plate])
    cases = [
        {"text": "today 2021-05-06", "spans": [[6, 16, "DATE_TIME"]], "labels": "", "source": "tests/date"}
    ]
    write_lines(tmp_path / "pii_unit_dev.jsonl", cases)
    of_dialogue, of_unit = read_inputs(tmp_path, ["pii"]).pii
    assert (of_dialogue["spans"], of_dialogue["ignore_spans"]) == ([], [[6, 9, "OTHER_ID"]])
    assert of_unit["ignore_spans"] == [[0, 5, "DATE_TIME"]]


def test_of_true_spans_within_one_another_the_longest_counts(tiny: Path, tmp_path: Path) -> None:
    write_files(tmp_path)
    card = {
        "text": "4111111111111111", "spans": [[0, 16, "CREDIT_CARD"], [0, 12, "CREDIT_CARD"]],
        "labels": "CREDIT_CARD", "source": "tests/credit_card",
    }  # fmt: skip
    write_lines(tmp_path / "pii_unit_dev.jsonl", [card])
    report, _ = evaluate(tiny, read_inputs(tmp_path, ["pii"]))
    assert report["pii"]["unit/credit_card"]["CREDIT_CARD"]["served"]["recall"] == 1.0
