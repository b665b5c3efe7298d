"""Small tokenizers whose words are not BERT's: cut at blanks only, not at all, or with the blank before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from vsr.encoder.tokens import TextTokenizer

SPECIALS = ("<s>", "</s>", "<pad>")
KINDS = ("xlm-r", "deberta-v3", "gemma", "roberta", "modernbert")


def coarse_tokenizer(kind: str, path: Path) -> TextTokenizer:
    """Built of the same parts as those of the models of this kind; the file goes to `path`."""
    made = _byte_level(kind) if kind in ("roberta", "modernbert") else _sentence_pieces(kind)
    made.save(str(path))
    return TextTokenizer(path, SPECIALS)


def _sentence_pieces(kind: str) -> Tokenizer:
    pieces = dict.fromkeys((*SPECIALS, "<unk>"), 0.0)
    pieces |= dict.fromkeys("▁0123458johnmary我叫张三，电话是.", -5.0)
    pieces |= dict.fromkeys(("▁john", "▁mary", "▁▁", "138", "00"), -1.0)
    made = Tokenizer(models.Unigram(list(pieces.items()), unk_id=3))
    if kind == "gemma":
        made.normalizer = normalizers.Replace(" ", "▁")
    blanks: list[Any] = [pre_tokenizers.WhitespaceSplit()] if kind == "xlm-r" else []
    if kind != "gemma":
        made.pre_tokenizer = pre_tokenizers.Sequence([*blanks, pre_tokenizers.Metaspace()])
    return made


def _byte_level(kind: str) -> Tokenizer:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if kind == "roberta":
        made.post_processor = processors.ByteLevel(trim_offsets=True)
    trainer = trainers.BpeTrainer(
        vocab_size=280,
        show_progress=False,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    made.train_from_iterator(["john mary john mary 138 00"] * 9, trainer)
    return made
