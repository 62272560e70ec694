"""The two sides of every comparison: what each can do, and keyledger's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import keyledger
from benchmarks.workload import ACTOR, PARTITION, RUN, STREAM, Item
from keyledger.domain.values import JSONValue

LOAD_BATCH = 1_000
MAX_KEYS = 10_000_000


class Conflict(Exception):  # noqa: N818 - it is what hand-written SQL would meet and try again
    """The head had moved: never here, as there is one writer."""


class Side(Protocol):
    """One partition, written and read by one thread."""

    def load(self, items: Sequence[Item]) -> None:
        """Set all of them in order, fast, in an empty partition."""

    def set(self, key: str, value: JSONValue) -> object:
        """Give a key a value."""

    def get(self, key: str) -> object:
        """Read a key: its columns, and its value as a Python object."""

    def batch(self, items: Sequence[Item]) -> object:
        """Set all of them, with keys that differ, in one transaction."""

    def forget(self) -> None:
        """Drop whatever was kept in memory about any key."""

    def close(self) -> None:
        """Release the connections."""


class Keyledger:
    """Ours, as users open it, without a quota."""

    def __init__(self, url: str, schema: str = "public") -> None:
        self._ledger = keyledger.open(url, quota=None, max_keys=MAX_KEYS, schema=schema)
        self._kv = self._ledger.partition(PARTITION, actor=ACTOR, run_id=RUN)
        self.set, self.get = self._kv.set, self._kv.get

    def load(self, items: Sequence[Item]) -> None:
        """As :meth:`Side.load`."""
        for start in range(0, len(items), LOAD_BATCH):
            self.batch(items[start : start + LOAD_BATCH])

    def batch(self, items: Sequence[Item]) -> object:
        """As :meth:`Side.batch`; what it returns is not asked for, as the other side makes nothing of the kind."""
        with self._kv.batch() as batch:
            for key, value in items:
                batch.set(key, value)
        return batch

    def forget(self) -> None:
        """As :meth:`Side.forget`."""
        self._ledger._writer.forget(STREAM)  # noqa: SLF001 - users have no reason to

    def close(self) -> None:
        """As :meth:`Side.close`."""
        self._ledger.close()
