"""The streams that a partition's handle reads and writes: its own, and those of the dispatch trees."""

from __future__ import annotations

from keyledger.domain.engine import Engine
from keyledger.domain.scope import check_scope, stream_of


class Streams:
    """What finds the stream of a scope."""

    _engine: Engine
    _stream: str

    def _open_stream(self, scope: str) -> str:
        """The stream that a scope's entries live in; ForkIncompleteError if it is a fork that is not finished."""
        check_scope(scope)
        stream = stream_of(self._stream, scope)
        self._engine.forks.check(stream)
        return stream
