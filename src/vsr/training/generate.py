"""Natural prompts of the 14 domains in English and Chinese, made from lists, with a seed.

Permissively licensed natural prompts are rare, in Chinese above all. `prompts/` holds topics, frames
around a topic, and whole sentences, each as an English-Chinese pair. A pair has one meaning, so the
Chinese side also learns to lie where the base model puts the English one (`Row.anchor`).
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from importlib.resources import files

from vsr.training.labels import DOMAINS
from vsr.training.rows import Row

Pair = tuple[str, str]

OPENINGS: tuple[Pair, ...] = (
    ("Hi, ", "你好，"),
    ("Please ", "请"),
    ("Quick question: ", "请问"),
    ("I was wondering: ", "我想问一下，"),
    ("Hey, ", "嗨，"),
    ("Sorry to bother you. ", "麻烦问一下，"),
    ("For a school project: ", "写作业用，"),
    ("Can you help? ", "帮个忙，"),
)
ENDINGS: tuple[Pair, ...] = (
    (" Thanks!", "谢谢！"),
    (" Keep it short.", "简短一点。"),
    (" Explain step by step.", "请一步一步说明。"),
    (" please", "，拜托了"),
    (" I need it today.", "今天就要。"),
    (" Use simple language.", "用简单的话说。"),
)


def read_pairs(name: str) -> Iterator[tuple[tuple[str, ...], Pair]]:
    """(sections, (english, chinese)) of every line of a file in `prompts/`."""
    sections: tuple[str, ...] = ()
    text = files("vsr.training").joinpath("prompts", name).read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.startswith("["):
            sections = _sections(line)
        elif line and not line.startswith("#"):
            english, chinese = line.split(" | ")
            yield sections, (english.strip(), chinese.strip())


def generated(seed: int, per_topic: int = 10) -> Iterator[Row]:
    """`per_topic` prompts for every topic and language, and every whole sentence a few times."""
    chance = random.Random(seed)
    frames = list(read_pairs("frames.txt"))
    for (domain,), topic in read_pairs("topics.txt"):
        general = [frame for suits, frame in frames if "any" in suits]
        special = [frame for suits, frame in frames if domain in suits]
        # even chances for the few frames of the domain's own and the many general ones
        for number in range(per_topic):
            frame = chance.choice(special if special and number % 2 else general)
            pair = (frame[0].replace("{t}", topic[0]), frame[1].replace("{t}", topic[1]))
            yield from _rows(chance, domain, pair, "topic", topic[0])
    for (domain,), pair in read_pairs("sentences.txt"):
        for _ in range(4):
            yield from _rows(chance, domain, pair, "sentence", pair[0])


def frame_pairs() -> list[Pair]:
    """The frames that suit any topic."""
    return [pair for suits, pair in read_pairs("frames.txt") if "any" in suits]


def _rows(chance: random.Random, domain: str, pair: Pair, kind: str, group: str) -> Iterator[Row]:
    english, chinese = _varied(chance, pair)
    for lang, text in (("en", english), ("zh", chinese)):
        yield Row(
            text=text,
            source=f"generated-{kind}-{lang}",
            license="own",
            group=f"{kind}:{group}",
            lang=lang,
            stratum=f"generated/{kind}/{lang}/{domain}",
            domain=domain,
            jailbreak="benign",
            anchor=english,
        )


def _varied(chance: random.Random, pair: Pair) -> Pair:
    """The pair with an opening, an ending or without its last mark, as people type."""
    english, chinese = pair
    if chance.random() < 0.25:
        opening = chance.choice(OPENINGS)
        english, chinese = opening[0] + english, opening[1] + chinese
    if chance.random() < 0.2:
        ending = chance.choice(ENDINGS)
        dot, comma = ("", "") if re.search(r"[。？！?!.]$", chinese) else (".", "，")
        english += (dot if ending[0].strip()[0].isupper() else "") + ending[0]
        chinese += comma + ending[1].lstrip("，")
    elif chance.random() < 0.4:
        english, chinese = english.rstrip("?.!"), chinese.rstrip("？。！")
    return english, chinese


def _sections(line: str) -> tuple[str, ...]:
    """`[computer science math]` names domains; one of them has a blank inside."""
    inside = line.strip("[] ")
    known = [domain for domain in DOMAINS if re.search(rf"\b{domain}\b", inside)]
    return tuple(known) or ("any",)
