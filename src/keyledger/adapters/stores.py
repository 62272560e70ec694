"""How the shipped storages are opened; each is imported when its URL is used."""

from __future__ import annotations

import re
from pathlib import Path
from threading import TIMEOUT_MAX
from typing import TYPE_CHECKING
from urllib.parse import unquote

from keyledger.adapters.urls import is_ambiguous, masked, seen
from keyledger.domain.audit.ports import LedgerStorage
from keyledger.domain.errors import InvalidArgumentError, NotConfiguredError, StorageUnavailableError

if TYPE_CHECKING:
    from keyledger.adapters.registry import StorageOptions

DEFAULT_URLS = {"memory": "memory://", "sqlite": "sqlite:///keyledger.db"}
"""What the adapters open that need to be told nothing."""

MAX_CONNECTIONS = 262_143
"""The most that a PostgreSQL server may be told to allow."""

URLS = "sqlite:///file.db, sqlite:////absolute/file.db, postgresql://user@host/db or memory://"

_SCHEMA = re.compile(r"([?&])schema=([^&]*)&?")
_PASSWORD = "a URL whose password has %40 for @, %2F for /, %3F for ? and %23 for #"  # noqa: S105 - it is none


def memory(url: str, options: StorageOptions) -> LedgerStorage:
    """``memory://``: gone when it is closed."""
    from keyledger.adapters.memory.storage import MemoryStorage

    _has_no_pool(url, options)
    return MemoryStorage(options.mapper)


def sqlite(url: str, options: StorageOptions) -> LedgerStorage:
    """``sqlite:///relative.db`` or ``sqlite:////absolute.db``."""
    from keyledger.adapters.sqlite.storage import SQLiteStorage

    _has_no_pool(url, options)
    path = url.removeprefix("sqlite:///")
    if path == url or not path or ":memory:" in path or "?" in path:
        raise InvalidArgumentError("url", masked(url), URLS)
    if not options.create and not Path(path).exists():
        raise StorageUnavailableError(f"there is no ledger at {path!r}; a first write makes one")
    return SQLiteStorage(path, options.mapper, lock_timeout=options.lock_timeout, synchronous=options.synchronous)


def postgres(url: str, options: StorageOptions) -> LedgerStorage:
    """``postgresql://``, ``postgresql+psycopg://`` or ``postgres://``."""
    try:
        from keyledger.adapters.postgres.connections import Connections, OwnConnections, PoolSize
        from keyledger.adapters.postgres.host_connections import HostConnections
        from keyledger.adapters.postgres.storage import PostgresStorage
    except ImportError as error:
        raise NotConfiguredError(
            f"{url.partition(':')[0]}: needs the extra that brings psycopg: pip install 'keyledger[postgres]'"
        ) from error
    if is_ambiguous(url):
        raise InvalidArgumentError("url", "…", _PASSWORD)
    named = _SCHEMA.search(url)
    schema = unquote(named[2]) if named else options.schema
    timeout = min(options.pool_timeout, TIMEOUT_MAX)
    connections: Connections
    if options.pool is None:
        server = _SCHEMA.sub(r"\1", f"postgresql:{url.partition(':')[2]}").rstrip("?&")
        size = PoolSize(options.pool_size, options.max_overflow, timeout)
        connections = OwnConnections(server, schema, size, options.lock_timeout)
    else:
        connections = HostConnections(options.pool, schema, timeout, options.lock_timeout)
    return PostgresStorage(connections, options.mapper, schema=schema, create=options.create)


def _has_no_pool(url: str, options: StorageOptions) -> None:
    if options.pool is not None:
        raise InvalidArgumentError(
            "pool", seen(options.pool), f"a pool with a postgresql:// URL, not {masked(url)}"
        )
