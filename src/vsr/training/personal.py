"""Short texts with personal data, made with a seed: values alone, in chat, forms, configurations and logs.

The annotated sources hold few identifiers, nearly all inside sentences of a few templates. Here every
type stands alone and in company, in English and Chinese, beside numbers that are none of them.
Values come from `identifiers.py`, templates from `prompts/`; every text is marked in full.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

from vsr.training import identifiers as make
from vsr.training.identifiers import Value, entries
from vsr.training.labels import PII_TYPES
from vsr.training.rows import Row, Span

Made = tuple[str, tuple[Span, ...], str]
"""A text, its spans, and the group it belongs to."""

TEXTS = "personal_texts.txt"

VALUES: dict[str, dict[str, Value]] = {
    "en": {
        "EMAIL_ADDRESS": make.email,
        "DOMAIN_NAME": make.domain_name,
        "IP_ADDRESS": make.address_of_machine,
        "CREDIT_CARD": make.card,
        "IBAN_CODE": make.iban,
        "PASSWORD": make.secret,
        "PHONE_NUMBER": make.listed("phones en"),
        "US_SSN": make.social_security,
        "US_DRIVER_LICENSE": make.listed("licences"),
        "ZIP_CODE": make.listed("postcodes"),
        "STREET_ADDRESS": make.street,
        "PERSON": make.name_en,
        "DATE_TIME": make.written("dates en"),
    },
    "zh": {
        "EMAIL_ADDRESS": make.email,
        "IP_ADDRESS": make.address_of_machine,
        "CREDIT_CARD": make.card,
        "IBAN_CODE": make.iban,
        "PASSWORD": make.secret,
        "PHONE_NUMBER": make.listed("phones zh"),
        "OTHER_ID": make.identity,
        "STREET_ADDRESS": make.street_zh,
        "PERSON": make.name_zh,
        "ZIP_CODE": lambda chance: make.digits(chance, "######"),
        "DOMAIN_NAME": make.domain_name,
        "DATE_TIME": make.written("dates zh"),
    },
}

MOMENTS: dict[str, dict[str, Value]] = {
    "en": {"DAY": make.written("days en"), "TIME": make.written("times en")},
    "zh": {"DAY": make.written("days zh"), "TIME": make.written("times zh")},
}
"""Ways to name a DATE_TIME that stand only inside sentences."""

WEAK_ALONE = ("US_DRIVER_LICENSE", "ZIP_CODE", "PASSWORD")
"""A pattern such as an eight-digit licence means something only where the text says what it is."""

UNSURE = ("stamp", "hours")
"""Slots of machine times and opening hours, which are neither right nor wrong."""

SLOT = re.compile(r"\{([A-Z_]{3,}|n|m|y|f|h|sha|uuid|iso|clock|isbn|venue|venue_zh|stamp|hours)\}")


def words(lang: str, kind: str) -> list[str]:
    """What people call a value of this type."""
    line = next(line for line in entries(f"words {lang}") if line.startswith(f"{kind}: "))
    return line.removeprefix(f"{kind}: ").split(", ")


def personal(seed: int, count: int = 20_000) -> Iterator[Row]:
    """`count` texts, half of them English: values alone, joined or in sentences and files, or harmless."""
    chance = random.Random(seed)
    shapes, weights = tuple(SHAPES), tuple(weight for weight, _ in SHAPES.values())
    for number in range(count):
        lang = "zh" if number % 2 else "en"
        shape = chance.choices(shapes, weights)[0]
        text, spans, group = SHAPES[shape][1](chance, lang)
        yield Row(
            text=text,
            source=f"generated-personal-{lang}",
            license="own",
            group=f"personal:{group}",
            lang=lang,
            stratum=f"pii/generated-{lang}/{shape}",
            jailbreak="benign",
            # the name of a restaurant may be called an organization or a place; its rows leave that open
            annotated=OF_VENUES if "venue" in group else PII_TYPES,
            spans=tuple(span for span in spans if span[2] not in UNSURE),
            ignored=tuple(span for span in spans if span[2] in UNSURE),
        )


def places(seed: int, count: int = 2_400) -> Iterator[Row]:
    """`count` Chinese texts about where something is: addresses, number plates, and names that are neither.

    An address ends before 附近, 对面 and the like, and begins after 地址是, 位于 and 在.
    """
    chance = random.Random(f"{seed} places")
    for _ in range(count):
        section = chance.choices(("address zh", "plate zh", "place zh"), (13, 4, 3))[0]
        text, spans, group = _from(section.removesuffix(" zh"))(chance, "zh")
        yield Row(
            text=text,
            source="generated-places-zh",
            license="own",
            group=f"personal:{group}",
            lang="zh",
            stratum=f"pii/generated-zh/{section.removesuffix(' zh')}",
            jailbreak="benign",
            annotated=OF_VENUES,
            spans=tuple(span for span in spans if span[2] not in UNSURE),
            ignored=tuple(span for span in spans if span[2] in UNSURE),
        )


OF_VENUES = tuple(kind for kind in PII_TYPES if kind not in ("ORGANIZATION", "GPE"))


def fill(chance: random.Random, lang: str, template: str) -> tuple[str, tuple[Span, ...]]:
    """The template with its slots filled, and where the personal values stand."""
    text = ""
    end = 0
    spans: list[Span] = []
    for slot in SLOT.finditer(template):
        text += template[end : slot.start()]
        end = slot.end()
        value, kind = _value(chance, lang, slot[1])
        if kind:
            spans.append((len(text), len(text) + len(value), kind))
        text += value
    return text + template[end:], tuple(spans)


def _value(chance: random.Random, lang: str, slot: str) -> tuple[str, str]:
    """What stands in a slot and its type, empty if it is nobody's."""
    if slot in MOMENTS[lang]:
        return MOMENTS[lang][slot](chance), "DATE_TIME"
    if slot in PII_TYPES:
        # code and logs are the same in either language, with the types of both
        return (VALUES[lang].get(slot) or VALUES["en"].get(slot) or VALUES["zh"][slot])(chance), slot
    if slot == "PLATE":
        return make.plate(chance), "OTHER_ID"
    if slot == "stamp":
        return f"{make.harmless('iso', chance)} {make.harmless('clock', chance)}", slot
    if slot == "hours":
        return f"{chance.randrange(6, 11)}:00-{chance.randrange(16, 23)}:30", slot
    return make.harmless(slot, chance), ""


def _single(chance: random.Random, lang: str) -> Made:
    kind = chance.choice(tuple(VALUES[lang]))
    frames = entries(f"single {lang}")
    number = chance.randrange(len(frames))
    value, word = VALUES[lang][kind](chance), chance.choice(words(lang, kind))
    if "{k}" not in frames[number] and kind in WEAK_ALONE:
        return _single(chance, lang)
    before, after = frames[number].format(k=word, v="\0").split("\0")
    return before + value + after, ((len(before), len(before) + len(value), kind),), f"{kind}:{number}"


def _joined(chance: random.Random, lang: str) -> Made:
    colon, gap = chance.choice(
        ((": ", ", "), ("=", "; "), (": ", "\n"), (" ", " / "))
        if lang == "en"
        else (("：", "，"), (":", "\n"), ("", "，"))
    )
    text = ""
    spans: list[Span] = []
    kinds = chance.sample(tuple(VALUES[lang]), chance.choice((2, 3, 4)))
    for kind in kinds:
        text += (gap if text else "") + chance.choice(words(lang, kind)) + colon
        value = VALUES[lang][kind](chance)
        spans.append((len(text), len(text) + len(value), kind))
        text += value
    return text, tuple(spans), "joined:" + "+".join(sorted(kinds))


def _from(section: str) -> Callable[[random.Random, str], Made]:
    """Texts of a section of the templates; what both languages share stands under a request in one."""

    def made(chance: random.Random, lang: str) -> Made:
        shared = f"{section} any" if section in ("file", "code") else f"{section} {lang}"
        templates = entries(shared, TEXTS)
        number = chance.randrange(len(templates))
        template = templates[number]
        if shared.endswith("any"):
            template = _among_code(chance, template)
        if shared.endswith("any") and chance.random() < 0.6:
            template = chance.choice(entries(f"ask {lang}", TEXTS)).replace("{}", template)
        text, spans = fill(chance, lang, template)
        venue = ":venue" if "{venue" in template else ""
        return text, spans, f"{shared}:{number}{venue}"

    return made


def _among_code(chance: random.Random, template: str) -> str:
    """The template above, below or between others that hold no values, as in real files."""
    lines = [template, *chance.sample(entries("code any", TEXTS), chance.choice((0, 0, 1, 1, 2)))]
    chance.shuffle(lines)
    return "\n".join(lines)


SHAPES: dict[str, tuple[int, Callable[[random.Random, str], Made]]] = {
    "single": (24, _single),
    "joined": (12, _joined),
    "said": (28, _from("said")),
    "file": (10, _from("file")),
    "none": (13, _from("none")),
    "code": (13, _from("code")),
}
"""A shape's weight and its maker. said: sentences and forms; file: configurations, logs and queries that
hold values; none and code: sentences and files that hold only numbers."""
