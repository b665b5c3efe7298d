"""Ways to write the same text differently: how people type, and how people hide what they type.

Each takes a source of chance and a text. What the text means is not looked at, so attacks and harmless
texts are disguised alike and no disguise gives a label away.
"""

from __future__ import annotations

import base64
import codecs
import random
import re
import string
from collections.abc import Callable

Disguise = Callable[[random.Random, str], str]

LOOKALIKES = str.maketrans("aeopcxyiAEOPCXTHB", "аеорсхуіАЕОРСХТНВ")
LEET = str.maketrans("aeiostAEIOST", "431057431057")
LONGEST_SPACED = 200
"""A longer text would fill many windows if every letter became a token."""
INVISIBLE = ("\u200b", "\u200c", "\u2060", "\u00ad")


def _typos(chance: random.Random, text: str) -> str:
    """One word in six has two letters swapped, one lost or one doubled."""

    def spoilt(word: re.Match[str]) -> str:
        letters = word.group()
        if chance.random() > 1 / 6:
            return letters
        at = chance.randrange(len(letters) - 1)
        pair = letters[at : at + 2]
        return letters[:at] + chance.choice((pair[::-1], pair[0], pair[0] + pair)) + letters[at + 2 :]

    return re.sub(r"[^\W\d_]{4,}", spoilt, text)


def _unmarked(_: random.Random, text: str) -> str:
    return re.sub(r"[.,!?;:。，！？；：、]+", "", text)


def _blanks_for_marks(_: random.Random, text: str) -> str:
    return re.sub(r"[.,!?;:。，！？；：、]+ ?", " ", text).strip()


def _spaced(_: random.Random, text: str) -> str:
    if len(text) > LONGEST_SPACED:
        return text
    return " ".join(text.replace(" ", "  "))


def _invisible(chance: random.Random, text: str) -> str:
    if len(text) > LONGEST_SPACED:
        return text
    mark = chance.choice(INVISIBLE)
    return "".join(c + mark if c.isalpha() and chance.random() < 0.25 else c for c in text)


def _lookalikes(chance: random.Random, text: str) -> str:
    return "".join(c.translate(LOOKALIKES) if chance.random() < 0.4 else c for c in text)


def _leet(chance: random.Random, text: str) -> str:
    return "".join(c.translate(LEET) if chance.random() < 0.6 else c for c in text)


def _mixed_case(chance: random.Random, text: str) -> str:
    return "".join(chance.choice((c.upper(), c.lower())) for c in text)


def _joined_by(chance: random.Random, text: str) -> str:
    return text.replace(" ", chance.choice(("_", ".", "-", "  ", "\n")))


def _wide(_: random.Random, text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def _shouted_word(chance: random.Random, text: str) -> str:
    word = chance.choice(text.split() or [text])
    return text.replace(word, chance.choice((word.upper(), f"**{word}**", f"{word}!!!", f'"{word}"')), 1)


DISGUISES: tuple[Disguise, ...] = (
    _typos,
    _typos,
    _unmarked,
    _blanks_for_marks,
    _spaced,
    _invisible,
    _lookalikes,
    _leet,
    _mixed_case,
    _joined_by,
    _wide,
    _shouted_word,
    lambda _, text: text.upper(),
    lambda _, text: text.lower(),
    lambda _, text: text.lower().rstrip("。.!！"),
)

CODES: dict[str, Callable[[str], str]] = {
    "b64": lambda text: base64.b64encode(text.encode()).decode(),
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "hex": lambda text: text.encode().hex(),
    "reversed": lambda text: text[::-1],
    "leet": lambda text: text.translate(LEET),
    "spelt": lambda text: "-".join(text),
    "split": lambda text: " + ".join(f'"{part}"' for part in re.findall(r".{1,7}", text)),
    "upper": lambda text: text.upper(),
}


def disguised(chance: random.Random, text: str) -> str:
    return chance.choice(DISGUISES)(chance, text)


def noise(chance: random.Random) -> str:
    """What machines and cats leave in prompts: hashes, identifiers, keys hit at random."""
    letters = string.ascii_lowercase + string.digits
    return chance.choice(
        (
            f"{chance.getrandbits(128):032x}",
            f"0x{chance.getrandbits(32):08X}",
            "".join(chance.choices("asdfghjkl", k=chance.randrange(6, 24))),
            " ".join("".join(chance.choices(letters, k=chance.randrange(2, 8))) for _ in range(6)),
            f"[{chance.randrange(99)}]({chance.choice(letters)}::{chance.choice(letters)})*/?^\\w+$",
            f"ERR_{chance.randrange(9999)}: {chance.choice(letters)}.ts:{chance.randrange(999)}",
        )
    )
