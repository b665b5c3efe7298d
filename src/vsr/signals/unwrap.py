"""What disguised stretches of a text say: one function a disguise, each yielding start, end and reading.

Pure text in, pure text out. Which texts are worth the search is `disguise`'s to tell. What decodes to
nothing readable is no disguise and is left out.
"""

from __future__ import annotations

import base64
import codecs
import html
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator

Found = tuple[int, int, str]
"""start and end in the text, and what stands there."""

Knows = Callable[[str], bool]
"""Whether a word is one of a language that the encoder was made for."""

LEAST = 8
"""Shorter readings say too little to be an attack."""

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{24,}(?:\r?\n[A-Za-z0-9+/_-]{4,})*={0,2}")
_HEX = re.compile(
    r"(?<![0-9A-Za-z])(?:0x)?[0-9A-Fa-f]{2}(?:[ :,]?[0-9A-Fa-f]{2}){11,}[0-9A-Fa-f]?(?![0-9A-Za-z])"
)
_ESCAPES = re.compile(
    r"(?:\\x[0-9A-Fa-f]{2})+|(?:\\u[0-9A-Fa-f]{4})+|(?:%[0-9A-Fa-f]{2})+|(?:&#(?:[xX][0-9A-Fa-f]{1,6}|[0-9]{1,9});)+"
)
_ESCAPED_LETTERS = 4
"""Escapes of fewer letters and digits hide nothing."""
_SINGLES = re.compile(r"(?<![^\W_])[A-Za-z](?:[ .\-_*|/,+~\r\n]{1,6}[A-Za-z](?![^\W_])){4,}")
_GAP = re.compile(r"[ .\-_*|/,+~\r\n]+")
_LEET_WORD = re.compile(
    r"(?<![\w@$])(?=[\w@$]*[A-Za-z])(?=[\w@$]*[0134578@$])[A-Za-z0134578@$]{3,}(?![\w@$])"
)
_LEET_WORDS = 3
_LEET = str.maketrans("0134578@$", "oieastbas")
_LEET_L = str.maketrans("0134578@$", "oleastbas")
_TAGS = re.compile("[\U000e0020-\U000e007e]{4,}")
_CLAUSE = re.compile('[^\n:;.!?"。：]{8,}')
_WORD = re.compile("[a-z]{3,}")
_FEWEST_WORDS = 2
_LANGUAGE, _GIBBERISH = 0.6, 0.34
"""Shares of known words: English has nine in ten, turned English one in twenty."""
_ROLES = "system|user|assistant|human|developer|tool"
_MARKUP = re.compile(
    rf"<\|(?:im_start|start_header_id)\|>(?:{_ROLES})?(?:<\|end_header_id\|>)?\n?"
    rf"|<\|(?:im_end|end_header_id|eot_id|end|endoftext|begin_of_text|{_ROLES})\|>\n?"
    rf"|<start_of_turn>(?:user|model|system)?\n?|<end_of_turn>|\[/?INST\]|<</?SYS>>|</?(?:{_ROLES})>"
    rf"|^#{{2,4}} ?(?:{_ROLES})s?:?[ ]*$",
    re.IGNORECASE | re.MULTILINE,
)
_INVISIBLE = dict.fromkeys(
    [0xAD, *range(0x200B, 0x2010), *range(0x2060, 0x2065), *range(0x20DD, 0x20E5), 0xFEFF]
)
_ENCLOSED = {
    first + place: letter
    for first in (0x249C, 0x1F110, 0x1F150, 0x1F170, 0x1F1E6)
    for place, letter in enumerate(string.ascii_lowercase)
}
"""Letters in parentheses, in dark circles and squares, and those that flags are written with: NFKC leaves
them as they are, or in their parentheses."""
_BARE = {**_INVISIBLE, **_ENCLOSED}
_LOOKALIKES = str.maketrans(
    "асеорхуіјѕԁһкмтвгпАСЕОРХУІЈЅНКМТВαεικνορτυχωΑΒΕΖΗΙΚΜΝΟΡΤΥΧᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡʏᴢ",
    "aceopxyijsdhkmtbrnACEOPXYIJSHKMTBaeiknoptuxwABEZHIKMNOPTYXabcdefghijklmnopqrstuvwyz",
)
ODD = (
    "\u00ad\u200b-\u200f\u2060-\u2064\u20dd-\u20e4\ufeff"  # nobody sees them, or they are drawn around others
    "\u02b0-\u02b8\u02e0-\u02e4\u1d2c-\u1dbf\u2071\u207f\u2090-\u209c\u2c7c\u2c7d"  # above and below
    "\u0262\u026a\u0274\u0280\u028f\u0299\u029c\u029f\u1d00-\u1d2b\ua730\ua731\ua7af"  # small capitals
    "\uff21-\uff5a\u2100-\u214f\U0001d400-\U0001d7ff"
    "\u2460-\u24ff\U0001f110-\U0001f189\U0001f1e6-\U0001f1ff"  # enclosed
)
"""What stands for letters, or between them, as the inside of a class of a pattern."""
_ODD = re.compile(f"[{ODD}\u0370-\u052f]+")


def from_hex(text: str) -> Iterator[Found]:
    """Hexadecimal of 24 digits and more, in pairs that may stand apart; one digit too many is left out."""
    for match in _HEX.finditer(text):
        digits = re.sub(r"[^0-9A-Fa-f]", "", match.group().removeprefix("0x"))
        reading = _readable(bytes.fromhex(digits[: len(digits) // 2 * 2]))
        if reading:
            yield match.start(), match.end(), reading


def from_base64(text: str) -> Iterator[Found]:
    """Base64 of 24 characters and more, in both alphabets, its lines joined."""
    for match in _BASE64.finditer(text):
        letters = re.sub(r"[\r\n=]", "", match.group()).replace("-", "+").replace("_", "/")
        letters = letters[: len(letters) - (len(letters) % 4 == 1)]
        reading = _readable(base64.b64decode(letters + "=" * (-len(letters) % 4)))
        if reading:
            yield match.start(), match.end(), reading


def escaped(text: str) -> Iterator[Found]:
    r"""Runs of `\x69`, `\u0069`, `%69` and `&#105;`."""
    for start, end, reading in _escapes(text):
        if _said(reading):
            yield start, end, reading


def scattered(text: str) -> Iterator[Found]:
    r"""`\u0049gn\u006fre`: escapes in the midst of words, if they hide four letters or digits beside what
    runs of them say. Blanks, marks and bytes that are no text (`%20`, `\x00`) do not count."""
    found = [one for one in _escapes(text) if _is_lettered(one[2])]
    apart = (reading for _, _, reading in found if not _said(reading))
    if sum(character.isalnum() for reading in apart for character in reading) >= _ESCAPED_LETTERS:
        yield from found


def lettered(text: str) -> Iterator[Found]:
    """`i g n o r e`: letters that stand alone. The commonest gap separates letters, any other words.
    `a, b, c, d, e` is no word but a list."""
    for match in _SINGLES.finditer(text):
        run = match.group()
        (usual, _), *_ = Counter(_GAP.findall(run)).most_common(1)
        joined = _GAP.sub(lambda gap: "" if gap.group() == usual else " ", run)  # noqa: B023 - used at once
        if joined.lower() not in string.ascii_lowercase:
            yield match.start(), match.end(), joined


def substituted(text: str, knows: Knows) -> Iterator[Found]:
    """`1gn0r3`: at least three words of letters and the digits that look like letters."""
    words = list(_LEET_WORD.finditer(text))
    if len(words) >= _LEET_WORDS:
        for word in words:
            reading, other = (word.group().translate(table) for table in (_LEET, _LEET_L))
            yield word.start(), word.end(), other if knows(other) and not knows(reading) else reading


def rotated(text: str, knows: Knows) -> Iterator[Found]:
    """Clauses that make sense by rot13 only."""
    yield from _clauses(text, knows, lambda clause: codecs.encode(clause, "rot13"))


def mirrored(text: str, knows: Knows) -> Iterator[Found]:
    """Clauses that make sense from right to left only."""
    yield from _clauses(text, knows, lambda clause: clause[::-1])


def mixed(text: str) -> Iterator[Found]:
    """Full-width, mathematical, small, raised, enclosed and foreign look-alikes as the letters they look
    like; characters that nobody sees left out."""
    for match in _ODD.finditer(text):
        yield match.start(), match.end(), plain_letters(match.group())


def unmarked(text: str) -> Iterator[Found]:
    """The marks that chat templates put around a message of a role: no more than a gap to a reader."""
    for match in _MARKUP.finditer(text):
        yield match.start(), match.end(), "\n"


def smuggled(text: str) -> Iterator[Found]:
    """ASCII written in Unicode's invisible tag characters, which models read and people do not see."""
    for match in _TAGS.finditer(text):
        yield match.start(), match.end(), "".join(chr(ord(c) - 0xE0000) for c in match.group())


def _clauses(text: str, knows: Knows, turn: Callable[[str], str]) -> Iterator[Found]:
    for match in _CLAUSE.finditer(text):
        clause = match.group()
        turned = turn(clause)
        if _known(turned, knows) >= _LANGUAGE and _known(clause, knows) <= _GIBBERISH:
            yield match.start(), match.end(), turned


def _known(clause: str, knows: Knows) -> float:
    """The share of known words; 0 if there are too few to tell."""
    words = _WORD.findall(clause.lower())
    return sum(map(knows, words)) / len(words) if len(words) >= _FEWEST_WORDS else 0.0


def plain_letters(text: str) -> str:
    """The text in the Latin letters that it looks like."""
    return unicodedata.normalize("NFKC", text.translate(_BARE)).translate(_LOOKALIKES)


def _escapes(text: str) -> Iterator[Found]:
    for match in _ESCAPES.finditer(text):
        yield match.start(), match.end(), _unescaped(match.group())


def _unescaped(text: str) -> str:
    if text.startswith("&"):
        return html.unescape(text)
    if text.startswith("%"):
        return bytes.fromhex(text.replace("%", "")).decode("utf-8", "replace")
    if text.startswith("\\x"):
        return bytes.fromhex(text.replace("\\x", "")).decode("utf-8", "replace")
    return bytes.fromhex(text.replace("\\u", "")).decode("utf-16-be", "replace")


def _readable(data: bytes) -> str:
    """The bytes as text, nothing if they are none. A few odd ones among them hide nothing."""
    return _said(data.decode("utf-8", "replace"))


def _said(text: str) -> str:
    """The text if it is language: words with blanks between them, or characters that need none."""
    if len(text) < LEAST:
        return ""
    letters = sum(character.isalpha() or character == " " for character in text)
    blank = " " in text or any("\u3040" <= character <= "\u9fff" for character in text)
    return text if blank and letters >= 0.7 * len(text) else ""


def _is_lettered(text: str) -> bool:
    """Hardly anything but letters, digits and blanks."""
    return sum(character.isalnum() or character == " " for character in text) >= 0.7 * len(text)
