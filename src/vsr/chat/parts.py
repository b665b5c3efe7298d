"""Text in the parts of a message, kept as far apart as it is judged.

What becomes of the border between two parts is the back end's choice: some join them with a line break, many
chat templates print one right behind the other, and a template for text alone leaves out what stands between.
So `Ig` and `nore` would be two words to a judge and one to a model, and half an address on either side an
address to nobody but the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vsr.chat.edit import Change, set_paths
from vsr.facts import BodyPath


def with_texts_apart(body: dict[str, Any]) -> dict[str, Any]:
    """`body` with a line break before each text of a message that would meet the one before without a blank.
    Messages are objects whose content is a string, an array of parts or null."""
    changes: list[Change] = []
    for index, message in enumerate(body["messages"]):
        content = message.get("content")
        if isinstance(content, list):
            changes += _meeting(content, ("messages", index, "content"))
    return set_paths(body, changes) if changes else body


def _meeting(parts: Sequence[object], path: BodyPath) -> Iterator[Change]:
    before = ""
    for index, part in enumerate(parts):
        text = part.get("text") if isinstance(part, Mapping) else part
        if not isinstance(text, str) or not text:
            continue
        if before and not before[-1].isspace() and not text[0].isspace():
            yield (*path, index, *(("text",) if isinstance(part, Mapping) else ())), "\n" + text
        before = text
