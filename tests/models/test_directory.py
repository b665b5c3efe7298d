"""`vsr models list`, `show`, `verify` and `export`, on models made without torch."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import vsr
from tests.encoder.imported.tiny_model import read_manifest, write_manifest, write_model
from tests.encoder.tiny_bundle import write_bundle
from vsr.encoder.bundle import load_bundle
from vsr.encoder.imported.folder import load_folder
from vsr.errors import BundleError
from vsr.models.directory import default_directory, entries, export, model_path


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    models = tmp_path / "models"
    write_model(models / "guard", "jailbreak")
    write_model(models / "vectors", "embedding")
    (models / "stray").mkdir()
    return models


def test_a_broken_model_is_listed_and_hides_no_other(directory: Path) -> None:
    found = {entry.name: entry for entry in entries(directory)}
    assert list(found) == ["guard", "stray", "vectors"]
    assert found["guard"].model is not None
    assert "vsr-model.json is missing" in found["stray"].problem
    assert entries(directory / "nowhere") == []


def test_the_table_names_kind_labels_and_digest(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = vsr(capsys, "models", "list", "--models-dir", str(directory)).out
    assert "benign, jailbreak" in out
    assert "4 dimensions" in out
    assert load_folder(directory / "guard").digest[:12] in out
    rows = vsr(capsys, "models", "list", "--models-dir", str(directory), "--json").json()
    assert [row.get("kind") for row in rows] == ["jailbreak", None, "embedding"]


def test_an_empty_directory_says_how_to_fill_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = vsr(capsys, "models", "list", "--models-dir", str(tmp_path))
    assert (result.code, result.out) == (0, "")
    assert "`vsr models import`" in result.err


def test_show_tells_how_the_model_compares_with_the_original(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = vsr(capsys, "models", "show", "guard", "--models-dir", str(directory)).out
    assert "with transformers on 3 texts: logits differ by at most 0" in out
    shown = vsr(capsys, "models", "show", str(directory / "guard"), "--json").json()
    assert shown["parity"]["agreement"] == 1.0


@pytest.mark.parametrize("command", [("show", "gard"), ("verify", "gard"), ("export", "gard", "out")])
def test_a_name_that_is_not_there_is_told_with_those_that_are(
    directory: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    result = vsr(capsys, "models", *command, "--models-dir", str(directory))
    assert result.code == 2
    assert "there is no model gard" in result.err
    assert "there are: guard, stray, vectors" in result.err
    assert "there is no directory ./gard" in vsr(capsys, "models", "show", "./gard").err


def test_verify_hashes_again_and_reruns_the_golden_outputs(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("models", "verify", "guard", "--models-dir", str(directory))
    assert "3 golden outputs are as recorded" in vsr(capsys, *arguments).out
    document = read_manifest(directory / "guard")
    document["golden"][1]["values"] = [0.1, 0.9]
    write_manifest(directory / "guard", document)
    result = vsr(capsys, *arguments)
    assert result.code == 2
    assert "golden text 2 is off by" in result.err
    (directory / "guard" / "openvino_model.bin").write_bytes(b"other")
    assert "openvino_model.bin differs" in vsr(capsys, *arguments).err


@pytest.mark.parametrize("name", ["packed.tar", "packed.tar.gz"])
def test_an_exported_model_is_whole_where_it_arrives(directory: Path, tmp_path: Path, name: str) -> None:
    (directory / "guard" / "notes.txt").write_text("not part of it")
    packed = export(directory / "guard", tmp_path / "out" / name)
    subprocess.run(["tar", "-xf", packed, "-C", tmp_path], check=True)
    arrived = tmp_path / "packed"
    assert load_folder(arrived).digest == load_folder(directory / "guard").digest
    assert not (arrived / "notes.txt").exists()
    lines = [line.split("  ") for line in (arrived / "SHA256SUMS").read_text().splitlines()]
    sums = {name: digest for digest, name in lines}
    for file, digest in sums.items():
        assert hashlib.sha256((arrived / file).read_bytes()).hexdigest() == digest
    assert set(sums) >= {"vsr-model.json", "openvino_model.xml", "openvino_model.bin", "tokenizer.json"}


def test_a_bundle_is_exported_as_a_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    assert vsr(capsys, "models", "export", str(bundle), str(tmp_path / "out")).code == 0
    assert load_bundle(tmp_path / "out").digest == load_bundle(bundle).digest
    result = vsr(capsys, "models", "export", str(bundle), str(tmp_path / "out"))
    assert (result.code, "exists" in result.err) == (2, True)


def test_what_is_neither_model_nor_bundle_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="neither a bundle nor an imported model"):
        export(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_name_cannot_lead_out_of_the_directory(tmp_path: Path) -> None:
    for name in ("..", ".hidden", "a b", ""):
        with pytest.raises(BundleError, match="cannot name a model"):
            model_path(tmp_path, name)
    assert model_path(tmp_path, "guard-1.0") == tmp_path / "guard-1.0"


def test_the_directory_is_the_variables_or_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VSR_MODELS", str(tmp_path))
    assert default_directory() == tmp_path
    monkeypatch.delenv("VSR_MODELS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_directory() == tmp_path / "vsr" / "models"


def test_importing_without_torch_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "vsr.models.importing", raising=False)
    monkeypatch.delitem(sys.modules, "vsr.models.convert", raising=False)
    result = vsr(capsys, "models", "import", str(tmp_path), "--as", "domain", "--name", "mine")
    assert result.code == 1
    assert "pip install 'vsr-router[train]'" in result.err
