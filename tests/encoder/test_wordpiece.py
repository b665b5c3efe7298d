from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from vsr.encoder.bundle import TOKENIZER, default_bundle_path
from vsr.encoder.wordpiece import LONGEST, PlainWordPiece, plain_wordpiece

FILE = default_bundle_path() / TOKENIZER
SIGNS = (
    "abcXYZ0189 .,;:[]()_-'\"`~^|\\/@#$%&*+=<>?!{}"
    "\t\n\r中文字，。！？；：、“”‘’（）《》【】…é\u0301\u200b\xa0\x01～"
)
TEXTS = (
    "",
    " \n\t ",
    "What's the derivative of x^2? (Tokenization, naïve!)",
    "What's the derivative of x^2? (Tokenization, uncharacteristically unwieldy!)",
    "帮我解这道微积分题：∫x²dx",
    "请帮我解这道微积分题，谢谢！ab中c",
    "john.doe@example.com, +1 (415) 555-0132 zzqxj 0xDEADBEEF",
    "[SEP] and [MASK] are no more special than [this]",
    "a" * 100,
    "a" * 101,
    "the " * 700,
)


@pytest.fixture(scope="module")
def library() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(FILE))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    return tokenizer


@pytest.fixture(scope="module")
def plain() -> PlainWordPiece:
    made = plain_wordpiece(FILE)
    assert made is not None
    return made


def scrambled(count: int) -> list[str]:
    chance = random.Random(7)
    return ["".join(chance.choices(SIGNS, k=chance.randint(1, 40))) for _ in range(count)]


def test_tokens_are_the_librarys_wherever_it_does_not_decline(
    library: Tokenizer, plain: PlainWordPiece
) -> None:
    taken = 0
    for text in (*TEXTS, *scrambled(3000)):
        found = plain.encode(text)
        if found is None:
            continue
        taken += 1
        expected = library.encode(text, add_special_tokens=False)
        numbers = expected.word_ids
        assert found.ids == expected.ids, text
        assert list(zip(found.starts, found.ends, strict=True)) == expected.offsets, text
        assert found.words == [i == 0 or numbers[i] != numbers[i - 1] for i in range(len(numbers))], text
    assert taken > 500


@pytest.mark.parametrize("text", ["naïve", "a\x00b", "½", "q" * (LONGEST + 1)])
def test_what_needs_more_than_lower_letters_is_declined(plain: PlainWordPiece, text: str) -> None:
    assert plain.encode(text) is None


def test_chinese_and_its_punctuation_are_not_declined(plain: PlainWordPiece) -> None:
    assert plain.encode("你好，世界！What is 3+4？") is not None


@pytest.mark.parametrize(
    ("part", "spoilt"),
    [
        ("normalizer", {"type": "BertNormalizer", "lowercase": False}),
        ("pre_tokenizer", {"type": "Whitespace"}),
        ("model", {"type": "BPE", "vocab": {}}),
    ],
)
def test_other_tokenizers_are_left_to_the_library(tmp_path: Path, part: str, spoilt: object) -> None:
    document = json.loads(FILE.read_text(encoding="utf-8"))
    document[part] = spoilt
    (tmp_path / TOKENIZER).write_text(json.dumps(document), encoding="utf-8")
    assert plain_wordpiece(tmp_path / TOKENIZER) is None
