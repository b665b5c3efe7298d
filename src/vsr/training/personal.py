"""Structured personal data in short texts, made with a seed: addresses of mail, machines and houses, numbers.

The annotated sources hold few identifiers, nearly all inside sentences of a few templates. Here every
type stands alone, in chat, in forms, logs and lists, in English and Chinese, beside numbers that are
none of them.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files

from vsr.training.labels import PII_TYPES
from vsr.training.rows import Row, Span

Value = Callable[[random.Random], str]
Made = tuple[str, tuple[Span, ...], str]
"""A text, its spans, and the group it belongs to."""

PROVINCES = "京沪粤浙苏川鄂渝陕鲁皖湘闽冀辽"
SURNAMES = "王李张刘陈杨黄赵周吴徐孙马朱胡林郭何高罗"
NAMES = "伟芳娜敏静丽强磊军洋勇艳杰涛明超秀兰霞平刚桂英建华文辉玲宇欣怡子涵浩然诗雨"


def _digits(chance: random.Random, pattern: str) -> str:
    """`#` becomes a digit, `@` a capital letter."""
    digits = re.sub("#", lambda _: chance.choice(string.digits), pattern)
    return re.sub("@", lambda _: chance.choice(string.ascii_uppercase), digits)


def _one(*patterns: str) -> Value:
    return lambda chance: _digits(chance, chance.choice(patterns))


def email(chance: random.Random) -> str:
    first, last = chance.choice(entries("given")), chance.choice(entries("family"))
    shape = chance.choice(
        ("{f}.{l}", "{f}{n}", "{f}_{l}", "{l}", "{f}-{l}{n}", "info", "{f}+shop", "sales.{l}")
    )
    name = shape.format(f=first, l=last, n=chance.randrange(1000))
    host = chance.choice(
        (
            chance.choice(entries("hosts")),
            f"{chance.choice(entries('family'))}{chance.choice(('.com', '.net', '.cn'))}",
        )
    )
    made = f"{name}@{host}"
    return made.upper() if chance.random() < 0.05 else made


def domain_name(chance: random.Random) -> str:
    host = chance.choice(entries("family")) + chance.choice(
        ("-shop.com", ".org", ".dev", "tools.io", ".com.cn", ".co.uk")
    )
    return chance.choice(("", "www.", "https://", "https://www.", "http://blog.")) + host


def address_of_machine(chance: random.Random) -> str:
    if chance.random() < 0.35:
        groups = [f"{chance.randrange(65536):x}" for _ in range(8)]
        short = (
            ":".join(groups[: chance.randrange(1, 4)])
            + "::"
            + ":".join(groups[6 : 6 + chance.randrange(1, 3)])
        )
        return chance.choice((":".join(groups), short, "fe80::" + ":".join(groups[4:]), "::1"))
    made = ".".join(str(chance.randrange(256)) for _ in range(4))
    return made + chance.choice(("", "", "", "/24"))


def card(chance: random.Random) -> str:
    length = chance.choice((15, 16, 16, 16))
    digits = [int(d) for d in _digits(chance, chance.choice(("4", "5", "37", "6011", "62")))]
    digits += [chance.randrange(10) for _ in range(length - 1 - len(digits))]
    doubled = [d if (length - i) % 2 else sum(divmod(2 * d, 10)) for i, d in enumerate(digits)]
    plain = "".join(map(str, digits)) + str(-sum(doubled) % 10)
    gap = chance.choice(("", " ", "-", " "))
    return gap.join(plain[i : i + 4] for i in range(0, length, 4))


def iban(chance: random.Random) -> str:
    country, length = chance.choice(
        (("DE", 18), ("GB", 18), ("FR", 23), ("ES", 20), ("NL", 14), ("IT", 23), ("CH", 17))
    )
    plain = _digits(
        chance, country + "##" + ("@@@@" if country in ("GB", "NL") else "####") + "#" * (length - 4)
    )
    return " ".join(plain[i : i + 4] for i in range(0, len(plain), 4)) if chance.random() < 0.5 else plain


def secret(chance: random.Random) -> str:
    letters = string.ascii_letters + string.digits
    tail = "".join(chance.choices(letters, k=chance.randrange(16, 40)))
    word = chance.choice(entries("given")).title() + _digits(chance, "####") + chance.choice("!@#$%&*")
    return chance.choice(
        (f"sk-{tail}", f"ghp_{tail}", f"AKIA{tail[:16].upper()}", word, word, tail[:10] + "!")
    )


def identity(chance: random.Random) -> str:
    born = f"19{chance.randrange(50, 100)}{chance.randrange(1, 13):02}{chance.randrange(1, 29):02}"
    plate = chance.choice(PROVINCES) + _digits(
        chance, chance.choice(("@·#@###", "@#####", "@@####", "@·#####"))
    )
    return chance.choice((_digits(chance, f"##0###{born}###") + chance.choice("0123456789X"), plate, plate))


def street(chance: random.Random) -> str:
    made = f"{chance.randrange(1, 999)} {chance.choice(entries('streets'))}"
    return made + chance.choice(
        ("", "", f", Apt {chance.randrange(1, 40)}", f" Suite {chance.randrange(100, 900)}")
    )


def street_zh(chance: random.Random) -> str:
    made = chance.choice(("", chance.choice(entries("cities")))) + chance.choice(
        ("", chance.choice(entries("districts")))
    )
    made += chance.choice(entries("roads")) + f"{chance.randrange(1, 900)}号"
    tails = (
        "",
        "",
        "甲",
        f"{chance.randrange(1, 20)}号楼",
        f"院{chance.randrange(1, 9)}单元{chance.randrange(101, 999)}室",
        "(近地铁站)",
    )
    return made + chance.choice(tails)


def name_zh(chance: random.Random) -> str:
    return chance.choice(SURNAMES) + "".join(chance.sample(NAMES, chance.choice((1, 2, 2))))


def name_en(chance: random.Random) -> str:
    return f"{chance.choice(entries('given'))} {chance.choice(entries('family'))}".title()


VALUES: dict[str, tuple[tuple[str, Value], ...]] = {
    "en": (
        ("EMAIL_ADDRESS", email),
        ("DOMAIN_NAME", domain_name),
        ("IP_ADDRESS", address_of_machine),
        ("CREDIT_CARD", card),
        ("IBAN_CODE", iban),
        ("PASSWORD", secret),
        (
            "PHONE_NUMBER",
            _one(
                "(###) ###-####",
                "+1 ### ### ####",
                "+44 20 #### ####",
                "###-###-####",
                "+49 30 ######",
                "0## #######",
            ),
        ),
        ("US_SSN", _one("###-##-####", "### ## ####")),
        ("US_DRIVER_LICENSE", _one("@#######", "@###-####-####", "########")),
        ("ZIP_CODE", _one("#####", "#####-####", "@@# #@@")),
        ("STREET_ADDRESS", street),
        ("PERSON", name_en),
    ),
    "zh": (
        ("EMAIL_ADDRESS", email),
        ("IP_ADDRESS", address_of_machine),
        ("CREDIT_CARD", card),
        ("PASSWORD", secret),
        (
            "PHONE_NUMBER",
            _one(
                "138########",
                "159 #### ####",
                "+86 186########",
                "010-########",
                "0571-#######",
                "400-###-####",
            ),
        ),
        ("OTHER_ID", identity),
        ("STREET_ADDRESS", street_zh),
        ("PERSON", name_zh),
        ("ZIP_CODE", _one("######")),
        ("DOMAIN_NAME", domain_name),
    ),
}


@cache
def entries(section: str) -> tuple[str, ...]:
    """The lines of one section of `prompts/personal.txt`."""
    text = files("vsr.training").joinpath("prompts", "personal.txt").read_text(encoding="utf-8")
    lines = text.split(f"[{section}]\n", 1)[1].split("\n[", 1)[0].splitlines()
    return tuple(line.replace("\\n", "\n") for line in lines)


def names(lang: str, kind: str) -> list[str]:
    """What people call a value of this type."""
    line = next(line for line in entries(f"words {lang}") if line.startswith(f"{kind}: "))
    return line.removeprefix(f"{kind}: ").split(", ")


def personal(seed: int, count: int = 9000) -> Iterator[Row]:
    """`count` texts: one value, two or three joined, or numbers that are nobody's."""
    chance = random.Random(seed)
    for number in range(count):
        lang = "zh" if number % 2 else "en"
        shape = chance.choices(("none", "single", "joined"), (15, 55, 30))[0]
        text, spans, group = SHAPES[shape](chance, lang)
        yield Row(
            text=text,
            source=f"generated-personal-{lang}",
            license="own",
            group=f"personal:{group}",
            lang=lang,
            stratum=f"pii/generated-{lang}/{shape}",
            jailbreak="benign",
            annotated=PII_TYPES,
            spans=spans,
        )


def _single(chance: random.Random, lang: str) -> Made:
    kind, make = chance.choice(VALUES[lang])
    number = chance.randrange(len(entries(f"single {lang}")))
    value, word = make(chance), chance.choice(names(lang, kind))
    before, after = entries(f"single {lang}")[number].format(k=word, v="\0").split("\0")
    start = len(before)
    # a pattern such as an eight-digit licence means something only where the text says what it is
    bare = "{k}" not in entries(f"single {lang}")[number]
    if bare and kind in ("US_DRIVER_LICENSE", "ZIP_CODE", "PASSWORD"):
        return _single(chance, lang)
    return before + value + after, ((start, start + len(value), kind),), f"{kind}:{number}"


def _joined(chance: random.Random, lang: str) -> Made:
    colon, gap = chance.choice(
        ((": ", ", "), ("=", "; "), (": ", "\n"), (" ", " / "))
        if lang == "en"
        else (("：", "，"), (":", "\n"), ("", "，"))
    )
    text = ""
    spans: list[Span] = []
    kinds = chance.sample(VALUES[lang], chance.choice((2, 3, 4)))
    for kind, make in kinds:
        text += (gap if text else "") + chance.choice(names(lang, kind)) + colon
        value = make(chance)
        spans.append((len(text), len(text) + len(value), kind))
        text += value
    return text, tuple(spans), "joined:" + "+".join(sorted(kind for kind, _ in kinds))


def _none(chance: random.Random, lang: str) -> Made:
    text = chance.choice(entries(f"none {lang}"))
    for slot, low, high in (("{n}", 10, 9_999_999), ("{m}", 1, 99), ("{y}", 1900, 2030)):
        while slot in text:
            text = text.replace(slot, str(chance.randrange(low, high)), 1)
    return text.replace("{h}", f"{chance.getrandbits(40):010x}"), (), "none"


SHAPES = {"none": _none, "single": _single, "joined": _joined}
