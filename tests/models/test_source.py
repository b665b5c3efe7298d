"""What is accepted as a checkpoint, and what is said of everything else. Needs no torch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vsr.errors import BundleError
from vsr.models.source import find_source


def checkpoint(folder: Path, *files: str, model_type: str = "bert") -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    for file in files:
        (folder / file).write_bytes(b"")
    return folder


def adapter(folder: Path, base: str, file: str = "adapter_model.safetensors") -> Path:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base}))
    (folder / file).write_bytes(b"")
    return folder


@pytest.mark.parametrize(
    ("model_type", "architecture"),
    [
        ("bert", "bert"),
        ("roberta", "roberta"),
        ("xlm-roberta", "roberta"),
        ("deberta-v2", "deberta-v2"),
        ("modernbert", "modernbert"),
    ],
)
def test_architectures_are_known_by_their_configuration(
    tmp_path: Path, model_type: str, architecture: str
) -> None:
    folder = checkpoint(tmp_path / "it", "model.safetensors", model_type=model_type)
    assert find_source(str(folder)).architecture == architecture


def test_an_architecture_that_is_not_supported_is_named_with_those_that_are(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "it", "model.safetensors", model_type="llama")
    with pytest.raises(BundleError, match=r"'llama' is not supported; those that are: bert, roberta"):
        find_source(str(folder))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pkl"])
def test_a_pickle_is_refused_with_the_command_that_converts_it(tmp_path: Path, name: str) -> None:
    folder = checkpoint(tmp_path / "it", name)
    with pytest.raises(BundleError, match="is a pickle") as caught:
        find_source(str(folder))
    assert f"torch.load('{name}', weights_only=True)" in str(caught.value)
    assert "'model.safetensors'" in str(caught.value)


def test_a_pickled_adapter_is_refused(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "it", "base", "adapter_model.bin")
    with pytest.raises(BundleError, match=r"'adapter_model\.safetensors'"):
        find_source(str(folder))


def test_an_adapters_base_is_found_beside_it_or_given(tmp_path: Path) -> None:
    base = checkpoint(tmp_path / "base", "model.safetensors")
    assert find_source(str(adapter(tmp_path / "one", "../base"))).model.resolve() == base
    assert find_source(str(adapter(tmp_path / "two", str(base)))).model == base
    lost = adapter(tmp_path / "three", "/nowhere/base")
    with pytest.raises(BundleError, match="give it with --base"):
        find_source(str(lost))
    assert find_source(str(lost), str(base)).adapter == lost


def test_what_is_neither_a_directory_nor_a_hub_name_is_told() -> None:
    with pytest.raises(BundleError, match=r"there is no directory \./nothing"):
        find_source("./nothing")


def test_without_network_the_hub_gives_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")

    def offline(*_: object, **__: object) -> str:
        raise hub.errors.LocalEntryNotFoundError("offline")

    monkeypatch.setattr(hub, "snapshot_download", offline)
    with pytest.raises(BundleError, match=r"hf download owner/model --local-dir DIR"):
        find_source("owner/model")


def test_a_directory_without_weights_or_configuration_is_told(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"has no \*.safetensors"):
        find_source(str(checkpoint(tmp_path / "it")))
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "model.safetensors").write_bytes(b"")
    with pytest.raises(BundleError, match=r"no config\.json"):
        find_source(str(tmp_path / "bare"))
