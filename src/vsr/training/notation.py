"""Formulas and quantities as LaTeX, or without it.

Among the training rows nearly every Chinese question with a dollar sign is one of mathematics, so a head
learns that the sign says mathematics, and takes physics and chemistry in LaTeX for it. Exam questions of all
subjects are therefore rewritten at random, in both directions; in English, where all subjects use it, only
without. Only the notation changes, not the content.
"""

from __future__ import annotations

import random
import re

_MATHS = re.compile(r"\$\$?(.+?)\$\$?|\\\((.+?)\\\)", re.DOTALL)
_REMAINS = re.compile(r"[\\{}^]")
_COMMAND = re.compile(r"\\(?:mathrm|text|mathbf|left|right|mathit|rm)\b\s*")
_SYMBOLS = (("\\times", "×"), ("\\cdot", "·"), ("\\leq", "≤"), ("\\geq", "≥"), ("\\pi", "π"), ("\\%", "%"))

_FORMULA = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+\-=×·^/%°()–→~<>≥≤ ]*[A-Za-z0-9%)°+]|[A-Za-z0-9]")
"""A run of Latin letters, digits and signs between Chinese characters: a quantity, a formula or a name."""
_SUBSCRIPT = re.compile(r"(?<=[A-Za-z)])(\d+)")
_CHEMICAL = re.compile(r"(?:[A-Z][a-z]?\d*){2,}[+\-]?")


def plain(text: str) -> str:
    """LaTeX's signs and commands left out: `$v=3 \\mathrm{m/s}$` becomes `v=3 m/s`."""
    for command, sign in _SYMBOLS:
        text = text.replace(command, sign)
    text = _MATHS.sub(lambda match: match[1] or match[2], text)
    text = _COMMAND.sub("", text)
    return re.sub(r"[{}\\]", "", text).replace("_", "")


def latex(text: str, chance: random.Random) -> str:
    """Formulas and quantities of a Chinese text between dollar signs, each with a chance of four fifths, in
    one manner."""
    around = chance.choice((" ${}$ ", "${}$", "$${}$$", "\\({}\\)", "$\\mathrm{{{}}}$"))

    def marked(match: re.Match[str]) -> str:
        return around.format(_formula(match[0])) if chance.random() < 0.8 else match[0]

    return _FORMULA.sub(marked, text)


def rewritten(text: str, lang: str, chance: random.Random) -> str:
    """Half of the texts as they are; of the others, those with LaTeX without it, Chinese ones without it
    with it."""
    if chance.random() < 0.5:
        return text
    if _MATHS.search(text):
        return plain(text)
    # what looks like LaTeX that lost its signs stays: marking it again would make it worse
    return latex(text, chance) if lang == "zh" and not _REMAINS.search(text) else text


def _formula(run: str) -> str:
    run = run.replace("×", "\\times ").replace("%", "\\%").replace("°", "^{\\circ}")
    if _CHEMICAL.fullmatch(run):
        return "\\mathrm{" + _SUBSCRIPT.sub(r"_{\1}", run) + "}"
    return _SUBSCRIPT.sub(r"_{\1}", run)
