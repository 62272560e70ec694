"""Opening a ledger: the one place that knows every part and puts them together."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakSet

from keyledger.adapters.clock import SystemClock
from keyledger.adapters.event_mapper import EventMapper
from keyledger.adapters.json_codec import OrjsonCodec
from keyledger.adapters.otel.detection import detected
from keyledger.adapters.registry import StorageOptions, open_storage
from keyledger.adapters.stores import DEFAULT_URLS, MAX_CONNECTIONS
from keyledger.domain import arguments
from keyledger.domain.audit.ports import LedgerStorage
from keyledger.domain.audit.telemetry import Telemetry
from keyledger.domain.engine import Engine, Redact, Settings
from keyledger.domain.errors import InvalidArgumentError, NotConfiguredError
from keyledger.domain.ledger import Ledger
from keyledger.domain.ports import Clock, JSONCodec
from keyledger.domain.quota import DEFAULT_QUOTA_BYTES, DEFAULT_TREE_BYTES, MAX_KEYS, Limits
from keyledger.domain.scope import MAX_ID_BYTES, check_text
from keyledger.domain.skills.options import TIERS, ValidateOptions
from keyledger.domain.values import MAX_VALUE_BYTES
from keyledger.projections import inline, run_audit, skills

if TYPE_CHECKING:
    from eventsourcing.persistence import Cipher, Compressor
    from psycopg_pool import ConnectionPool

    from keyledger.domain.audit.follower_ports import FollowerStore, Progress
    from keyledger.domain.invocation import Invocation
    from keyledger.domain.toolset import Toolset
    from keyledger.projections.follower import Follower

DEFAULT_URL = DEFAULT_URLS["sqlite"]
DEFAULT_LOCK_TIMEOUT = 5.0
DEFAULT_MAX_OVERFLOW = 10
DEFAULT_POOL_TIMEOUT = 10.0


def open(  # noqa: A001 - keyledger.open, as in gzip.open; its options are all optional
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
) -> Ledger:
    """Open a ledger, creating or migrating its tables where needed; use it as a context manager.

    Args:
        url: ``sqlite:///relative.db``, ``sqlite:////absolute.db``, ``postgresql://user@host/db``,
            ``memory://``, or one of an adapter that is registered or installed.
        quota: bytes that a partition's live values may use, unless it has a quota of its own; None is no
            quota.
        global_quota: bytes that all partitions together may use; None is no quota. Every process that
            writes to the ledger must be given the same.
        max_value_bytes: the longest JSON text of one value.
        max_keys: live keys that a partition may hold.
        tree_quota: bytes that one dispatch tree may share in its ``root_run:`` scope.
        lock_timeout: seconds that a write waits for another process's write before LedgerBusyError.
        create: whether a file, or tables in a schema, that do not exist are created; StorageUnavailableError
            if not.
        synchronous: SQLite only: ``FULL`` survives a loss of power; ``NORMAL`` is faster, stays consistent, and
            may lose the last commits then.
        schema: PostgreSQL only: the schema that holds the tables, created where missing; the URL may name it
            too, as ``?schema=name``.
        pool_size: PostgreSQL only: connections that are opened with the ledger and kept.
        max_overflow: PostgreSQL only: how many more there may be, opened as they are needed.
        pool_timeout: PostgreSQL only: seconds that a call waits for a connection that is not in use.
        pool: PostgreSQL only: a host's ``psycopg_pool.ConnectionPool``, to borrow connections from in place of
            opening any. It must be open, and stays the host's to close. Of the URL only the schema is used.
        skill_options: how skills are judged when they are saved; by default by keyledger's own rules.
        tier_quotas: bytes that the partition of a skill of the ``default`` or ``extended`` tier may use, unless
            more was granted to it; of a tier that is left out ``quota``. Each write then looks the skill up.
        redact: sees what runs say before it is written: called with ``inputs``, ``output``, ``error`` or
            ``payload`` and a copy of what stands there, it returns what to write in its place.
        telemetry: what makes spans of runs and tool calls; by default OpenTelemetry, where the ``otel`` extra is
            installed and the program has set a tracer provider.
        enforce_flags: whether a tool call needs the flags that its tool requires.
        clock: where the time comes from, for tests.
        cipher: encrypts event state and current values at rest: one of the eventsourcing library's ciphers.
        compressor: compresses event state: one of the eventsourcing library's compressors.

    Raises:
        InvalidArgumentError: the URL or a limit is not of the form above.
        NotConfiguredError: the URL's store needs an extra that is not installed.
        StorageUnavailableError: the database cannot be reached.
        NewerLedgerError: a newer keyledger wrote it.
    """
    arguments.check_seconds("lock_timeout", lock_timeout)
    mapper = EventMapper(cipher=cipher, compressor=compressor)
    arguments.check_integer("pool_size", pool_size, 0, MAX_CONNECTIONS)
    arguments.check_integer("max_overflow", max_overflow, 0 if pool_size else 1, MAX_CONNECTIONS)
    arguments.check_seconds("pool_timeout", pool_timeout)
    check_text("schema", schema, MAX_ID_BYTES)
    if synchronous not in {"FULL", "NORMAL"}:
        raise InvalidArgumentError("synchronous", synchronous, "FULL or NORMAL")
    options = StorageOptions(
        mapper, lock_timeout, create, synchronous, schema, pool_size, max_overflow, pool_timeout, pool
    )
    return ledger_on(
        lambda: open_storage(url, options),
        quota=quota,
        global_quota=global_quota,
        max_value_bytes=max_value_bytes,
        max_keys=max_keys,
        tree_quota=tree_quota,
        skill_options=skill_options,
        tier_quotas=tier_quotas,
        redact=redact,
        telemetry=telemetry,
        enforce_flags=enforce_flags,
        clock=clock,
    )


def ledger_on(
    connect: Callable[[], LedgerStorage],
    *,
    quota: int | None = DEFAULT_QUOTA_BYTES,
    global_quota: int | None = None,
    max_value_bytes: int = MAX_VALUE_BYTES,
    max_keys: int = MAX_KEYS,
    tree_quota: int = DEFAULT_TREE_BYTES,
    skill_options: ValidateOptions | None = None,
    tier_quotas: Mapping[str, int] | None = None,
    redact: Redact | None = None,
    telemetry: Telemetry | None = None,
    enforce_flags: bool = True,
    clock: Clock | None = None,
) -> Ledger:
    """A ledger on the storage that ``connect`` returns: for adapters that :func:`open` does not know.

    The limits and errors are those of :func:`open`; ``connect`` is called once they are found good.
    """
    for field, limit in (("quota", quota), ("global_quota", global_quota)):
        if limit is not None:
            arguments.check_integer(field, limit, 0)
    for field, least in (("max_value_bytes", max_value_bytes), ("max_keys", max_keys), ("tree_quota", tree_quota)):
        arguments.check_integer(field, least, 1)
    if type(enforce_flags) is not bool:
        raise InvalidArgumentError("enforce_flags", enforce_flags, "True or False")
    load = detected() if telemetry is None else lambda: telemetry
    if not isinstance(skill_options, ValidateOptions | None):
        raise InvalidArgumentError("skill_options", skill_options, "ValidateOptions, or None")
    settings = Settings(
        Limits(quota, max_value_bytes, max_keys),
        tree_quota,
        global_quota,
        redact,
        load,
        skill_options or ValidateOptions(),
        _tier_quotas(tier_quotas),
        enforce_flags=enforce_flags,
    )
    return _ledger(connect(), clock or SystemClock(), OrjsonCodec(), settings)


def _tier_quotas(given: Mapping[str, int] | None) -> Mapping[str, int]:
    if not isinstance(given, Mapping | None):
        raise InvalidArgumentError("tier_quotas", given, "a mapping of tiers to bytes, or None")
    for tier, limit in (given or {}).items():
        if tier not in TIERS:
            raise InvalidArgumentError("tier_quotas", tier, " and ".join(TIERS))
        arguments.check_integer(f"tier_quotas.{tier}", limit, 0)
    return dict(given or {})


def _ledger(storage: LedgerStorage, clock: Clock, codec: JSONCodec, settings: Settings) -> Ledger:
    ledger = Ledger(
        storage,
        inline.project,
        run_audit.project,
        skills.project,
        clock,
        codec,
        settings,
        _dry_run,
        _tools,
    )
    _open_ledgers.add(ledger)
    return ledger


def _dry_run(source: Engine) -> Ledger:
    """A ledger in memory whose streams begin as forks of those of ``source``."""
    from keyledger.adapters.memory.dry import DryStorage

    storage = DryStorage(EventMapper(), source, inline.project, skills.project)
    return _ledger(storage, source.clock, source.codec, replace(source.settings, global_max_bytes=None))


def _tools(ledger: Ledger, invocation: Invocation) -> Toolset:
    from keyledger.adapters.tools.toolset import LedgerToolset

    return LedgerToolset(ledger, invocation)


def follower(
    ledger: Ledger, into: str, *, progress: Progress = lambda _: None, clock: Clock | None = None
) -> Follower:
    """What follows the runs of a ledger into a table of its own, which the name ``into`` is for.

    ``progress`` is told the number of events of each batch, once it is written.

    Raises:
        InvalidArgumentError: the name is not one that a table of a follower may have.
        NotConfiguredError: the ledger is on a store that has no such tables.
    """
    from keyledger.projections.follower import Follower

    store: Callable[[str], FollowerStore] | None = getattr(ledger.storage, "follower", None)
    if store is None:
        raise NotConfiguredError("only ledgers on SQLite or PostgreSQL can be followed into a table")
    return Follower(store(into), clock or SystemClock(), progress)


_open_ledgers: WeakSet[Ledger] = WeakSet()


def _before_fork() -> None:
    """Wait for writes under way: a child that inherits half of one could never write."""
    for ledger in list(_open_ledgers):
        ledger.storage.hold()


def _after_fork_in_parent() -> None:
    for ledger in list(_open_ledgers):
        ledger.storage.release()


def _after_fork_in_child() -> None:
    for ledger in list(_open_ledgers):
        ledger.reset_after_fork()


os.register_at_fork(
    before=_before_fork,
    after_in_parent=_after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)
