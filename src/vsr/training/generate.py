"""Natural prompts of the 14 domains in English and Chinese, made from lists, with a seed.

Permissively licensed natural prompts are rare, in Chinese above all. `prompts/` holds topics, frames
around a topic, whole sentences, and questions with what people write around them, each as an
English-Chinese pair. A pair has one meaning, so the
Chinese side also learns to lie where the base model puts the English one (`Row.anchor`).
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from functools import cache
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
    """`per_topic` prompts for every topic and language, every sentence a few times, and long prompts."""
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
    yield from _questions(chance)


def _questions(chance: random.Random) -> Iterator[Row]:
    """Every question a few times alone, and with its neighbour inside a long prompt.

    Neighbours are one group, so that no question stands on both sides of a split.
    """
    questions = list(read_pairs("questions.txt"))
    for first, second in zip(questions[::2], questions[1::2], strict=True):
        (domain,), pair = first
        _, other = second
        for _ in range(4):
            yield from _rows(chance, domain, pair, "question", pair[0])
            yield from _rows(chance, domain, other, "question", pair[0])
        for _ in range(3):
            yield from _row_pair(domain, _long(chance, pair, other), "long", pair[0])
            yield from _row_pair(domain, _long(chance, other, pair), "long", pair[0])


def _long(chance: random.Random, first: Pair, second: Pair) -> Pair:
    """Two questions with what people write before, between and after them."""
    before, between, after = (chance.choice(around(part)) for part in ("before", "between", "after"))
    parts = [before, first, between, second, after]
    if chance.random() < 0.3:
        parts.pop(0)
    english = " ".join(_ended(part[0], ".") for part in parts)
    return english, "".join(_ended(part[1], "。") for part in parts)


def _ended(text: str, mark: str) -> str:
    return text if text[-1] in ".!?:)。！？：）" else text + mark


@cache
def around(part: str) -> tuple[Pair, ...]:
    """What people write before, between or after their questions."""
    return tuple(pair for sections, pair in read_pairs("around.txt") if part in sections)


def frame_pairs() -> list[Pair]:
    """The frames that suit any topic."""
    return [pair for suits, pair in read_pairs("frames.txt") if "any" in suits]


def _rows(chance: random.Random, domain: str, pair: Pair, kind: str, group: str) -> Iterator[Row]:
    yield from _row_pair(domain, _varied(chance, pair), kind, group)


def _row_pair(domain: str, pair: Pair, kind: str, group: str) -> Iterator[Row]:
    english, chinese = pair
    # a long prompt is read as far as natural ones are, not cut off like a short generated one
    task = "natural" if kind == "long" else "generated"
    for lang, text in (("en", english), ("zh", chinese)):
        yield Row(
            text=text,
            source=f"generated-{kind}-{lang}",
            license="own",
            group=f"{'question' if kind == 'long' else kind}:{group}",
            lang=lang,
            stratum=f"{task}/{kind}/{lang}/{domain}",
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
    """`[computer science math]` names domains; one of them has a blank inside. Or a part of a prompt."""
    inside = line.strip("[] ")
    if inside in ("before", "between", "after"):
        return (inside,)
    known = [domain for domain in DOMAINS if re.search(rf"\b{domain}\b", inside)]
    return tuple(known) or ("any",)
