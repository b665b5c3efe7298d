"""Rows for one task: read from files, checked, and split so that nothing leaks. Needs no torch."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from vsr.errors import BundleError
from vsr.training.task_data import (
    TaskExample,
    TaskName,
    class_weights,
    labels_of,
    read_examples,
    split,
)


def jsonl(path: Path, *rows: object) -> str:
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return str(path)


def test_files_of_both_kinds_are_read_together(tmp_path: Path) -> None:
    one = jsonl(tmp_path / "a.jsonl", {"text": "积分", "label": "math"})
    two = tmp_path / "b.csv"
    two.write_text('text,label\n"the court, again",law\n', encoding="utf-8")
    examples = read_examples([one, str(two)], "domain")
    assert [(example.text, example.label) for example in examples] == [
        ("积分", "math"),
        ("the court, again", "law"),
    ]
    assert labels_of(examples, "domain") == ("law", "math")


def test_spans_come_in_either_form_and_as_json_in_a_csv_file(tmp_path: Path) -> None:
    one = jsonl(
        tmp_path / "a.jsonl",
        {"text": "john in rome", "spans": [[8, 12, "GPE"], {"start": 0, "end": 4, "label": "PERSON"}]},
    )
    two = tmp_path / "b.csv"
    two.write_text('text,spans\njohn,"[[0, 4, ""PERSON""]]"\nnobody,\n', encoding="utf-8")
    examples = read_examples([one, str(two)], "pii")
    assert examples[0].spans == ((0, 4, "PERSON"), (8, 12, "GPE"))
    assert [example.spans for example in examples[1:]] == [((0, 4, "PERSON"),), ()]
    assert labels_of(examples, "pii") == ("O", "B-GPE", "I-GPE", "B-PERSON", "I-PERSON")


@pytest.mark.parametrize(
    ("task", "row", "complaint"),
    [
        ("domain", {"label": "law"}, "row 1: needs 'text'"),
        ("domain", {"text": "x"}, "row 1: needs 'label'"),
        ("domain", {"text": "x", "label": 1.0}, "row 1: 'label' is a float"),
        ("embedding", {"text": "x", "positive": ""}, "row 1: needs 'positive'"),
        ("pii", {"text": "john", "spans": [[0, 5, "PERSON"]]}, "within the text"),
        ("pii", {"text": "john", "spans": [[2, 2, "PERSON"]]}, "within the text"),
        ("pii", {"text": "john"}, "'spans' must be a list"),
        ("pii", {"text": "john", "spans": "no json"}, "'spans' must be a list"),
        ("domain", ["text"], "not a JSON object"),
    ],
)
def test_a_row_that_does_not_fit_is_told_with_its_place(
    tmp_path: Path, task: TaskName, row: object, complaint: str
) -> None:
    with pytest.raises(BundleError, match=complaint):
        read_examples([jsonl(tmp_path / "a.jsonl", row)], task)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.jsonl", '{"text": "积分", "label": "math"}'), ("a.csv", "text,label\n积分,math\n")],
)
def test_a_mark_before_the_first_row_is_passed_over_and_another_encoding_is_told(
    name: str, content: str, tmp_path: Path
) -> None:
    file = tmp_path / name
    file.write_text(content, encoding="utf-8-sig")
    (example,) = read_examples([str(file)], "domain")
    assert (example.text, example.label) == ("积分", "math")
    file.write_text(content, encoding="gbk")
    with pytest.raises(BundleError, match="not UTF-8"):
        read_examples([str(file)], "domain")


def test_a_field_too_long_for_a_csv_file_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("text,label\n" + "x" * 131_073 + ",law\n", encoding="utf-8")
    with pytest.raises(BundleError, match=r"a\.csv, line 2: field larger than field limit"):
        read_examples([str(file)], "domain")


def test_a_missing_file_an_empty_one_and_no_datasets_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BundleError, match="cannot read"):
        read_examples([str(tmp_path / "none.jsonl")], "domain")
    with pytest.raises(BundleError, match="there are no rows"):
        read_examples([jsonl(tmp_path / "a.jsonl")], "domain")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(BundleError, match="pip install datasets"):
        read_examples(["owner/name"], "domain")


@pytest.mark.parametrize("saved_as", ["one split", "splits", "parquet"])
def test_a_directory_that_the_datasets_library_has_saved_is_read_with_its_labels_names(
    tmp_path: Path, saved_as: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = pytest.importorskip("datasets", reason="not among what VSR installs")
    monkeypatch.setattr(library.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    features = library.Features(text=library.Value("string"), label=library.ClassLabel(names=["law", "math"]))
    rows = library.Dataset.from_dict({"text": ["积分", "the court"], "label": [1, 0]}, features=features)
    folder = tmp_path / "data"
    if saved_as == "parquet":
        folder.mkdir()
        rows.to_parquet(folder / "train.parquet")
    else:
        (rows if saved_as == "one split" else library.DatasetDict({"train": rows})).save_to_disk(folder)
    examples = read_examples([str(folder)], "domain")
    assert [(example.text, example.label) for example in examples] == [("积分", "math"), ("the court", "law")]


def test_rows_of_a_data_set_without_a_label_are_left_out_and_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class ClassLabel:
        def int2str(self, index: int) -> str:
            return ("law", "math")[index]

    class Rows(list[dict[str, object]]):
        features = {"label": ClassLabel()}  # noqa: RUF012

    rows = Rows([{"text": "unknown", "label": -1}, {"text": "积分", "label": 1}])
    library = SimpleNamespace(
        ClassLabel=ClassLabel, load_dataset=lambda *name, split: rows, load_from_disk=None
    )
    monkeypatch.setitem(sys.modules, "datasets", library)
    (example,) = read_examples(["owner/name"], "domain")
    assert (example.text, example.label) == ("积分", "math")
    assert caplog.messages == ["owner/name: rows without a label, which are left out: 1"]


def test_a_data_set_without_the_split_is_told(tmp_path: Path) -> None:
    pytest.importorskip("datasets", reason="not among what VSR installs")
    with pytest.raises(BundleError, match=r"cannot load the split train of the data set .*local file"):
        read_examples([str(tmp_path)], "domain")


def test_the_split_keeps_groups_together_and_the_labels_shares() -> None:
    examples = [
        TaskExample(f"{label} {number} {copy}", f"{label} {number}", label)
        for label, count in (("law", 40), ("math", 20), ("rare", 2), ("once", 1))
        for number in range(count)
        for copy in range(3)
    ]
    kept, held = split(examples, 0.1, seed=7)
    assert not {example.group for example in kept} & {example.group for example in held}
    assert len(kept) + len(held) == len(examples)
    assert Counter(example.label for example in held) == {"law": 12, "math": 6, "rare": 3}
    assert split(examples, 0.1, seed=7) == (kept, held)
    assert split(examples, 0.1, seed=8)[1] != held
    assert split(examples, 0.0, seed=7) == (examples, [])
    assert {example.label for example in split(examples, 0.99, seed=7)[0]} == {"law", "math", "rare", "once"}


def test_rows_that_share_a_text_or_a_group_or_are_linked_by_others_stand_on_one_side(tmp_path: Path) -> None:
    linked = [
        {"text": "The  court", "positive": "a judge"},
        {"text": "the court ", "positive": "a tribunal"},
        {"text": "A judge", "positive": "the bench", "group": 0},
        {"text": "quite another", "positive": "matter", "group": 0},
    ]
    large = [{"text": f"large {number}", "positive": "yes"} for number in range(5)]
    small = [{"text": f"small {number}", "positive": f"of {number}"} for number in range(6)]
    examples = read_examples([jsonl(tmp_path / "a.jsonl", *linked, *large, *small)], "embedding")
    held = [split(examples, 0.5, seed)[1] for seed in range(20)]
    assert {len([one for one in examples[:4] if one in part]) for part in held} == {0, 4}
    assert not any(one in part for part in held for one in examples[4:9])


@pytest.mark.parametrize("task", ["domain", "pii"])
def test_labels_that_differ_by_case_or_spaces_alone_are_told(task: TaskName) -> None:
    examples = [TaskExample("x", "", label, ((0, 1, label),)) for label in ("Math", "law", "math ")]
    with pytest.raises(BundleError, match="'Math' and 'math ' differ by case or spaces alone"):
        labels_of(examples, task)


def test_rare_labels_weigh_more_up_to_a_limit() -> None:
    examples = [TaskExample("", "", label) for label in ["often"] * 999 + ["rare"]]
    often, rare = class_weights(examples, ("often", "rare"))
    assert often == pytest.approx(0.5005, abs=1e-3)
    assert rare == 10.0
