from __future__ import annotations

import json
from typing import Any

import pytest

from tests.encoder.tiny_bundle import TYPES, read_manifest
from vsr.encoder.bundle import Bundle
from vsr.encoder.manifest import parse_manifest
from vsr.errors import BundleError


def refusal(document: Any) -> str:
    with pytest.raises(BundleError) as caught:
        parse_manifest(json.dumps(document).encode())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_types_are_read_off_the_tags(bundle: Bundle) -> None:
    assert bundle.manifest.heads.pii.types == TYPES


def test_what_is_not_json_is_said_to_be_so() -> None:
    with pytest.raises(BundleError, match=r"vsr\.json is not JSON"):
        parse_manifest(b"{")


@pytest.mark.parametrize("document", [[], {}, {"format": 2}, {"format": "1"}])
def test_a_foreign_manifest_is_refused_by_its_format(document: Any) -> None:
    assert "this version reads format 1" in refusal(document)


def test_a_missing_head_is_named(bundle: Bundle) -> None:
    document = read_manifest(bundle.path)
    del document["heads"]["pii"]
    assert "heads.pii" in refusal(document)


def test_a_head_of_the_wrong_kind_is_named(bundle: Bundle) -> None:
    document = read_manifest(bundle.path)
    document["heads"]["domain"]["kind"] = "token"
    assert "heads.domain.kind" in refusal(document)


def test_windows_that_leave_gaps_are_refused(bundle: Bundle) -> None:
    document = read_manifest(bundle.path)
    document["windows"]["stride"] = document["windows"]["tokens"] + 1
    assert "windows.stride" in refusal(document)


@pytest.mark.parametrize("changed", [{"tokens": 14}, {"stride": 5}, {"stride": 0}, {"risk": 0.0}])
def test_close_ups_that_show_no_more_than_a_window_are_refused(
    bundle: Bundle, changed: dict[str, float]
) -> None:
    document = read_manifest(bundle.path)
    document["heads"]["jailbreak"]["close_ups"] = {"tokens": 4, "stride": 2, "risk": 0.1, **changed}
    assert "close_ups" in refusal(document)


def test_tags_without_their_partner_are_refused(bundle: Bundle) -> None:
    document = read_manifest(bundle.path)
    document["heads"]["pii"]["labels"].remove("I-PERSON")
    assert "heads.pii.labels" in refusal(document)


def test_thresholds_that_leave_long_requests_without_one_are_refused(bundle: Bundle) -> None:
    document = read_manifest(bundle.path)
    points = document["heads"]["jailbreak"]["operating_points"]
    document["heads"]["jailbreak"]["operating_points"] = points[:1]
    assert "operating_points" in refusal(document)


@pytest.mark.parametrize(
    ("head", "name", "value"), [("fact_check", "positive", "maybe"), ("feedback", "negative", "maybe")]
)
def test_a_head_about_the_ask_must_name_one_of_its_labels(
    bundle: Bundle, head: str, name: str, value: str
) -> None:
    document = read_manifest(bundle.path)
    document["heads"][head][name] = value
    assert f"heads.{head}.{name} is not a label" in refusal(document)


def test_a_head_that_is_not_known_is_passed_over(bundle: Bundle) -> None:
    document = read_manifest(bundle.path)
    document["heads"]["weather"] = {"kind": "sequence", "labels": ["sun", "rain"]}
    assert list(parse_manifest(json.dumps(document).encode()).heads.asks) == ["fact_check", "feedback"]


def test_a_bundle_without_golden_texts_is_refused(bundle: Bundle) -> None:
    assert "golden needs at least one text" in refusal({**read_manifest(bundle.path), "golden": []})


def test_a_file_outside_the_bundle_is_refused(bundle: Bundle) -> None:
    document = read_manifest(bundle.path)
    document["files"]["../elsewhere"] = "sha256:0"
    assert "outside the directory" in refusal(document)
