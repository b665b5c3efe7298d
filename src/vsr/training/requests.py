"""Hand-written harmless requests as people send them to a model, in eight languages.

Questions of exams and short prompts lack what real traffic is full of: tasks with conditions and pasted
text, roles to play, rules to keep to, code, complaints. `prompts/requests_LANG.txt` holds one a line, in
English and Chinese under the domain they are of. Each is harmless whatever it says.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files

from vsr.training.labels import DOMAINS
from vsr.training.rows import Row

WITH_DOMAIN = ("en", "zh")
WITHOUT_DOMAIN = ("de", "es", "fr", "pt", "ru", "ja")


def requests() -> Iterator[Row]:
    """A row for every line; a line is a group."""
    for lang in (*WITH_DOMAIN, *WITHOUT_DOMAIN):
        for number, (domain, text) in enumerate(_lines(lang)):
            kind = f"request/{lang}/{domain}" if domain else "benign/request/other"
            yield Row(
                text=text,
                source=f"own-request-{lang}",
                license="own",
                group=f"request:{lang}:{number}",
                lang=lang,
                stratum=kind,
                domain=domain,
                jailbreak="benign",
            )


def _lines(lang: str) -> Iterator[tuple[str | None, str]]:
    """(domain, text) of every line; the domain is the heading above it."""
    domain = None
    text = files("vsr.training").joinpath("prompts", f"requests_{lang}.txt").read_text(encoding="utf-8")
    for line in text.split("\n"):
        if line.startswith("[") and line[1:-1] in DOMAINS:
            domain = line[1:-1]
        elif line:
            yield domain, line.replace("\\n", "\n")
