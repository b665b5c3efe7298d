from __future__ import annotations

from pathlib import Path

import pytest

from tests.encoder.tiny_bundle import STRIDE, read_manifest, write_manifest
from vsr.encoder.bundle import Bundle, default_bundle_path, load_bundle
from vsr.encoder.windows import cover
from vsr.errors import BundleError
from vsr.facts import Coverage, Readings, WindowRisk


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


@pytest.mark.parametrize(("messages", "tokens", "windows"), [(7, 12, 1), (1, 4 * STRIDE, 4), (0, 0, 1)])
def test_many_short_messages_are_no_longer_to_the_guard_than_one_text_of_their_tokens(
    bundle: Bundle, messages: int, tokens: int, windows: int
) -> None:
    of_passages = cover(tokens, bundle.manifest.windows) if messages == 1 else range(2 * messages)
    risks = tuple(WindowRisk(0, 0.1) for _ in of_passages)
    assert bundle.guarded_windows(Readings(jailbreak=risks, coverage=Coverage(tokens))) == windows


def test_what_is_decoded_beside_a_text_makes_it_no_longer(bundle: Bundle) -> None:
    risks = (WindowRisk(0, 0.1), WindowRisk(0, 0.1, beside=True))
    assert bundle.guarded_windows(Readings(jailbreak=risks, coverage=Coverage(4 * STRIDE))) == 1


def test_a_disguised_text_is_as_long_to_the_guard_as_its_plain_form(bundle: Bundle) -> None:
    risks = tuple(WindowRisk(0, 0.1) for _ in range(4))
    assert bundle.guarded_windows(Readings(jailbreak=risks, coverage=Coverage(4 * STRIDE))) == 4
    coverage = Coverage(4 * STRIDE, guarded_tokens=12)
    assert bundle.guarded_windows(Readings(jailbreak=risks, coverage=coverage)) == 1


def test_a_system_prompt_has_an_operating_point_of_its_own(bundle: Bundle) -> None:
    assert bundle.jailbreak_threshold("system", 1) == 0.9


def test_a_system_prompt_beyond_its_own_rows_falls_back_to_those_for_any_role(bundle: Bundle) -> None:
    assert bundle.jailbreak_threshold("system", 3) == 0.6
