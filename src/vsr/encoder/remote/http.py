"""JSON to a service over HTTP and back, bounded in time and size; no redirects, no proxy of the
environment."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import aiohttp

from vsr.encoder.remote.limits import Broken, Guarded, Limits, Nonsense

T = TypeVar("T")
DEFAULT = Limits()
_OF_THE_SERVICE: Final = frozenset({401, 403, 404, 408, 429})
"""Statuses of a client's error that are not about what was sent, such as a text that is too long."""


class HTTPService:
    """`url` is the base that paths are appended to, as in http://127.0.0.1:8000/v1; `key` goes out as a
    bearer token. Belongs to one event loop; the connection pool is opened by the first call."""

    def __init__(self, name: str, url: str, *, key: str = "", limits: Limits = DEFAULT) -> None:
        self.guarded = Guarded(name, limits)
        self._url = url.rstrip("/")
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._session: aiohttp.ClientSession | None = None

    @property
    def name(self) -> str:
        return self.guarded.name

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(
        self, path: str, body: Mapping[str, object], read: Callable[[Any], T], deadline: float | None
    ) -> T:
        """What `read` makes of the answer's JSON; it raises Nonsense for an answer of no use. Raises
        Overloaded, EncoderTimeout, EncoderFailed."""

        async def work() -> T:
            answer = await self._post(path, body)
            try:
                return read(answer)
            except Nonsense:
                raise
            except Exception as error:  # noqa: BLE001 - what a model writes may break what reads it
                raise Nonsense(f"its answer cannot be read: {type(error).__name__}") from None

        return await self.guarded.call(work, deadline)

    async def _post(self, path: str, body: Mapping[str, object]) -> Any:
        if self._session is None:
            limits = aiohttp.ClientTimeout(total=self.guarded.limits.timeout)
            self._session = aiohttp.ClientSession(timeout=limits, headers=self._headers)
        url = f"{self._url}/{path}"
        async with self._session.post(url, json=body, allow_redirects=False) as response:
            if response.status != 200:
                refused = 400 <= response.status < 500 and response.status not in _OF_THE_SERVICE
                kind = Nonsense if refused else Broken
                raise kind(f"it answered with status {response.status}")
            limit = self.guarded.limits.answer_bytes
            answer = bytearray()
            async for part in response.content.iter_any():
                answer += part
                if len(answer) > limit:
                    raise Nonsense(f"its answer is longer than {limit} bytes")
        try:
            return json.loads(answer)
        except ValueError:
            raise Nonsense("its answer is not JSON") from None
