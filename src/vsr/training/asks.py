"""Rows about what a user asks for: feedback on the answer before, and questions of fact.

Both are made from lists in `prompts/`, English and Chinese in pairs, with openings, endings and slots.
A phrasing is one group, so none stands on both sides of the split. `fact_need` and `no_feedback` label
the rows of other sources where the source alone says it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files

from vsr.training.generate import Pair, read_pairs
from vsr.training.rows import Row

NEEDED, NOT_NEEDED = "FACT_CHECK_NEEDED", "NO_FACT_CHECK_NEEDED"

FACTUAL_EXAMS = ("MMLU", "MMLU-Pro", "M3KE")
FACTUAL_DOMAINS = ("biology", "health", "history", "law", "psychology")
FACTUAL_SOURCES = ("OpenTriviaQA", "MedQuAD", "PubMedQA")
OTHER_SOURCES = (
    "BRIGHT/aops",
    "BRIGHT/leetcode",
    "BRIGHT/theoremqa-questions",
    "CMATH",
    "CSL abstracts + own frames",  # translate, polish, summarise what follows
    "GSM8K",
    "HumanEval",
    "MBPP+",
    "SciBench",
    "TAL-SCQ5K-zh",
    "awesome-chatgpt-prompts",
    "awesome-chatgpt-prompts-zh",
    "counsel-chat",
)
MAY_BE_FEEDBACK = ("CLINC150", "KdConv", "chatterbot-corpus", "OpenAssistant/prompt-lottery")
"""Sources with turns such as "thank you" or "what do you mean" among their prompts."""

PEOPLE: tuple[Pair, ...] = (
    ("Marie Curie", "居里夫人"),
    ("Napoleon", "拿破仑"),
    ("Confucius", "孔子"),
    ("Li Bai", "李白"),
    ("Albert Einstein", "爱因斯坦"),
    ("Ada Lovelace", "阿达·洛芙莱斯"),
    ("Beethoven", "贝多芬"),
    ("Cleopatra", "克利奥帕特拉"),
    ("Lu Xun", "鲁迅"),
    ("Frida Kahlo", "弗里达·卡罗"),
    ("Isaac Newton", "牛顿"),
    ("Genghis Khan", "成吉思汗"),
)
PLACES: tuple[Pair, ...] = (
    ("Paris", "巴黎"),
    ("Japan", "日本"),
    ("Brazil", "巴西"),
    ("Shanghai", "上海"),
    ("Egypt", "埃及"),
    ("Canada", "加拿大"),
    ("Nairobi", "内罗毕"),
    ("Chengdu", "成都"),
    ("Iceland", "冰岛"),
    ("New York", "纽约"),
    ("Vietnam", "越南"),
    ("Istanbul", "伊斯坦布尔"),
)
OPENINGS: dict[str, tuple[Pair, ...]] = {
    "SAT": (
        ("ah, ", "啊，"),
        ("great! ", "太好了！"),
        ("yes, ", "嗯，"),
        ("wow, ", "哇，"),
        ("ok, ", "好，"),
    ),
    "NEED_CLARIFICATION": (
        ("hmm, ", "嗯，"),
        ("wait, ", "等一下，"),
        ("sorry, ", "抱歉，"),
        ("ok but ", "好，但是"),
        ("thanks, but ", "谢谢，不过"),
    ),
    "WRONG_ANSWER": (
        ("no, ", "不，"),
        ("hmm, ", "嗯，"),
        ("sorry but ", "抱歉，"),
        ("wait, ", "等等，"),
        ("thanks, but ", "谢谢，但是"),
    ),
    "WANT_DIFFERENT": (
        ("ok, ", "好的，"),
        ("nice, but ", "不错，不过"),
        ("hmm, ", "嗯，"),
        ("thanks, now ", "谢谢，现在"),
        ("good, but ", "挺好，但"),
    ),
    "NONE": (("hi, ", "你好，"), ("please tell me: ", "请问，"), ("quick question: ", "问一下，")),
}
ENDINGS: dict[str, tuple[Pair, ...]] = {
    "SAT": ((" :)", "～"), ("!!", "！！"), (", you rock", "，你真棒"), (", bye", "，再见")),
    "NEED_CLARIFICATION": ((", please", "，麻烦了"), ("??", "？？"), (", I'm new to this", "，我刚接触")),
    "WRONG_ANSWER": ((", please fix it", "，请改一下"), ("!", "！"), (", look again", "，再看看")),
    "WANT_DIFFERENT": ((", thanks", "，谢谢"), (", please", "，拜托"), (" if possible", "，可以的话")),
    "NONE": ((", thanks", "，谢谢"), (", please", "，拜托了")),
}


def asks(seed: int, per_phrasing: int = 6) -> Iterator[Row]:
    """`per_phrasing` variants of every phrasing and language, feedback first. Some texts are equal."""
    chance = random.Random(seed)
    topics = [topic for _, topic in read_pairs("topics.txt")]
    slots: dict[str, Sequence[Pair]] = {"t": topics, "p": PEOPLE, "c": PLACES}
    for label, pair in labelled("feedback.txt"):
        for number in range(per_phrasing):
            made = _filled(chance, pair, slots)
            if number:
                made = framed(chance, made, OPENINGS[label], ENDINGS[label])
            for row in paired_rows(made, pair, "feedback", label):
                yield replace(row, feedback=label, fact_check=NOT_NEEDED if label == "SAT" else None)
    for label, pair in labelled("facts.txt"):
        for number in range(per_phrasing):
            made = _filled(chance, pair, slots)
            if number:
                made = framed(chance, made, OPENINGS["NONE"], ENDINGS["NONE"])
            for row in paired_rows(made, pair, "asks", label):
                yield replace(row, fact_check=label, feedback=None if "thanks" in pair[0] else "NONE")


def fact_need(source: str, domain: str | None) -> str | None:
    """The fact-check label that a row's source alone settles; None where it is doubtful."""
    if source in FACTUAL_SOURCES or (source in FACTUAL_EXAMS and domain in FACTUAL_DOMAINS):
        return NEEDED
    if source in OTHER_SOURCES or (source in FACTUAL_EXAMS and domain == "math"):
        return NOT_NEEDED
    return None


def no_feedback(source: str, domain: str | None) -> str | None:
    """`NONE` for first questions: rows of a domain, but for sources that hold turns of dialogues."""
    return "NONE" if domain is not None and source not in MAY_BE_FEEDBACK else None


def labelled(name: str) -> Iterator[tuple[str, Pair]]:
    """(label, pair) of every line of a file in `prompts/`; the label is the heading above it."""
    label = ""
    for line in files("vsr.training").joinpath("prompts", name).read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            label = line.strip("[]")
        elif line and not line.startswith("#"):
            english, chinese = line.split(" | ")
            yield label, (english.strip(), chinese.strip())


def paired_rows(made: Pair, phrasing: Pair, task: str, label: str) -> Iterator[Row]:
    """One row a language, in the group of the phrasing."""
    for lang, text in zip(("en", "zh"), made, strict=True):
        yield Row(
            text=text,
            source=f"generated-{task}-{lang}",
            license="own",
            group=f"{task}:{phrasing[0]}",
            lang=lang,
            stratum=f"{task}/{lang}/{label}",
            jailbreak="benign",
            anchor=made[0],
        )


def _filled(chance: random.Random, pair: Pair, slots: Mapping[str, Sequence[Pair]]) -> Pair:
    english, chinese = pair
    for name, values in slots.items():
        value = chance.choice(values)
        english, chinese = english.replace(f"{{{name}}}", value[0]), chinese.replace(f"{{{name}}}", value[1])
    year, number = chance.randrange(1800, 2020), chance.randrange(2, 9)
    numbers = {"y": year, "z": year + chance.choice((-2, -1, 1, 3)), "n": number, "m": number + 3}
    for name, of_it in numbers.items():
        english, chinese = (
            english.replace(f"{{{name}}}", str(of_it)),
            chinese.replace(f"{{{name}}}", str(of_it)),
        )
    return english, chinese


def framed(chance: random.Random, pair: Pair, openings: tuple[Pair, ...], endings: tuple[Pair, ...]) -> Pair:
    """With an opening, an ending, a capital or without its last mark, as people type."""
    english, chinese = pair
    if chance.random() < 0.45:
        opening = chance.choice(openings)
        english, chinese = opening[0] + english, opening[1] + chinese
    if chance.random() < 0.35:
        ending = chance.choice(endings)
        english, chinese = english.rstrip("?.!") + ending[0], chinese.rstrip("？。！") + ending[1]
    elif chance.random() < 0.5:
        english, chinese = english.rstrip("?.!"), chinese.rstrip("？。！")
    if chance.random() < 0.5:
        english = english[:1].upper() + english[1:]
    return english or pair[0], chinese or pair[1]
