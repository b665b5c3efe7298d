"""What is accepted as a checkpoint, and what is said of everything else. Needs no torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.models.hub import hub
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
    library = pytest.importorskip("huggingface_hub")

    def offline(*_: object, **__: object) -> str:
        raise library.errors.LocalEntryNotFoundError("offline")

    monkeypatch.setattr(library, "snapshot_download", offline)
    with pytest.raises(BundleError, match=r"hf download owner/model --local-dir DIR"):
        find_source("owner/model")


def found_by_another_process(name: str, endpoint: str, home: Path) -> subprocess.CompletedProcess[str]:
    """The library reads its settings when it is imported, so it needs a process of its own."""
    code = f"from vsr.models.source import find_source; print(find_source({name!r}).model)"
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_hub_model_is_fetched_without_pickles_and_code_and_once(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    served = checkpoint(tmp_path / "served", "model.safetensors", "pytorch_model.bin", "modeling.py")
    for name in ("model.safetensors", "tokenizer.json"):
        (served / name).write_text(name)  # files of the same content are fetched once
    home = tmp_path / "home"
    with hub("owner/model", served) as (endpoint, fetched):
        first = found_by_another_process("owner/model", endpoint, home)
        assert first.returncode == 0, first.stderr
        folder = Path(first.stdout.strip())
        assert sorted(file.name for file in folder.iterdir()) == sorted(fetched)
        assert sorted(fetched) == ["config.json", "model.safetensors", "tokenizer.json"]
        found_by_another_process("owner/model", endpoint, home)
        assert len(fetched) == 3
        unknown = found_by_another_process("owner/other", endpoint, home)
        assert "cannot fetch owner/other from the Hugging Face hub" in unknown.stderr
    without_network = found_by_another_process("owner/model", endpoint, home)
    assert without_network.stdout == first.stdout


def test_a_directory_without_weights_or_configuration_is_told(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"has no \*.safetensors"):
        find_source(str(checkpoint(tmp_path / "it")))
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "model.safetensors").write_bytes(b"")
    with pytest.raises(BundleError, match=r"no config\.json"):
        find_source(str(tmp_path / "bare"))
