"""Made-up values of each personal type, with a seed: valid where validity exists, in the forms people type.

Only values; `personal.py` puts them into texts.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from itertools import pairwise

from vsr.training import names

Value = Callable[[random.Random], str]

PROVINCES = "京沪粤浙苏川鄂渝陕鲁皖湘闽冀辽津晋蒙吉黑赣豫桂琼贵云藏甘青宁新"
SURNAMES = "王李张刘陈杨黄赵周吴徐孙马朱胡林郭何高罗"
NAMES = "伟芳娜敏静丽强磊军洋勇艳杰涛明超秀兰霞平刚桂英建华文辉玲宇欣怡子涵浩然诗雨"
REGIONS = ("110101", "310115", "440106", "510104", "330106", "420102", "610113", "320102", "500103")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

ACCOUNTS = {
    "DE": "#" * 18,
    "GB": "@@@@" + "#" * 14,
    "FR": "#" * 23,
    "ES": "#" * 20,
    "NL": "@@@@" + "#" * 10,
    "IT": "@" + "#" * 22,
    "CH": "#" * 17,
    "BE": "#" * 12,
    "AT": "#" * 16,
    "PL": "#" * 24,
    "SE": "#" * 20,
    "NO": "#" * 11,
    "DK": "#" * 14,
    "FI": "#" * 14,
    "PT": "#" * 21,
    "IE": "@@@@" + "#" * 14,
    "LU": "#" * 16,
    "CZ": "#" * 20,
    "GR": "#" * 23,
    "TR": "#" * 22,
    "SA": "#" * 20,
    "AE": "#" * 19,
}
"""The national part of an IBAN by country (ISO 13616): `#` a digit, `@` a letter."""


@cache
def entries(section: str, name: str = "personal.txt") -> tuple[str, ...]:
    """The lines of one section of a file in `prompts/`; a written `\\n` is a line break."""
    text = files("vsr.training").joinpath("prompts", name).read_text(encoding="utf-8")
    lines = text.split(f"[{section}]\n", 1)[1].split("\n[", 1)[0].splitlines()
    return tuple(line.replace("\\n", "\n") for line in lines if line)


def digits(chance: random.Random, pattern: str) -> str:
    """`#` becomes a digit, `@` a capital letter."""
    made = re.sub("#", lambda _: chance.choice(string.digits), pattern)
    return re.sub("@", lambda _: chance.choice(string.ascii_uppercase), made)


def listed(section: str) -> Value:
    """A pattern of a section of `personal.txt`, filled."""
    return lambda chance: digits(chance, chance.choice(entries(section)))


def email(chance: random.Random) -> str:
    first, last = chance.choice(entries("given")), chance.choice(entries("family"))
    shape = chance.choice(
        ("{f}.{l}", "{f}{n}", "{f}_{l}", "{l}", "{f}-{l}{n}", "info", "{f}+shop", "sales.{l}", "{n}{n}{n}")
    )
    name = shape.format(f=first, l=last, n=chance.randrange(10, 1000))
    own = chance.choice(entries("family")) + chance.choice((".com", ".net", ".cn", ".co.jp", ".edu.au"))
    made = f"{name}@{chance.choice((chance.choice(entries('hosts')), own))}"
    return made.upper() if chance.random() < 0.05 else made


def domain_name(chance: random.Random) -> str:
    host = chance.choice(entries("family")) + chance.choice(
        ("-shop.com", ".org", ".dev", "tools.io", ".com.cn", ".co.uk")
    )
    return chance.choice(("", "www.", "https://", "https://www.", "http://blog.")) + host


def address_of_machine(chance: random.Random) -> str:
    if chance.random() < 0.35:
        return _ipv6(chance)
    made = ".".join(str(chance.randrange(256)) for _ in range(4))
    private = (f"192.168.{chance.randrange(20)}.{chance.randrange(256)}", f"10.0.{chance.randrange(256)}.1")
    return chance.choice((made, made, chance.choice(private))) + chance.choice(("",) * 19 + ("/24",))


def _ipv6(chance: random.Random) -> str:
    groups = [f"{chance.randrange(65536):x}" for _ in range(8)]
    cut = chance.randrange(1, 5)
    short = ":".join(groups[:cut]) + "::" + ":".join(groups[6 : 6 + chance.randrange(1, 3)])
    full = ":".join(group.zfill(4) for group in ["2001", "0db8", *groups[2:]])
    forms = (":".join(groups), short, short, full, "fe80::" + ":".join(groups[4:]), "::1", f"2001:db8::{cut}")
    made = chance.choice(forms)
    return made.upper() if chance.random() < 0.15 else made


def card(chance: random.Random) -> str:
    """A number of 14, 15, 16 or 19 digits that passes the Luhn check."""
    prefix, length = chance.choice(
        (("4", 16), ("51", 16), ("55", 16), ("37", 15), ("6011", 16), ("35", 16), ("36", 14), ("62", 19))
    )
    body = [int(d) for d in digits(chance, prefix.ljust(length - 1, "#"))]
    doubled = [sum(divmod(2 * d, 10)) if i % 2 == 0 else d for i, d in enumerate(reversed(body))]
    plain = "".join(map(str, body)) + str(-sum(doubled) % 10)
    cuts = (0, 4, 10, length) if length in (14, 15) else range(0, length + 4, 4)
    parts = [plain[a:b] for a, b in pairwise(cuts)]
    return chance.choice(("", "", " ", " ", "-")).join(part for part in parts if part)


def iban(chance: random.Random) -> str:
    """Its check digits are right (ISO 7064, mod 97); whole or in fours, now and then in lower case."""
    country = chance.choice(tuple(ACCOUNTS))
    account = digits(chance, ACCOUNTS[country])
    number = int("".join(str(int(c, 36)) for c in f"{account}{country}00"))
    plain = f"{country}{98 - number % 97:02}{account}"
    fours = [plain[i : i + 4] for i in range(0, len(plain), 4)]
    made = chance.choice((plain, plain, " ".join(fours), " ".join(fours), "-".join(fours)))
    return made.lower() if chance.random() < 0.12 else made


def secret(chance: random.Random) -> str:
    letters = string.ascii_letters + string.digits
    tail = "".join(chance.choices(letters, k=chance.randrange(20, 40)))
    word = chance.choice(entries("given")).title() + digits(chance, "####") + chance.choice("!@#$%&*")
    mixed = "".join(chance.choices(letters + "!@#$%^&*_-", k=chance.randrange(9, 15))) + "7x"
    keys = (f"sk-{tail}", f"ghp_{tail}", f"AKIA{tail[:16].upper()}", f"xoxb-{tail}", f"AIza{tail}", tail)
    return chance.choice((*keys, word, word, word.lower(), mixed, mixed, tail[:10] + "!"))


def social_security(chance: random.Random) -> str:
    area = chance.choice([n for n in range(1, 773) if n != 666])
    gap = chance.choice(("-", "-", "-", " "))
    return gap.join((f"{area:03}", f"{chance.randrange(1, 100):02}", f"{chance.randrange(1, 10000):04}"))


def identity(chance: random.Random) -> str:
    """A Chinese identity number with its check digit (GB 11643) or a number plate."""
    if chance.random() < 0.5:
        return plate(chance)
    born = f"{chance.randrange(1950, 2010)}{chance.randrange(1, 13):02}{chance.randrange(1, 29):02}"
    body = chance.choice(REGIONS) + born + digits(chance, "###")
    total = sum(int(d) * pow(2, 17 - i, 11) for i, d in enumerate(body))
    check = "10X98765432"[total % 11]
    return body + (check.lower() if chance.random() < 0.2 else check)


def plate(chance: random.Random) -> str:
    """A Chinese number plate, petrol or electric, with and without its dot."""
    forms = ("@·#@###", "@#####", "@@####", "@·#####", "@D#####", "@F#####", "@##@##", "@·###@#", "@-#####")
    rare = ("@ #####", "@·D#####", "@##@@#", "@####学", "@####警")
    return chance.choice(PROVINCES) + digits(chance, chance.choice((*forms, *forms, *rare)))


def street(chance: random.Random) -> str:
    number = str(chance.randrange(1, chance.choice((60, 900, 9999))))
    if chance.random() < 0.1:
        number = chance.choice(
            (f"{number}-{int(number) + 2}", f"{number}{chance.choice('ABC')}", f"No. {number}")
        )
    way = f"{chance.choice(entries('street names'))} {chance.choice(entries('street kinds'))}"
    ordinal = f"{_ordinal(chance.randrange(1, 90))} {chance.choice(entries('street kinds'))}"
    side = chance.choice(("", "", "", "N ", "South ", "W. ", "East "))
    unit = digits(chance, chance.choice(entries("units"))) if chance.random() < 0.4 else ""
    place = chance.choice(("", "", "", f", {chance.choice(entries('towns'))}", *_town(chance)))
    made = f"{number} {side}{chance.choice((way, way, way, ordinal))}{unit}{place}"
    if chance.random() < 0.06:
        made = f"{chance.choice(entries('streets abroad'))} {number}{place}"
    return made.lower() if chance.random() < 0.1 else made


def _ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number // 10 == 1 else ending}"


def _town(chance: random.Random) -> tuple[str, ...]:
    town, state = chance.choice(entries("towns")), chance.choice(entries("states"))
    whole = digits(chance, f", {town}, {state} 9####")
    return (f", {town}, {state}", whole, f"{whole}, {chance.choice(('USA', 'United States'))}")


def street_zh(chance: random.Random) -> str:
    """From the widest division named to the last room, parenthesis or crossing: all of it is the address."""
    city = chance.choice(entries("cities"))
    district = chance.choice((chance.choice(entries("districts")), names.district_zh(chance)))
    if chance.random() < 0.3:
        city = city.rstrip("市")
    made = chance.choice((city + district, city + district, district, district, city, ""))
    road = _road_zh(chance) + chance.choice(("",) * 5 + ("北", "东段", "西路", "中路"))
    if chance.random() < 0.12:
        tail = chance.choice(("", "往北200米", "西南角"))
        return f"{made}{road}与{_road_zh(chance)}交叉口{tail}"
    spot = digits(chance, chance.choice(entries("numbers zh"))).replace("+", str(chance.randrange(1, 900)))
    return made + road + spot + _rest_zh(chance)


def _road_zh(chance: random.Random) -> str:
    return chance.choice((chance.choice(entries("roads")), names.road_zh(chance)))


def _rest_zh(chance: random.Random) -> str:
    """What may follow the number: building, floor, room, a note in parentheses."""
    if chance.random() < 0.3:
        return ""
    return chance.choice(entries("parts zh")).format(
        building=chance.choice(entries("buildings")),
        floor=chance.randrange(1, 30),
        block=chance.randrange(1, 20),
        letter=chance.choice("ABCD"),
        station=chance.choice(entries("stations")),
        line=chance.randrange(1, 15),
    )


def name_zh(chance: random.Random) -> str:
    surname = chance.choice((chance.choice(SURNAMES), chance.choice(SURNAMES), names.family_zh(chance)))
    plain = "".join(chance.sample(NAMES, chance.choice((1, 2, 2))))
    return surname + chance.choice((plain, names.given_zh(chance)))


def name_en(chance: random.Random) -> str:
    """First and last name, one of them alone, or as lists have it: the last name first, with initials."""
    given, family = names.person(chance)
    initial = chance.choice(string.ascii_uppercase)
    plain = f"{given} {family}"
    rare = (
        f"{given} {initial}. {family}",
        f"{family} {given}",
        f"{family} {given} {initial}",
        f"{family}, {given}",
    )
    made = chance.choice((*[plain] * 8, *rare, *rare[1:3], given, f"{initial}. {family}"))
    return made.lower() if chance.random() < 0.04 else made


def written(section: str) -> Value:
    """A date or time in a form of a section of `personal.txt`."""

    def value(chance: random.Random) -> str:
        month, day, hour = chance.randrange(1, 13), chance.randrange(1, 32), chance.randrange(1, 11)
        return chance.choice(entries(section)).format(
            year=chance.randrange(1950, 2030),
            month=month,
            name=MONTHS[month - 1],
            short=MONTHS[month - 1][:3],
            day=day,
            nth=_ordinal(day),
            week=chance.choice(WEEKDAYS),
            week_zh=chance.choice("一二三四五六日"),
            hour=hour,
            late=hour + 12,
            hour_zh="零一两三四五六七八九十"[hour],
            minute=chance.choice((10, 15, 20, 30, 40, 45)),
            half=chance.choice(("am", "pm", "AM", "PM", "a.m.", "p.m")),
            part=chance.choice(("in the morning", "in the afternoon", "in the evening", "at night")),
            part_zh=chance.choice(("早上", "上午", "中午", "下午", "晚上", "傍晚")),
        )

    return value


def harmless(slot: str, chance: random.Random) -> str:
    """A number, hash or machine date that is nobody's."""
    match slot:
        case "n":
            return str(chance.randrange(10, 10 ** chance.randrange(2, 8)))
        case "m":
            return str(chance.randrange(1, 99))
        case "y":
            return str(chance.randrange(1900, 2030))
        case "f":
            return f"{chance.random() * chance.choice((1, 10, 1000)):.{chance.randrange(1, 5)}f}"
        case "h":
            return f"{chance.getrandbits(40):010x}"
        case "sha":
            return f"{chance.getrandbits(256):064x}"
        case "uuid":
            made = f"{chance.getrandbits(128):032x}"
            return "-".join((made[:8], made[8:12], made[12:16], made[16:20], made[20:]))
        case "iso":
            return f"20{chance.randrange(10, 30)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"
        case "clock":
            return f"{chance.randrange(24):02}:{chance.randrange(60):02}:{chance.randrange(60):02}"
        case "isbn":
            return digits(chance, chance.choice(("978-#-###-#####-#", "978##########", "#-####-####-#")))
        case "venue":
            return chance.choice(entries("venues"))
        case "venue_zh":
            return chance.choice(entries("venues zh"))
        case _:
            raise ValueError(f"no such slot: {slot}")
