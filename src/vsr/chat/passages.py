"""Everything in a chat request that can reach a model as text, as passages in conversation order.

The rule is the opposite of a list of known fields: every string, and every number long enough to identify
somebody, is read unless `fields` says why it need not be. Nothing changes its length, so that offsets lead
back into the body.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vsr.chat import fields
from vsr.chat.harness import Piece, split
from vsr.chat.json_text import as_parsed
from vsr.content import Content
from vsr.errors import TooLarge
from vsr.facts import BodyPath, Leaf, Passage, Role

MAX_VALUES = 100_000  # strings, arrays and objects of one request; walking that many takes about 0.5 s


@dataclass(frozen=True, slots=True)
class Reading:
    """turns: per message in which a person asks something, its passages without what the harness put
    there. ask: the last of them, or the last user message if no person spoke. ends_with_person: a tool's
    result does not follow. unread: kinds of content that are no text (image, audio, video, file)."""

    passages: tuple[Passage, ...]
    ask: tuple[int, ...]
    unread: tuple[str, ...]
    turns: tuple[tuple[int, ...], ...] = ()
    ends_with_person: bool = False


def read_passages(body: Mapping[str, Any]) -> Reading:
    """Reads a body whose messages are an array of objects with a string as role.

    A message gives one passage with what it says, or up to three where a harness wrote around a person's
    words, and if there is more (a name, tool calls, unknown fields), another one. The other top-level
    fields follow. TooLarge for a body of too many values.
    """
    reader = _Reader()
    for index, message in enumerate(body["messages"]):
        reader.message(index, message)
    for name, value in body.items():
        if name != "messages" and name not in fields.CONTROL_FIELDS:
            reader.field(name, value)
    return Reading(
        passages=tuple(reader.passages),
        ask=reader.ask,
        unread=tuple(reader.unread),
        turns=tuple(reader.turns),
        ends_with_person=reader.ends_with_person,
    )


class _Reader:
    """Collects passages. `unread` is a dict for its order."""

    def __init__(self) -> None:
        self.passages: list[Passage] = []
        self.ask: tuple[int, ...] = ()
        self.turns: list[tuple[int, ...]] = []
        self.ends_with_person = False
        self.unread: dict[str, None] = {}
        self._values = 0

    def message(self, index: int, message: Mapping[str, Any]) -> None:
        self._count()
        base: BodyPath = ("messages", index)
        role = message["role"]
        kind = fields.ROLES.get(role, "other")
        more: list[Piece] = [] if role in fields.ROLES else [((*base, "role"), role, 0)]
        said = self._content(message.get("content"), (*base, "content"), more)
        for name, value in message.items():
            if name in ("role", "content"):
                continue
            self._key(name, more)
            self._collect(value, (*base, name), more)
        if role == "user":
            self._user(said)
        else:
            self._keep(kind, said)
            self.ends_with_person = self.ends_with_person and kind != "tool"
        self._keep(kind, more)

    def _user(self, said: list[Piece]) -> None:
        """A message of nothing but harness text leaves the ask where it was."""
        before, asked, after = split(said)
        first = len(self.passages)
        self._keep("user", before)
        asks = len(self.passages)
        self._keep("user", asked)
        end = len(self.passages)
        self._keep("user", after)
        if asked:
            self.turns.append(tuple(range(asks, end)))
            self.ends_with_person = True
        if asked or not (before or after):
            self.ask = tuple(range(asks, end))
        elif not self.turns:
            self.ask = tuple(range(first, len(self.passages)))

    def field(self, name: str, value: object) -> None:
        if name in fields.LISTS_OF_TEXTS and isinstance(value, list):
            for index, item in enumerate(value):
                self._field((name, index), item)
        elif name in fields.OPTION_OBJECTS and isinstance(value, dict):
            pieces: list[Piece] = []
            for option, item in value.items():
                self._collect(item, (name, option), pieces)
            self._keep("other", pieces)
        else:
            self._field((name,), value)

    def _field(self, path: BodyPath, value: object) -> None:
        pieces: list[Piece] = []
        self._collect(value, path, pieces)
        self._keep("other", pieces)

    def _content(self, content: object, path: BodyPath, more: list[Piece]) -> list[Piece]:
        """What the message says; anything else in its parts goes to `more`."""
        said: list[Piece] = []
        if not isinstance(content, list):
            self._collect(content, path, said)
            return said
        for index, part in enumerate(content):
            where = (*path, index)
            if not isinstance(part, dict):
                self._collect(part, where, said)
                continue
            self._count()
            self._note_unread(fields.MEDIA_PARTS.get(part["type"], ""))
            for name, value in part.items():
                if name == "text":
                    self._collect(value, (*where, name), said)
                else:
                    self._key(name, more)
                    self._collect_part(value, (*where, name), more)
        return said

    def _collect_part(self, value: object, path: BodyPath, into: list[Piece]) -> None:
        """As `_collect`, for a part's fields: bytes of media, directly or one level down, are not text, but
        for a file of text, which is read and cannot be rewritten."""
        if isinstance(value, dict):
            self._count()
            for name, item in value.items():
                self._key(name, into)
                self._collect_medium(item, (*path, name), into)
        else:
            self._collect_medium(value, path, into)

    def _collect_medium(self, value: object, path: BodyPath, into: list[Piece]) -> None:
        kind = fields.media_kind(path, value) if isinstance(value, str) else ""
        if not isinstance(value, str) or not kind:
            self._collect(value, path, into)
        elif text := fields.text_of_file(value):
            self._count()
            into.append(((), as_parsed(text), 0))
        else:
            self._note_unread(kind)

    def _collect(self, value: object, path: BodyPath, into: list[Piece]) -> None:
        if isinstance(value, str):
            self._count()
            if not fields.says_nothing(path, value):
                into.append((path, as_parsed(value), 0))
        elif isinstance(value, list):
            self._count()
            for index, item in enumerate(value):
                self._collect(item, (*path, index), into)
        elif isinstance(value, dict):
            self._count()
            for name, item in value.items():
                self._key(name, into)
                self._collect(item, (*path, name), into)
        else:
            number = fields.number(path, value)
            if number:
                self._count()
                into.append((path, number, 0))

    def _key(self, name: str, into: list[Piece]) -> None:
        if fields.is_read_key(name):
            self._count()
            into.append(((), name, 0))

    def _keep(self, role: Role, pieces: Sequence[Piece]) -> None:
        passage = join(role, pieces)
        if passage is not None:
            self.passages.append(passage)

    def _note_unread(self, kind: str) -> None:
        if kind:
            self.unread[kind] = None

    def _count(self) -> None:
        self._values += 1
        if self._values > MAX_VALUES:
            raise TooLarge(f"the request must not consist of more than {MAX_VALUES} separate values")


def join(role: Role, pieces: Sequence[Piece]) -> Passage | None:
    """One passage of all pieces that are not blank, a line break between them."""
    texts: list[str] = []
    leaves: list[Leaf] = []
    position = 0
    for path, text, offset in pieces:
        if not text or text.isspace():
            continue
        leaves.append(Leaf(position, position + len(text), path, offset))
        texts.append(text)
        position += len(text) + 1
    return Passage(role, Content("\n".join(texts)), tuple(leaves)) if texts else None
