"""What is written is what the server reads: manifest, vocabulary, hashes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from vsr.encoder.manifest import parse_manifest
from vsr.training.bundle import (
    GOLDEN,
    HASHED,
    Calibration,
    OperatingPoint,
    Output,
    sha256,
    softmax,
    write_manifest,
)
from vsr.training.labels import DOMAINS, FACT_CHECK, FEEDBACK, TAGS
from vsr.training.vocabulary import extend_tokenizer, new_characters, vocabulary_of


def output(tokens: int = 3) -> Output:
    pii = np.zeros((tokens, len(TAGS)), np.float32)
    pii[:, TAGS.index("B-PERSON")] = 1.0
    unit = np.zeros(384, np.float32)
    unit[0] = 1.0
    asks = {"fact_check": np.array([0, 2], np.float32), "feedback": np.zeros(len(FEEDBACK), np.float32)}
    return Output(np.arange(len(DOMAINS), dtype=np.float32), np.zeros(2, np.float32), pii, unit, asks)


def written(folder: Path, calibration: Calibration) -> Path:
    for name in HASHED:
        (folder / name).write_bytes(name.encode())
    write_manifest(folder, "2026.1.1", "openvino-int8", calibration, [output() for _ in GOLDEN])
    return folder / "vsr.json"


def test_the_server_reads_the_manifest_that_training_writes(tmp_path: Path) -> None:
    points = (OperatingPoint("any", 1, 0.8, 0.01), OperatingPoint("any", None, 0.9, 0.01))
    calibration = Calibration(1.5, 1.2, 1.1, points, {"PERSON": 0.6})
    manifest = parse_manifest(written(tmp_path, calibration).read_bytes())
    assert manifest.heads.domain.labels == DOMAINS
    assert manifest.heads.jailbreak.operating_points[0].threshold == 0.8
    assert manifest.heads.pii.thresholds == {"PERSON": 0.6}
    assert manifest.heads.pii.labels == TAGS
    assert {name: head.labels for name, head in manifest.heads.asks.items()} == {
        "fact_check": FACT_CHECK,
        "feedback": FEEDBACK,
    }


def test_golden_outputs_are_calibrated(tmp_path: Path) -> None:
    path = written(tmp_path, Calibration(domain_temperature=2.0))
    golden = json.loads(path.read_text(encoding="utf-8"))["golden"][0]
    assert np.allclose(golden["domain"], softmax(output().domain, 2.0), atol=1e-4)
    assert golden["pii"] == ["B-PERSON"] * 3
    assert golden["fact_check"] == pytest.approx([0.1192, 0.8808], abs=1e-4)


def test_every_file_is_hashed_with_its_content(tmp_path: Path) -> None:
    path = written(tmp_path, Calibration())
    hashes = json.loads(path.read_text(encoding="utf-8"))["files"]
    assert hashes == {name: f"sha256:{sha256(tmp_path / name)}" for name in HASHED}


def test_new_characters_are_ordinary_entries_and_others_keep_their_ids(tmp_path: Path) -> None:
    base = Tokenizer(WordPiece({"[UNK]": 0, "a": 1, "中": 2}, unk_token="[UNK]"))
    base.normalizer = BertNormalizer()
    base.pre_tokenizer = BertPreTokenizer()
    base.enable_truncation(2)
    base.save(str(tmp_path / "base.json"))
    known = vocabulary_of(tmp_path / "base.json")
    characters = new_characters(["微积分 微积分", "中 a 龘"], known)
    assert characters == sorted("微积分")
    assert extend_tokenizer(tmp_path / "base.json", characters, tmp_path / "new.json") == 6
    extended = Tokenizer.from_file(str(tmp_path / "new.json"))
    assert extended.encode("a中微积分").tokens == ["a", "中", "微", "积", "分"]
    assert {token: i for token, i in extended.get_vocab().items() if token in known} == known
