"""``diskcache.Cache``, told to keep everything and to sync every commit."""

from __future__ import annotations

from pathlib import Path

from diskcache import Cache

from keyledger.domain.values import JSONValue

_SYNCHRONOUS_FULL = 2


class DiskCache:
    """A cache in a folder of its own, beside the database file that it does not use."""

    def __init__(self, url: str) -> None:
        folder = Path(url.removeprefix("sqlite:///")).parent / "diskcache"
        self._cache = Cache(
            folder, eviction_policy="none", sqlite_synchronous=_SYNCHRONOUS_FULL, size_limit=1 << 40
        )

    def set(self, key: str, value: JSONValue) -> object:
        """As :meth:`Store.set`."""
        return self._cache.set(key, value)

    def get(self, key: str) -> object:
        """As :meth:`Store.get`."""
        return self._cache[key]

    def close(self) -> None:
        """As :meth:`Store.close`."""
        self._cache.close()
