"""Text that belongs to people (prompts, answers, documents), and secrets.

Such text must never reach a log, a metric or a trace by accident, so it travels in `Content`,
which formats as its length and a short hash only. Whoever really needs the characters (the
tokenizer, a masker) says so by calling `reveal()`.
"""

from __future__ import annotations

import hashlib
import hmac


class Content:
    """An immutable piece of text whose `str`, `repr` and `format` never show it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The characters themselves. Never pass the result to a logger or an exception message."""
        return self._text

    def __len__(self) -> int:
        return len(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Content) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        digest = hashlib.sha256(self._text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        return f"<{len(self._text)} characters, sha256 {digest}>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("Content is not pickled: text must not leave the process unseen")


class Secret:
    """A credential. Compared only in constant time, shown never."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The credential itself, for the one header it belongs in."""
        return self._value

    def matches(self, presented: str) -> bool:
        return hmac.compare_digest(self._value.encode(), presented.encode("utf-8", "surrogatepass"))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.matches(other._value)

    def __hash__(self) -> int:
        return hash(("secret", self._value))

    def __repr__(self) -> str:
        return "<secret>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("Secret is not pickled")
