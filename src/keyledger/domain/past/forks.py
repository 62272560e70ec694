"""Which partitions may be used: all but forks that are not finished."""

from __future__ import annotations

from keyledger.domain.errors import ForkIncompleteError
from keyledger.domain.ports import Storage
from keyledger.domain.scope import name_of

_KNOWN = 10_000


class Forks:
    """Knows which streams are no unfinished forks. One that was used and is none never becomes one."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._whole: dict[str, None] = {}

    def check(self, stream: str) -> None:
        """Raise ForkIncompleteError if the stream is a fork that is not finished."""
        if stream in self._whole:
            return
        state = self._storage.load(stream, ()).state
        if state.forking:
            raise ForkIncompleteError(name_of(stream))
        if state.revision:
            if len(self._whole) >= _KNOWN:
                self._whole.clear()
            self._whole[stream] = None
