"""Rows for one task: read from files, checked, and split so that nothing leaks. Needs no torch."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

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


def test_the_same_text_in_other_case_and_spacing_is_one_group(tmp_path: Path) -> None:
    rows = [{"text": text, "label": "law"} for text in ("The  court", "the court ", "a court")]
    groups = [example.group for example in read_examples([jsonl(tmp_path / "a.jsonl", *rows)], "domain")]
    assert groups[0] == groups[1] != groups[2]


def test_rare_labels_weigh_more_up_to_a_limit() -> None:
    examples = [TaskExample("", "", label) for label in ["often"] * 999 + ["rare"]]
    often, rare = class_weights(examples, ("often", "rare"))
    assert often == pytest.approx(0.5005, abs=1e-3)
    assert rare == 10.0
