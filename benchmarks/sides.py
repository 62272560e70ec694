"""The two sides of every comparison: what each can do, and keyledger's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import orjson

import keyledger
from benchmarks.workload import ACTOR, PARTITION, RUN, SCOPE, STREAM, Item
from keyledger.domain.commands import Attribution, Batch, PartitionCommand, Set
from keyledger.domain.quota import Limits
from keyledger.domain.values import JSONValue

LOAD_BATCH = 1_000
_LIMITS = Limits(max_bytes=None, max_keys=10_000_000)


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
        self._ledger = keyledger.open(url, quota=None, max_keys=_LIMITS.max_keys, schema=schema)
        self._writer = self._ledger._writer  # noqa: SLF001 - to load and to forget, which is never timed
        self._kv = self._ledger.partition(PARTITION, actor=ACTOR, run_id=RUN)
        self.set, self.get = self._kv.set, self._kv.get

    def load(self, items: Sequence[Item]) -> None:
        """As :meth:`Side.load`: by the writer, as a batch that repeats a key looks up what it returns for each."""
        for start in range(0, len(items), LOAD_BATCH):
            some = items[start : start + LOAD_BATCH]
            actions = tuple(Set(SCOPE, key, orjson.dumps(value)) for key, value in some)
            by = Attribution(self._writer.new_request_id(), ACTOR, RUN)
            self._writer.execute(STREAM, PartitionCommand(Batch(actions), by, _LIMITS))

    def batch(self, items: Sequence[Item]) -> object:
        """As :meth:`Side.batch`; what it returns is not asked for, as the other side makes nothing of the kind."""
        with self._kv.batch() as batch:
            for key, value in items:
                batch.set(key, value)
        return batch

    def forget(self) -> None:
        """As :meth:`Side.forget`."""
        self._writer.forget(STREAM)

    def close(self) -> None:
        """As :meth:`Side.close`."""
        self._ledger.close()
