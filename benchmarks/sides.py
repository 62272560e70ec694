"""The two sides of every comparison: what each can do, and keyledger's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import keyledger
from benchmarks.workload import ACTOR, PARTITION, RUN, Item, stream
from keyledger.domain.values import JSONValue

MAX_KEYS = 10_000_000


class Conflict(Exception):  # noqa: N818 - it is what hand-written SQL would meet and try again
    """The head had moved: never here, as each partition has one hand-written writer."""


class Side(Protocol):
    """One partition, as one program writes and reads it."""

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


class HandWritten(Side, Protocol):
    """The limit: SQL written for these rows alone."""

    def load(self, items: Iterable[Item]) -> None:
        """Set all of them in order in a new partition, by the fastest way to get the rows in."""


class Keyledger:
    """Ours, as users open it, without a quota."""

    def __init__(self, url: str, partition: str = PARTITION) -> None:
        self.ledger = keyledger.open(url, quota=None, max_keys=MAX_KEYS, max_value_bytes=1_000_000)
        self.kv = self.ledger.partition(partition, actor=ACTOR, run_id=RUN)
        self.set, self.get, self._stream = self.kv.set, self.kv.get, stream(partition)

    def batch(self, items: Sequence[Item]) -> object:
        """As :meth:`Side.batch`; what it returns is not asked for, as the other side makes nothing of the kind."""
        with self.kv.batch() as batch:
            for key, value in items:
                batch.set(key, value)
        return batch

    def forget(self) -> None:
        """As :meth:`Side.forget`: what nobody needs but a benchmark, and is never timed."""
        self.ledger._writer.forget(self._stream)  # noqa: SLF001

    def close(self) -> None:
        """As :meth:`Side.close`."""
        self.ledger.close()
