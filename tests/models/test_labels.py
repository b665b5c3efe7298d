from __future__ import annotations

import json
from pathlib import Path

import pytest

from vsr.encoder.imported.manifest import Kind
from vsr.errors import BundleError
from vsr.models.labels import find_labels, read_labels, risky_labels


def write(folder: Path, name: str, document: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(document))
    return folder / name


@pytest.mark.parametrize(
    "document",
    [
        ["law", "math"],
        {"0": "law", "1": "math"},
        {"law": 0, "math": 1},
        {"category_to_idx": {"math": 1, "law": 0}, "idx_to_category": {"1": "math", "0": "law"}},
        {"label_to_idx": {"law": 0, "math": 1}},
        {"id2label": {"1": "math", "0": "law"}, "version": 3},
    ],
)
def test_every_shape_of_a_mapping_gives_labels_in_order(tmp_path: Path, document: object) -> None:
    assert read_labels(write(tmp_path, "labels.json", document)) == ("law", "math")


@pytest.mark.parametrize("document", [[], {}, {"0": "law", "2": "math"}, [1, 2], {"law": "math"}, "law"])
def test_what_holds_no_labels_is_told(tmp_path: Path, document: object) -> None:
    with pytest.raises(BundleError, match="holds no labels"):
        read_labels(write(tmp_path, "labels.json", document))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("domain", "category_mapping.json"),
        ("jailbreak", "jailbreak_type_mapping.json"),
        ("pii", "pii_type_mapping.json"),
        ("classifier", "label_mapping.json"),
    ],
)
def test_numbered_labels_are_named_by_the_mapping_file_of_the_kind(
    tmp_path: Path, kind: Kind, name: str
) -> None:
    write(tmp_path, "config.json", {"id2label": {"0": "LABEL_0", "1": "LABEL_1"}})
    write(tmp_path, name, {"label_to_idx": {"a": 0, "b": 1}})
    assert find_labels([tmp_path], kind, None) == ("a", "b")


def test_labels_named_in_the_configuration_win_over_a_mapping_file_and_a_given_file_over_both(
    tmp_path: Path,
) -> None:
    write(tmp_path, "config.json", {"id2label": {"0": "x", "1": "y"}})
    write(tmp_path, "category_mapping.json", {"category_to_idx": {"a": 0, "b": 1}})
    assert find_labels([tmp_path], "domain", None) == ("x", "y")
    given = write(tmp_path, "mine.json", ["p", "q"])
    assert find_labels([tmp_path], "domain", given) == ("p", "q")


def test_an_adapters_labels_come_before_its_bases(tmp_path: Path) -> None:
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    write(base, "config.json", {"id2label": {"0": "x", "1": "y"}})
    write(adapter, "label_mapping.json", {"a": 0, "b": 1})
    assert find_labels([adapter, base], "domain", None) == ("a", "b")


def test_without_names_the_error_shows_how_to_give_them(tmp_path: Path) -> None:
    write(tmp_path, "config.json", {"id2label": {"0": "LABEL_0", "1": "LABEL_1"}})
    with pytest.raises(BundleError, match="Give --labels FILE"):
        find_labels([tmp_path], "domain", None)


def test_risky_labels_are_known_by_name_or_chosen() -> None:
    assert risky_labels(("benign", "INJECTION"), ()) == ("INJECTION",)
    assert risky_labels(("0", "1"), ("1",)) == ("1",)
    with pytest.raises(BundleError, match="--positive: 0, 1"):
        risky_labels(("0", "1"), ())
    with pytest.raises(BundleError, match="--positive 2 is no label"):
        risky_labels(("0", "1"), ("2",))
