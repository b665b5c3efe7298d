"""Where an address begins and ends: the head is often unsure of its edges, since they are names.

An address takes the kind of street right after it. A Chinese one, without blanks, begins where the text
says that an address follows, ends with its sentence, holds whole parentheses, and takes the word of place
right after it. Rules of spelling only: whether something is an address is the head's to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from vsr.encoder.tokens import CJK

KIND = re.compile(
    r"\s(?:street|st|avenue|ave|road|rd|drive|dr|lane|ln|boulevard|blvd|way|court|highway|plaza|place|parkway"
    r"|terrace|square)\b",
    re.IGNORECASE,
)
FOLLOWS = re.compile(r"(?:地址(?>就?[是为]?在?[:：]?)|位于|坐落[于在])([\u4e00-\u9fff]{1,3})$")
"""Characters that the head passed over between the words that announce an address and its rest."""
ANNOUNCED = 12
"""So many characters before an address are looked at."""
STOPS = re.compile(r"[；;。！？!?\n]")
SCRAP = re.compile(r"[，,、][^，,、\d]{0,2}$")
"""A comma and a few characters: the head ran on into the next clause."""
WHERE = re.compile(r"(?:[东南西北]{1,2}[侧面门口角]?|[内处旁侧]|米|公里处?|里处)+")
PARTS = re.compile(r"[\d路街道巷弄号区县镇乡村]")
"""A short run of characters without one of these is no address."""
BRANCH = re.compile(r"店[)）]?$")
SHORTEST = 4
LONGEST_NOTE = 20
"""Characters of a parenthesis that the head did not see the end of."""
NOTE = re.compile(r"[^()（）；;。！？!?\n]*[)）]")
COLUMN = re.compile(r"\t|\\(?![nr](?![a-z]))|&\s*\d")
r"""What stands between the columns of a table, of LaTeX too. `\n` and `\r` are escaped line breaks."""
CELL = re.compile(r"[^\s\\&|](?:[^\t\n\\&|]*[^\s\\&|])?")
"""Without the blanks around it."""
LETTER, DIGIT = re.compile(r"[^\W\d_]"), re.compile(r"\d")
OPEN, CLOSED = "(（", ")）"


def address_ranges(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """The addresses in `text[start:end]`, which the head took for one. What follows the end of a sentence is
    one if it names a road, a number or a district: no part of an address is lost to a line break."""
    if not CJK.search(text, start, end):
        if COLUMN.search(text, start, end):
            return list(_cells(text, start, end))
        return [(start, address_end(text, start, end))]
    start = _announced(text, start)
    borders = [start, *(stop.end() for stop in STOPS.finditer(text, start, end)), end]
    found = []
    for first, last in pairwise(borders):
        while first < last and text[first].isspace():
            first += 1
        if first == start or PARTS.search(text, first, last):
            found.append((first, address_end(text, first, last)))
    return found


def address_end(text: str, start: int, end: int) -> int:
    """The end of the address that the head found at `text[start:end]`; `start` if it is none."""
    if not CJK.search(text, start, end):
        if (kind := KIND.match(text, end)) and not KIND.search(text, start, end):
            end = kind.end()
        long = end - start >= SHORTEST or PARTS.search(text, start, end)
        return end if long and LETTER.search(text, start, end) else start
    if stop := STOPS.search(text, start, end):
        end = stop.start()
    if scrap := SCRAP.search(text[start:end]):
        end = start + scrap.start()
    end = _with_note(text, start, end)
    if (where := WHERE.match(text, end)) and not CJK.match(text, where.end()):
        end = where.end()
    found = text[start:end]
    named = PARTS.search(found) is not None
    return start if (len(found) < SHORTEST or BRANCH.search(found)) and not named else end


def _cells(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Those cells of a table that are an address by themselves: a number and a name."""
    for cell in CELL.finditer(text, start, end):
        if LETTER.search(cell[0]) and DIGIT.search(cell[0]):
            yield cell.span()


def _announced(text: str, start: int) -> int:
    """Where the address that the text announces begins, if the head found all but its first characters."""
    passed = FOLLOWS.search(text, max(0, start - ANNOUNCED), start)
    return passed.start(1) if passed else start


def _with_note(text: str, start: int, end: int) -> int:
    """With all of an open parenthesis, or without it."""
    found = text[start:end]
    opened = max(map(found.rfind, OPEN))
    if opened < 0 or any(mark in found[opened:] for mark in CLOSED):
        return end
    note = NOTE.match(text, end, end + LONGEST_NOTE)
    return note.end() if note else start + opened
