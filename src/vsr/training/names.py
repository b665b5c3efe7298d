"""Names of people of many countries, from Faker's lists, and of Chinese roads, composed; with a seed.

A head that is shown few names learns these, and not where names stand. Lists are drawn from evenly by
country, since some hold ten times as many as others.
"""

from __future__ import annotations

import random
from functools import cache
from importlib import import_module

LOCALES = (
    *("en_US", "en_US", "en_US", "en_GB", "en_GB", "en_IN", "en_NZ", "en_PK", "yo_NG", "de_DE", "fr_FR"),
    *("es_ES", "es_MX", "it_IT", "pt_BR", "nl_NL", "sv_SE", "fi_FI", "hr_HR", "id_ID", "sw"),
)
OF_PLACES = (
    "安宁和平兴旺新建永长东西南北中上下大小高青白红黄黑金银石沙水河江湖海山岭坡桥井泉林树柳松柏杨桃李梅竹荷莲"
    "花园田庄台塔寺庙关口店铺营坊门城堡龙凤虎马牛羊鹤云雨风阳光明月星天地春秋福寿康乐吉祥文武学士农工商广民国"
    "华夏盛昌隆顺利通达成功前后左右双三四五六七八九"
)
"""Characters that names of Chinese roads and villages are made of."""
ROADS = ("路", "路", "路", "街", "大街", "大道", "东路", "西路", "南路", "北路", "胡同", "巷", "里", "二条")


def person(chance: random.Random) -> tuple[str, str]:
    """A given name and a family name of one country."""
    locale = chance.choice(LOCALES)
    return chance.choice(_people("first_names", locale)), chance.choice(_people("last_names", locale))


def given_zh(chance: random.Random) -> str:
    return chance.choice(_people("first_names", "zh_CN"))


def family_zh(chance: random.Random) -> str:
    return chance.choice(_people("last_names", "zh_CN"))


def district_zh(chance: random.Random) -> str:
    """A district or county without its city."""
    return chance.choice(_lists("zh_CN", "districts")) + chance.choice("区区区县")


def road_zh(chance: random.Random) -> str:
    """Two characters, or a city's or family's name, and what makes it a road."""
    name = "".join(chance.sample(OF_PLACES, 2))
    other = chance.choice((chance.choice(_lists("zh_CN", "cities")), family_zh(chance) + "家"))
    return chance.choice((name, name, name, other)) + chance.choice(ROADS)


@cache
def _people(kind: str, locale: str) -> tuple[str, ...]:
    provider = import_module(f"faker.providers.person.{locale}").Provider
    return tuple(getattr(provider, kind))


@cache
def _lists(locale: str, kind: str) -> tuple[str, ...]:
    provider = import_module(f"faker.providers.address.{locale}").Provider
    return tuple(getattr(provider, kind))
