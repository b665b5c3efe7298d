"""Attacks on a model's instructions and their harmless twins, made from hand-written parts with a seed.

`prompts/attacks_LANG.txt` holds templates in sections, `attacks_any.txt` those of every language:
`[+ family]` attacks, `[- kind]` harmless texts that look like them, `[= name]` what fills a slot; `doc`
slots are documents with a hole `@@`. In a line `{a|b}` is a choice, `{name}` a slot, `{b64 name}` a slot
in code, `⟪ ⟫` are braces and `\\n` ends a line. Both labels stand in the same documents, beside the same
questions and under the same disguises. A template is a group. Requests that are harmful and nothing
else are no attack on instructions, and no row is one.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from vsr.training.disguises import CODES, disguised, noise
from vsr.training.generate import frame_pairs, read_pairs
from vsr.training.rows import Row

SHARES = {"en": 43, "zh": 34, "de": 8, "es": 5, "fr": 5, "pt": 2, "ru": 1.5, "ja": 1.5}
"""Rows in a hundred by language."""

ROWS = 18_000
DISGUISED = 0.13
TRIES = 8
"""So often a template is filled anew before it is given up as too long or as seen."""
INDIRECT = "indirect"
"""The section, of either label, whose lines stand inside documents."""
WHOLE = ("system_prompt", "markup", "manyshot", "trigger_markup", "trigger_shots")
"""Sections whose lines bring their own surroundings."""

ENDS = (("", "", ".", "!", "?"), ("", "", "。", "！", "？"))
"""Marks at the end of a text, without and with Chinese or Japanese characters."""

SHAPES = {"alone": 40, "after": 16, "before": 9, "paragraph": 14, "above": 4, "padded": 17}
"""Where a line stands: with a question before or after it, a paragraph, or a few words."""


@dataclass(frozen=True, slots=True)
class Template:
    """line: not yet filled. section: the family or the kind. name: the group."""

    line: str
    section: str
    name: str


@dataclass(frozen=True, slots=True)
class Book:
    """The parts of one language. templates: by label."""

    lang: str
    templates: dict[str, tuple[Template, ...]]
    slots: dict[str, tuple[str, ...]]

    def filled(self, chance: random.Random, line: str) -> str:
        """`line` with every choice made and every slot filled, from the inside out."""
        while hole := re.search(r"\{([^{}]*)\}", line):
            line = line[: hole.start()] + self._part(chance, hole.group(1)) + line[hole.end() :]
        return line.replace("⟪", "{").replace("⟫", "}").replace("\\n", "\n")

    def _part(self, chance: random.Random, inside: str) -> str:
        if "|" in inside:
            return chance.choice(inside.split("|"))
        code, _, name = inside.rpartition(" ")
        if code:
            return CODES[code](self.filled(chance, f"{{{name}}}"))
        if inside == "noise":
            return noise(chance).replace("{", "").replace("}", "")
        if inside == "number":
            return str(chance.randrange(2, 3000))
        if inside == "soup":
            return " ".join(chance.choices(self.slots["scrap"], k=chance.randrange(8, 22)))
        if inside == "paragraph":
            return self._paragraph(chance)
        if inside == "ask" and self.lang in ("en", "zh") and chance.random() < 0.7:
            return _question(chance, self.lang)
        return chance.choice(self.slots[inside])

    def _paragraph(self, chance: random.Random) -> str:
        """Two to five sentences of one paragraph, in their order."""
        sentences = re.findall(r".+?[.。!?！？](?:\s|$)?", chance.choice(self.slots["prose"]))
        count = min(len(sentences), chance.randrange(2, 6))
        start = chance.randrange(len(sentences) - count + 1)
        return "".join(sentences[start : start + count]).strip()


def attacks(seed: int, count: int = ROWS) -> Iterator[Row]:
    """About `count` rows, half of them attacks, in the languages of SHARES; no text twice."""
    for lang, share in SHARES.items():
        for label in ("jailbreak", "benign"):
            chance = random.Random(f"{seed} {lang} {label}")
            yield from _rows(chance, book(lang), label, round(count * share / 200))


def _rows(chance: random.Random, parts: Book, label: str, count: int) -> Iterator[Row]:
    sections: dict[str, list[Template]] = defaultdict(list)
    for template in parts.templates[label]:
        sections[template.section].append(template)
    weights = [len(templates) ** 0.5 for templates in sections.values()]
    seen: set[str] = set()
    for _ in range(count):
        template = chance.choice(chance.choices(list(sections.values()), weights)[0])
        text, kind = _placed(chance, parts, template)
        for _ in range(TRIES):
            if text not in seen and _fits(text, kind):
                break
            text, kind = _placed(chance, parts, template)
        else:
            continue
        seen.add(text)
        yield Row(
            text=text,
            source=f"generated-attack-{parts.lang}",
            license="own",
            group=f"attack:{template.name}",
            lang=parts.lang,
            stratum=f"{label}/generated-{kind}/{_common(parts.lang)}",
            jailbreak=label,
        )


def _placed(chance: random.Random, parts: Book, template: Template) -> tuple[str, str]:
    """The whole text and the kind of its stratum: the section, or where the line stands."""
    text, kind = parts.filled(chance, template.line), template.section
    text = typed(chance, text)
    disguise = chance.random() < DISGUISED
    if disguise and chance.random() < 0.5:
        text, disguise = disguised(chance, text), False
    if template.section == INDIRECT:
        kind = "indirect_with_context"
        text = parts.filled(chance, "{doc}").replace("@@", text)
    elif template.section not in WHOLE:
        shape = chance.choices(list(SHAPES), list(SHAPES.values()))[0]
        text = _beside(chance, parts, text, shape)
        kind = "with_context" if shape in ("paragraph", "above") else kind
    return (disguised(chance, text) if disguise else text), kind


def sentence(
    chance: random.Random, parts: Book, label: str, weights: Mapping[str, int]
) -> tuple[str, Template]:
    """A line of `label` to stand among others, and its template. weights: how often to draw a section."""
    section = chance.choices(list(weights), list(weights.values()))[0]
    template = chance.choice([t for t in parts.templates[label] if t.section == section])
    return typed(chance, parts.filled(chance, template.line)), template


def _fits(text: str, kind: str) -> bool:
    """Whether a window of training holds it all: an attack that is cut off would be a wrong label."""
    wide = sum(map(_wide, text))
    return wide + (len(text) - wide) / 4 < (190 if "context" in kind else 110)


def _wide(character: str) -> bool:
    return ord(character) > 0x2E7F


def typed(chance: random.Random, text: str) -> str:
    """The first letter and the marks as it happens, so that neither tells an order from a question."""
    first = chance.choice((text[0], text[0].upper(), text[0].lower()))
    text = first + text[1:]
    if chance.random() < 0.4:
        text = text.replace("，", chance.choice(("。", " ", "！", "、")))
    if chance.random() < 0.75:
        text = re.sub(r"[“”]", chance.choice(("", '"', "'")), text)
    if chance.random() < 0.6:
        text = text.rstrip(".?!。？！ ") + chance.choice(ENDS[any(map(_wide, text))])
    return text


def _beside(chance: random.Random, parts: Book, text: str, shape: str) -> str:
    gap = chance.choice((" ", "\n", "\n\n", "\n\n", "\n---\n", " "))
    if shape in ("paragraph", "above"):
        around = parts.filled(chance, chance.choice(("{paragraph}", "{read}\n{paragraph}", "{paragraph}")))
        return around + gap + text if shape == "paragraph" else text + gap + around
    if shape in ("after", "before"):
        question = parts.filled(chance, "{ask}")
        return question + gap + text if shape == "after" else text + gap + question
    if shape == "padded":
        pad = parts.filled(chance, "{pad}")
        return f"{pad} {text}" if chance.random() < 0.4 else f"{text} {pad}"
    return text


def _common(lang: str) -> str:
    """Languages with few rows share a stratum, so that the few are not drawn over and over."""
    return lang if SHARES[lang] >= 10 else "other"


@cache
def book(lang: str, *names: str) -> Book:
    """The parts in the files of `names`, or those of the attacks in `lang` and in every language."""
    templates: dict[str, list[Template]] = {"jailbreak": [], "benign": []}
    slots: dict[str, list[str]] = defaultdict(list)
    for name in names or (f"attacks_{lang}", "attacks_any"):
        group = name.removeprefix("attacks_")
        for number, (mark, section, line) in enumerate(_lines(name)):
            if mark == "=":
                slots[section].append(line)
            else:
                label = "jailbreak" if mark == "+" else "benign"
                templates[label].append(Template(line, section, f"{group}:{label}:{section}:{number}"))
    return Book(
        lang,
        {label: tuple(found) for label, found in templates.items()},
        {name: tuple(found) for name, found in slots.items()},
    )


def _lines(name: str) -> Iterator[tuple[str, str, str]]:
    """(`+`, `-` or `=`; section; line) of one file."""
    mark = section = ""
    text = files("vsr.training").joinpath("prompts", f"{name}.txt").read_text(encoding="utf-8")
    for line in text.split("\n"):
        if header := re.fullmatch(r"\[([-+=]) (\w+)\]", line):
            mark, section = header.groups()
        elif line and not line.startswith(";; "):
            yield mark, section, line


def _question(chance: random.Random, lang: str) -> str:
    side = 0 if lang == "en" else 1
    frames, topics, sentences = _questions()
    if chance.random() < 0.5:
        return chance.choice(sentences)[side]
    return chance.choice(frames)[side].replace("{t}", chance.choice(topics)[side])


@cache
def _questions() -> tuple[list[tuple[str, str]], list[tuple[str, str]], list[tuple[str, str]]]:
    return (
        frame_pairs(),
        [pair for _, pair in read_pairs("topics.txt")],
        [pair for _, pair in read_pairs("sentences.txt")],
    )
