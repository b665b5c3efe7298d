"""Readings of windows that were read before, the least recently used dropped beyond a byte limit."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from threading import Lock

from vsr.encoder.heads import WindowReading
from vsr.encoder.tokens import Ints

WindowKey = bytes


def window_key(bundle_digest: str, ids: Ints) -> WindowKey:
    """Names a window's content under one bundle; the digest of the bundle covers its window scheme."""
    return hashlib.blake2b(ids.tobytes(), digest_size=16, key=bytes.fromhex(bundle_digest)).digest()


class Memo:
    """Safe to use from several threads."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._bytes = 0
        self._readings: OrderedDict[WindowKey, WindowReading] = OrderedDict()
        self._lock = Lock()

    @property
    def nbytes(self) -> int:
        return self._bytes

    def get(self, key: WindowKey) -> WindowReading | None:
        with self._lock:
            reading = self._readings.get(key)
            if reading is not None:
                self._readings.move_to_end(key)
            return reading

    def put(self, key: WindowKey, reading: WindowReading) -> None:
        with self._lock:
            before = self._readings.pop(key, None)
            self._bytes += reading.nbytes - (before.nbytes if before else 0)
            self._readings[key] = reading
            while self._bytes > self._limit:
                self._bytes -= self._readings.popitem(last=False)[1].nbytes
