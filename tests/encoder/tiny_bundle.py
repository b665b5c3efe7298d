"""A bundle of a few kilobytes, and a backend whose answers are known, for tests of the runtime.

The words below are the whole vocabulary. `MarkBackend` knows what each means: `john`, `smith` and 张三
are persons, `attack` and `bypass` together in one window are a jailbreak, `algebra` is mathematics and asks
for facts, `other` asks for something different.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops
from pydantic import TypeAdapter
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from vsr.content import Content
from vsr.encoder.backend import Floats, HeadOutputs, Ids
from vsr.encoder.bundle import Bundle, load_bundle
from vsr.encoder.golden import observe
from vsr.encoder.heads import HeadReader, softmax
from vsr.encoder.manifest import Heads
from vsr.encoder.openvino import OpenVINOBackend
from vsr.encoder.tokens import TextTokenizer
from vsr.encoder.wide import BUCKETS, hashed
from vsr.facts import Passage, Role

WORDS = (
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "a", "word", "other", "attack", "bypass", "algebra", "poem",
    "john", "##ny", "smith", "mary", "张", "三", "和", "李", "secret", "555", "0132", "0", "1", "2", "3", "4",
    "5", "6", "7", "8", "9", ".", ",", "-", "(", ")", "@", "!", "?", "。",
)  # fmt: skip
DOMAINS = ("math", "other")
TYPES = ("PASSWORD", "PERSON", "PHONE_NUMBER")
TAGS = ("O", *(f"{prefix}-{kind}" for kind in TYPES for prefix in ("B", "I")))
DIMENSION = 4
FACT_CHECK = ("NO_FACT_CHECK_NEEDED", "FACT_CHECK_NEEDED")
FEEDBACK = ("NONE", "SAT", "NEED_CLARIFICATION", "WRONG_ANSWER", "WANT_DIFFERENT")
TOKENS, STRIDE = 14, 10

PERSON_BEGINS, PERSON_INSIDE = ("john", "mary", "张", "李"), ("##ny", "smith", "三")
SURE = 10.0


def token(word: str) -> int:
    return WORDS.index(word)


def passage(text: str, role: Role = "user") -> Passage:
    return Passage(role, Content(text), ())


class MarkBackend:
    """Answers by the words it sees. `calls` holds the shape of each batch. Closing `gate` holds the
    next batch up, `entered` is set when one arrived; `failing` makes it raise."""

    def __init__(self, lanes: int = 1) -> None:
        self.lanes = lanes
        self.calls: list[tuple[int, int]] = []
        self.lengths: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.failing = False

    def sizes(self, width: int) -> tuple[int, ...]:
        return (1, 2, 4, 8)

    def warm_up(self, rows: int, width: int) -> None:
        pass

    def infer(self, ids: Ids, mask: Ids, lane: int = 0) -> HeadOutputs:
        self.calls.append((ids.shape[0], ids.shape[1]))
        self.lengths.append(mask.sum(axis=1).tolist())
        self.entered.set()
        assert self.gate.wait(30)
        if self.failing:
            raise RuntimeError("the engine quotes a secret")
        jailbreak = _holds(ids, "attack") & _holds(ids, "bypass")
        math = _holds(ids, "algebra")
        return outputs(
            domain=_two(math),
            jailbreak=_two(~jailbreak),
            pii=_pii(ids),
            embedding=np.eye(DIMENSION, dtype=np.float32)[math.astype(np.int64)],
            asks={"fact_check": _two(~math), "feedback": _feedback(_holds(ids, "other"))},
        )


def outputs(
    *, domain: Floats, jailbreak: Floats, pii: Floats, embedding: Floats, asks: Mapping[str, Floats]
) -> HeadOutputs:
    """With what a backend says of the tokens, from the logits of the PII head."""
    tags = softmax(pii, 1.0)
    begin, inside = tags[:, :, 1::2], tags[:, :, 2::2]
    types = (begin + inside).argmax(axis=2)
    chosen = types[:, :, None]
    return HeadOutputs(
        domain=domain,
        jailbreak=jailbreak,
        pii=pii,
        types=types.astype(np.uint8),
        probabilities=np.take_along_axis(begin + inside, chosen, axis=2)[:, :, 0],
        begins=np.take_along_axis(begin >= inside, chosen, axis=2)[:, :, 0],
        embedding=embedding,
        asks=asks,
    )


def write_bundle(
    path: Path, *, golden_texts: Sequence[str] = ("the algebra word", "john smith"), asks: bool = True
) -> Path:
    """A complete bundle with a random graph; golden outputs are those of this machine. asks: with the heads
    that older bundles lack."""
    path.mkdir(parents=True, exist_ok=True)
    tokenizer_file().save(str(path / "tokenizer.json"))
    ov.save_model(_graph(asks), path / "openvino_model.xml", compress_to_fp16=False)
    document = manifest(path, asks)
    heads = TypeAdapter(Heads).validate_python(document["heads"])
    write_manifest(path, {**document, "golden": _goldens(path, heads, golden_texts)})
    return path


def write_wide(
    path: Path,
    risky: Mapping[str, int],
    mathematical: Mapping[str, int] | None = None,
    domains: int = len(DOMAINS),
) -> Path:
    """Weights of single words: what they add to the risk, and to mathematics against everything else."""
    domain, jailbreak = np.zeros((BUCKETS, domains), np.int8), np.zeros((BUCKETS, 1), np.int8)
    for word, weight in risky.items():
        jailbreak[_bucket(word)] = weight
    for word, weight in (mathematical or {}).items():
        domain[_bucket(word)] = -weight
        domain[_bucket(word), DOMAINS.index("math")] = weight
    arrays: dict[str, Any] = {"domain.table": domain, "jailbreak.table": jailbreak}
    for head, columns in (("domain", domains), ("jailbreak", 1)):
        arrays |= {
            f"{head}.scale": np.ones(columns, np.float32),
            f"{head}.bias": np.zeros(columns, np.float32),
        }
    np.savez(path, **arrays)
    return path


def _bucket(word: str) -> int:
    alone = np.array([[token(word)]])
    return int(hashed(alone, np.ones_like(alone))[0, 0])


def tiny_bundle(path: Path) -> Bundle:
    return load_bundle(write_bundle(path))


def write_manifest(path: Path, document: dict[str, Any]) -> None:
    (path / "vsr.json").write_text(json.dumps(document), encoding="utf-8")


def read_manifest(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((path / "vsr.json").read_text(encoding="utf-8"))
    return document


def manifest(path: Path, asks: bool = True) -> dict[str, Any]:
    files = ("openvino_model.xml", "openvino_model.bin", "tokenizer.json")
    return {
        "format": 1,
        "name": "tiny",
        "version": "1",
        "base_model": "none",
        "license": "Apache-2.0",
        "engine": "openvino-int8",
        "windows": {"tokens": TOKENS, "stride": STRIDE},
        "heads": {
            "domain": {"kind": "sequence", "labels": list(DOMAINS), "temperature": 1.0},
            "jailbreak": {
                "kind": "sequence",
                "labels": ["benign", "jailbreak"],
                "positive": "jailbreak",
                "temperature": 2.0,
                "operating_points": [
                    {"role": "any", "max_windows": 1, "threshold": 0.5, "fpr": 0.01},
                    {"role": "any", "max_windows": 8, "threshold": 0.6, "fpr": 0.01},
                    {"role": "any", "max_windows": None, "threshold": 0.7, "fpr": 0.01},
                    {"role": "system", "max_windows": 2, "threshold": 0.9, "fpr": 0.01},
                ],
            },
            "pii": {
                "kind": "token",
                "labels": list(TAGS),
                "temperature": 1.0,
                "thresholds": {"PERSON": 0.6},
            },
            "embedding": {"kind": "embedding", "dimension": DIMENSION},
            **(_ask_heads() if asks else {}),
        },
        "files": {name: "sha256:" + hashlib.sha256((path / name).read_bytes()).hexdigest() for name in files},
        "golden": [],
        "golden_tolerance": {"probability": 0.02, "embedding_cosine": 0.999},
    }


def _ask_heads() -> dict[str, Any]:
    sequence = {"kind": "sequence", "temperature": 1.0}
    return {
        "fact_check": {**sequence, "labels": list(FACT_CHECK), "positive": FACT_CHECK[1]},
        "feedback": {**sequence, "labels": list(FEEDBACK), "negative": "NONE", "threshold": 0.7},
    }


def tokenizer_file() -> Tokenizer:
    tokenizer = Tokenizer(
        models.WordPiece({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def _goldens(path: Path, heads: Heads, texts: Iterable[str]) -> list[dict[str, Any]]:
    tokenizer = TextTokenizer(path / "tokenizer.json")
    backend = OpenVINOBackend(path / "openvino_model.xml", 32, heads)
    reader = HeadReader(heads)
    goldens = []
    for text in texts:
        ids = tokenizer.encode(text).ids
        seen = observe([ids], tokenizer, backend, reader)[0]
        goldens.append(
            {
                "text": text,
                "domain": seen.domain.tolist(),
                "jailbreak": seen.risk,
                "embedding": seen.embedding.tolist(),
                "pii": [TAGS[number] for number in seen.tags.argmax(axis=1)],
                **{name: values.tolist() for name, values in seen.asks.items()},
            }
        )
    return goldens


def _graph(asks: bool) -> ov.Model:
    """Every head looks each token up in a random table; sequence heads take the mean over the mask."""
    numbers = np.random.default_rng(1)
    ids = ops.parameter([-1, -1], np.int64, name="input_ids")
    mask = ops.parameter([-1, -1], np.int64, name="attention_mask")
    weights = ops.unsqueeze(ops.convert(mask, "f32"), 2)
    total = ops.reduce_sum(weights, 1, False)

    def per_token(width: int) -> ov.Node:
        table = numbers.normal(size=(len(WORDS), width)).astype(np.float32)
        return ops.gather(ops.constant(table), ids, ops.constant(0))

    def pooled(width: int) -> ov.Node:
        return ops.divide(ops.reduce_sum(ops.multiply(per_token(width), weights), 1, False), total)

    heads = {
        "domain": pooled(len(DOMAINS)),
        "jailbreak": pooled(2),
        "pii": per_token(len(TAGS)),
        "embedding": ops.normalize_l2(pooled(DIMENSION), ops.constant([1]), 1e-9, "add"),
    }
    if asks:
        heads |= {"fact_check": pooled(len(FACT_CHECK)), "feedback": pooled(len(FEEDBACK))}
    results = []
    for name, node in heads.items():
        node.output(0).get_tensor().set_names({name})
        results.append(ops.result(node))
    for name, node in (("input_ids", ids), ("attention_mask", mask)):
        node.output(0).get_tensor().set_names({name})
    return ov.Model(results, [ids, mask], "tiny")


def _holds(ids: Ids, word: str) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.any(ids == token(word), axis=1)
    return found


def _two(first: NDArray[np.bool_]) -> Floats:
    """Logits of two classes, sure of the first where it holds."""
    return np.where(first[:, None], [[SURE, 0.0]], [[0.0, SURE]]).astype(np.float32)


def _feedback(different: NDArray[np.bool_]) -> Floats:
    classes = np.where(different, FEEDBACK.index("WANT_DIFFERENT"), FEEDBACK.index("NONE"))
    return np.eye(len(FEEDBACK), dtype=np.float32)[classes] * np.float32(SURE)


def _pii(ids: Ids) -> Floats:
    meanings = {"secret": "B-PASSWORD", "!": "I-PASSWORD", "555": "B-PHONE_NUMBER", "0132": "I-PHONE_NUMBER"}
    meanings |= dict.fromkeys(PERSON_BEGINS, "B-PERSON") | dict.fromkeys(PERSON_INSIDE, "I-PERSON")
    tags = np.zeros(len(WORDS), dtype=np.int64)
    for word, tag in meanings.items():
        tags[token(word)] = TAGS.index(tag)
    return np.eye(len(TAGS), dtype=np.float32)[tags[ids]] * np.float32(SURE)
