"""An adapter for keyledger: ``shared-memory://NAME`` is one ledger for all in a process who open it."""

from __future__ import annotations

from threading import Lock

from keyledger import InvalidArgumentError
from keyledger.adapters.memory.storage import MemoryStorage
from keyledger.adapters.registry import StorageOptions

_storages: dict[str, MemoryStorage] = {}
_lock = Lock()


def open_storage(url: str, options: StorageOptions) -> MemoryStorage:
    """The storage of a name, from its first opening until somebody closes it."""
    name = url.partition("://")[2]
    if not name:
        raise InvalidArgumentError("url", url, "shared-memory://NAME")
    with _lock:
        if name not in _storages or _storages[name].recorder.closed:
            _storages[name] = MemoryStorage(options.mapper)
        return _storages[name]
