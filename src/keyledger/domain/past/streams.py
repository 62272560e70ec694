"""The streams that a partition's handle reads and writes: its own, and those of the dispatch trees."""

from __future__ import annotations

from itertools import accumulate
from typing import TypeVar

from keyledger.domain.engine import Engine
from keyledger.domain.records import Entry, Version
from keyledger.domain.scope import check_scope, stream_of

Sized = TypeVar("Sized", Entry, Version)


class Streams:
    """What finds the stream of a scope."""

    page_bytes: int | None

    _engine: Engine
    _stream: str

    def _open_stream(self, scope: str) -> str:
        """The stream that a scope's entries live in; ForkIncompleteError if it is a fork that is not finished."""
        check_scope(scope)
        stream = stream_of(self._stream, scope)
        self._engine.forks.check(stream)
        return stream

    def _fitting(self, items: tuple[Sized, ...]) -> tuple[Sized, ...]:
        """Those of a page's items that its bytes have room for, from the first on; the first always."""
        if self.page_bytes is None:
            return items
        filled = accumulate(item.size for item in items)
        return items[: max(1, sum(size <= self.page_bytes for size in filled))]
