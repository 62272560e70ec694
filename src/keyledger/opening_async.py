"""Opening a ledger for asyncio."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from keyledger.domain.audit.telemetry import Telemetry
from keyledger.domain.engine import Redact
from keyledger.domain.ports import Clock
from keyledger.domain.quota import DEFAULT_QUOTA_BYTES, DEFAULT_TREE_BYTES, MAX_KEYS
from keyledger.domain.skills.options import ValidateOptions
from keyledger.domain.values import MAX_VALUE_BYTES
from keyledger.opening import DEFAULT_LOCK_TIMEOUT, DEFAULT_MAX_OVERFLOW, DEFAULT_POOL_TIMEOUT, DEFAULT_URL
from keyledger.opening import open as open_ledger

if TYPE_CHECKING:
    from eventsourcing.persistence import Cipher, Compressor
    from psycopg_pool import ConnectionPool

    from keyledger.adapters.aio.opening import Opening


def open_async(
    url: str = DEFAULT_URL,
    *,
    quota: int | None = DEFAULT_QUOTA_BYTES,
    global_quota: int | None = None,
    max_value_bytes: int = MAX_VALUE_BYTES,
    max_keys: int = MAX_KEYS,
    tree_quota: int = DEFAULT_TREE_BYTES,
    lock_timeout: float = DEFAULT_LOCK_TIMEOUT,
    create: bool = True,
    synchronous: Literal["FULL", "NORMAL"] = "FULL",
    schema: str = "public",
    pool_size: int = 0,
    max_overflow: int = DEFAULT_MAX_OVERFLOW,
    pool_timeout: float = DEFAULT_POOL_TIMEOUT,
    pool: ConnectionPool[Any] | None = None,
    skill_options: ValidateOptions | None = None,
    tier_quotas: Mapping[str, int] | None = None,
    redact: Redact | None = None,
    telemetry: Telemetry | None = None,
    enforce_flags: bool = True,
    clock: Clock | None = None,
    cipher: Cipher | None = None,
    compressor: Compressor | None = None,
) -> Opening:
    """Open a ledger for asyncio: as :func:`keyledger.open`, to be awaited or entered by ``async with``.

    ``pool_size + max_overflow``, or the ``max_size`` of a host's ``pool``, is with every store the most threads
    that read and commit, beside as many for imports, sweeps and rebuilds. It does not bound the tasks.
    """
    from keyledger.adapters.aio.opening import Opening  # noqa: PLC0415 - imports asyncio, which takes 20 ms

    connect = partial(
        open_ledger,
        url,
        quota=quota,
        global_quota=global_quota,
        max_value_bytes=max_value_bytes,
        max_keys=max_keys,
        tree_quota=tree_quota,
        lock_timeout=lock_timeout,
        create=create,
        synchronous=synchronous,
        schema=schema,
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_timeout=pool_timeout,
        pool=pool,
        skill_options=skill_options,
        tier_quotas=tier_quotas,
        redact=redact,
        telemetry=telemetry,
        enforce_flags=enforce_flags,
        clock=clock,
        cipher=cipher,
        compressor=compressor,
    )
    return Opening(connect, lambda: pool_size + max_overflow if pool is None else pool.max_size)
