from __future__ import annotations

from pathlib import Path

import pytest

from tests.encoder.tiny_bundle import read_manifest, write_manifest
from vsr.encoder.bundle import Bundle, default_bundle_path, load_bundle
from vsr.errors import BundleError


def refusal(path: Path) -> str:
    with pytest.raises(BundleError) as caught:
        load_bundle(path)
    message = str(caught.value)
    assert message.startswith(f"bundle {path}: ")
    assert "\n" not in message
    return message


def test_the_default_bundle_is_whole() -> None:
    assert load_bundle(default_bundle_path()).manifest.heads.domain.labels


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    assert "no such directory" in refusal(tmp_path / "nowhere")


def test_a_missing_manifest_is_named(copy: Path) -> None:
    (copy / "vsr.json").unlink()
    assert "vsr.json is missing" in refusal(copy)


@pytest.mark.parametrize("name", ["openvino_model.bin", "openvino_model.xml", "tokenizer.json"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    assert f"{name} is missing" in refusal(copy)


def test_a_changed_file_is_refused(copy: Path) -> None:
    with (copy / "tokenizer.json").open("ab") as file:
        file.write(b" ")
    assert "tokenizer.json differs from its hash" in refusal(copy)


def test_a_file_without_a_hash_is_refused(copy: Path) -> None:
    document = read_manifest(copy)
    del document["files"]["openvino_model.bin"]
    write_manifest(copy, document)
    assert "no hash for openvino_model.bin" in refusal(copy)


def test_a_pickle_is_refused_whatever_the_manifest_says(copy: Path) -> None:
    (copy / "extra.pkl").write_bytes(b"")
    assert "extra.pkl looks like a pickle" in refusal(copy)


def test_a_bundle_for_another_engine_is_refused(copy: Path) -> None:
    write_manifest(copy, {**read_manifest(copy), "engine": "tensorrt"})
    assert "'tensorrt'" in refusal(copy)


def test_the_digest_changes_with_the_manifest(bundle: Bundle, copy: Path) -> None:
    write_manifest(copy, {**read_manifest(copy), "version": "2"})
    assert load_bundle(copy).digest != bundle.digest


@pytest.mark.parametrize(("windows", "threshold"), [(1, 0.5), (2, 0.6), (8, 0.6), (9, 0.7), (1000, 0.7)])
def test_the_threshold_grows_with_the_number_of_windows(
    bundle: Bundle, windows: int, threshold: float
) -> None:
    assert bundle.jailbreak_threshold("any", windows) == threshold


def test_a_system_prompt_has_an_operating_point_of_its_own(bundle: Bundle) -> None:
    assert bundle.jailbreak_threshold("system", 1) == 0.9


def test_a_system_prompt_beyond_its_own_rows_falls_back_to_those_for_any_role(bundle: Bundle) -> None:
    assert bundle.jailbreak_threshold("system", 3) == 0.6
