"""Chinese number plates (GA 36): province, office, and five or six letters and digits.

Serials have no O and no I, and at most two letters; plates of electric cars have six characters with a
letter for the kind of drive at one end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from vsr.signals.numbers import Span

_PROVINCES: Final = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_LETTER: Final = "A-HJ-NP-Z"
_GAP: Final = "[ ·•・\u2027.-]?"
_PLATE: Final = re.compile(
    rf"""[{_PROVINCES}][{_LETTER}]{_GAP}(?:
        (?=[{_LETTER}0-9]{{5}}(?![A-Za-z0-9]))[0-9]*[{_LETTER}]?[0-9]*[{_LETTER}]?[0-9]*(?![A-Za-z0-9])
        |(?:[DABCEFGHJK][{_LETTER}0-9][0-9]{{4}}|[0-9]{{5}}[DABCEFGHJK])(?![A-Za-z0-9])
        |[{_LETTER}0-9][0-9]{{3}}[警学挂港澳领试超]
    )""",
    re.VERBOSE | re.ASCII,
)
_EMBASSY: Final = re.compile(r"使[0-9]{6}(?![0-9A-Za-z])|(?<![0-9A-Za-z])[0-9]{6}使", re.ASCII)
_HINT: Final = re.compile(rf"[{_PROVINCES}使][A-Z0-9]|[0-9]使")


def find_plates(text: str) -> Iterator[Span]:
    if text.isascii() or not _HINT.search(text):
        return
    for pattern in (_PLATE, _EMBASSY):
        for match in pattern.finditer(text):
            yield "OTHER_ID", match.start(), match.end(), 0.95
