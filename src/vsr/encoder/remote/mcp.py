"""Classification servers of the Model Context Protocol, over stdio or streamable HTTP.

A server offers `list_categories` ({"categories": [...]}), asked once, and `classify_text`, which gives
{"class", "confidence", "probabilities"}: the class is a number or a name, the probabilities, if there
are any, are in the order of the categories or by name. Needs the extra `mcp`.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from vsr.encoder.failures import EncoderFailed
from vsr.encoder.remote.answers import distribution, one_label
from vsr.encoder.remote.limits import Guarded, Limits, Nonsense

if TYPE_CHECKING:
    from mcp import Client, StdioServerParameters

logger = logging.getLogger(__name__)

CATEGORIES = "list_categories"
CLASSIFY = "classify_text"


@dataclass(frozen=True, slots=True)
class Stdio:
    """A server that is run as a child process. `env` is added to a small safe environment."""

    command: str
    args: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)


class MCPClassifier:
    """A `TextClassifier`. Made by `start`; a connection that broke is made anew by the next call."""

    def __init__(self, name: str, server: Stdio | str, tool: str, limits: Limits) -> None:
        self._guarded = Guarded(name, limits)
        self._server = server
        self._tool = tool
        self._labels: tuple[str, ...] = ()
        self._wants_probabilities = False
        self._connection: _Connection | None = None
        self._unanswered = 0

    @classmethod
    async def start(
        cls,
        name: str,
        server: Stdio | str,
        *,
        tool: str = CLASSIFY,
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> MCPClassifier:
        """server: how to run one, or the URL of one. Raises EncoderTimeout or EncoderFailed."""
        if find_spec("mcp") is None:
            raise EncoderFailed(f"{name} needs a package more: pip install 'vsr-router[mcp]'")
        classifier = cls(name, server, tool, limits)
        try:
            await classifier._guarded.call(classifier._introduce, None)
        except BaseException:
            await classifier.aclose()
            raise
        return classifier

    @property
    def name(self) -> str:
        return self._guarded.name

    @property
    def labels(self) -> tuple[str, ...]:
        return self._labels

    async def classify(self, texts: Sequence[str], *, deadline: float | None) -> list[Mapping[str, float]]:
        async def one(text: str) -> Mapping[str, float]:
            return await self._guarded.call(lambda: self._classify(text), deadline)

        return await self._guarded.each(texts, one)

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.aclose()

    async def _introduce(self) -> None:
        client = await (await self._connected()).client()
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        missing = [name for name in (CATEGORIES, self._tool) if name not in tools]
        if missing:
            raise Nonsense(f"it has no tool {missing[0]}")
        self._wants_probabilities = "with_probabilities" in tools[self._tool].input_schema.get(
            "properties", {}
        )
        self._labels = _categories(self._document(await client.call_tool(CATEGORIES, {})))

    async def _classify(self, text: str) -> Mapping[str, float]:
        connection = await self._connected()
        client = await connection.client()
        arguments: dict[str, Any] = {"text": text}
        if self._wants_probabilities:
            arguments["with_probabilities"] = True
        try:
            result = await client.call_tool(self._tool, arguments)
        except BaseException as error:
            # an error may mean that the server is gone, and so may silence, time after time: the next
            # call connects anew, unless another has
            self._unanswered += 1
            silent = isinstance(error, asyncio.CancelledError)
            if not silent or self._unanswered >= self._guarded.limits.failures:
                connection.give_up()
            raise
        self._unanswered = 0
        return _answer(self._document(result), self._labels)

    async def _connected(self) -> _Connection:
        """The connection of all calls, made anew if it broke."""
        before = self._connection
        if before is not None and not before.broken:
            return before
        # put in its place before the old one is closed: calls that come meanwhile share it
        self._connection = connection = _Connection(self._server)
        if before is not None:
            await before.aclose()
        return connection

    def _document(self, result: Any) -> Mapping[str, Any]:
        """The JSON object in a tool's answer, structured or as text."""
        if result.is_error:
            raise Nonsense("its tool reports an error")
        document = result.structured_content
        if not isinstance(document, dict) or set(document) == {"result"}:
            texts = [part.text for part in result.content if getattr(part, "type", "") == "text"]
            if not texts or len(texts[0]) > self._guarded.limits.answer_bytes:
                raise Nonsense("its tool answers with no text, or too much")
            try:
                document = json.loads(texts[0])
            except ValueError:
                raise Nonsense("its tool's answer is not JSON") from None
        if not isinstance(document, dict):
            raise Nonsense("its tool's answer is no JSON object")
        return document


class _Connection:
    """A client inside a task of its own, since it must be left in the task that entered it."""

    def __init__(self, server: Stdio | str) -> None:
        self._opened: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._over = asyncio.Event()
        self._task = asyncio.create_task(self._hold(server))

    @property
    def broken(self) -> bool:
        return self._task.done() or self._over.is_set()

    def give_up(self) -> None:
        self._over.set()

    async def client(self) -> Client:
        return await asyncio.shield(self._opened)

    async def aclose(self) -> None:
        self._over.set()
        if not self._opened.done():
            self._task.cancel()
        await asyncio.wait([self._task])

    async def _hold(self, server: Stdio | str) -> None:
        from mcp import Client  # an extra, and slow to import

        try:
            async with Client(_target(server)) as client:
                self._opened.set_result(client)
                await self._over.wait()
        except asyncio.CancelledError:
            self._fail(EncoderFailed("the connection was given up"))
            raise
        except BaseException as error:  # noqa: BLE001 - also groups of the SDK's task groups
            logger.warning("an MCP connection ended: %s", type(error).__name__)
            self._fail(EncoderFailed(f"cannot connect: {type(error).__name__}"))

    def _fail(self, error: EncoderFailed) -> None:
        if not self._opened.done():
            self._opened.set_exception(error)
            self._opened.exception()  # heard, even if nobody waits


def _target(server: Stdio | str) -> StdioServerParameters | str:
    from mcp import StdioServerParameters

    if isinstance(server, str):
        return server
    return StdioServerParameters(command=server.command, args=list(server.args), env=dict(server.env))


def _categories(document: Mapping[str, Any]) -> tuple[str, ...]:
    names = document.get("categories")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise Nonsense(f"{CATEGORIES} names no categories")
    if len(set(names)) != len(names):
        raise Nonsense(f"{CATEGORIES} names a category twice")
    return tuple(names)


def _answer(document: Mapping[str, Any], labels: Sequence[str]) -> Mapping[str, float]:
    scores = document.get("probabilities")
    if isinstance(scores, list) and len(scores) == len(labels):
        return distribution(dict(zip(labels, scores, strict=True)), labels)
    if isinstance(scores, dict) and scores:
        return distribution(scores, labels)
    found = document.get("class")
    if isinstance(found, int) and not isinstance(found, bool) and 0 <= found < len(labels):
        found = labels[found]
    return one_label(str(found), document.get("confidence"), labels)
