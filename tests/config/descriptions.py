"""Descriptions of all keys, from the tables of docs/configuration.md.

`python -m tests.config.descriptions` renews what `vsr config schema` tells editors, after the page changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "configuration.md"
TARGET = ROOT / "src" / "vsr" / "config" / "descriptions.json"


def descriptions(page: str) -> Mapping[str, str]:
    """What the tables of docs/configuration.md say about each key, as plain text."""
    found, prefix = {}, ""
    for line in page.split("## What lint finds")[0].splitlines():
        if line.startswith("#"):
            heading = re.fullmatch(r"### `(.+)`", line)
            prefix = f"{heading[1]}." if heading else ""
        elif row := re.match(r"\| `([^`]+)` \| ?(.*?) ?\| ?(.*?) ?\|$", line):
            default, meaning = (re.sub(r"[`*]", "", text).replace("\\|", "|") for text in row.groups()[1:])
            tail = f"Default: {default}." if default not in ("", "required", "none") else ""
            found[prefix + row[1]] = " ".join(filter(None, (f"{meaning}." if meaning else "", tail)))
    return {path: text for path, text in found.items() if text}


def rendered() -> str:
    found = descriptions(PAGE.read_text(encoding="utf-8"))
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    TARGET.write_text(rendered(), encoding="utf-8")
