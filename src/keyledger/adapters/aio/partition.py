"""A partition whose operations are awaited. Docstrings say what differs from ``Partition``, method by method."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

from keyledger.adapters.aio.batch import AsyncPendingBatch
from keyledger.adapters.aio.threads import Threads
from keyledger.adapters.aio.travel import AsyncTravel, At, plain_moment
from keyledger.adapters.aio.watch import AsyncWatch
from keyledger.domain import arguments
from keyledger.domain.actions import delete_action, increment_action, set_action
from keyledger.domain.audit.records import RunRead
from keyledger.domain.batch import BatchResults
from keyledger.domain.commands import Action, Batch, KeyAction
from keyledger.domain.decision import Outcome
from keyledger.domain.kv import Partition
from keyledger.domain.past.watch import Changes
from keyledger.domain.records import Entry, Page, Usage, Version
from keyledger.domain.scope import SKILL, partition_stream
from keyledger.domain.values import JSONValue

T = TypeVar("T")


class AsyncPartition(AsyncTravel):
    """One namespace of keys, for asyncio: :class:`Partition` with the same arguments, results and errors.

    A write that is cancelled while others commit before it is not done. Cancelled later it is done or refused as
    a whole, and the cancellation goes on when that is settled; a second cancellation does not wait for it.
    """

    def __init__(self, kv: Partition, threads: Threads) -> None:
        self.id = kv.id
        self._kv, self._threads = kv, threads
        self._writes, self._engine = kv.writes, kv.writes.engine

    @property
    def max_value_bytes(self) -> int:
        """The cap on one value's JSON text."""
        return self._kv.max_value_bytes

    # ------------------------------------------------------------------------------------- reading

    async def get(self, key: str, *, scope: str = SKILL) -> Entry | None:
        """As ``Partition.get``."""
        return await self._threads.read(partial(self._kv.get, key, scope=scope))

    async def get_many(self, keys: Sequence[str], *, scope: str = SKILL) -> dict[str, Entry]:
        """As ``Partition.get_many``."""
        return await self._threads.read(partial(self._kv.get_many, keys, scope=scope))

    async def list(
        self,
        *,
        scope: str = SKILL,
        prefix: str = "",
        limit: int = arguments.DEFAULT_PAGE,
        after: str = "",
    ) -> Page[Entry]:
        """As ``Partition.list``."""
        listed = partial(self._kv.list, scope=scope, prefix=prefix, limit=limit, after=after)
        return await self._threads.read(listed)

    async def history(
        self,
        key: str,
        *,
        scope: str = SKILL,
        limit: int = arguments.DEFAULT_PAGE,
        before: int | None = None,
        operation: str | None = None,
        actor: str | None = None,
        run_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Page[Version]:
        """As ``Partition.history``."""
        history = partial(
            self._kv.history,
            key,
            scope=scope,
            limit=limit,
            before=before,
            operation=operation,
            actor=actor,
            run_id=run_id,
            since=since,
            until=until,
        )
        return await self._threads.read(history)

    async def readers(
        self,
        key: str,
        revision: int,
        *,
        scope: str = SKILL,
        limit: int = arguments.DEFAULT_PAGE,
        after: str = "",
    ) -> Page[RunRead]:
        """As ``Partition.readers``."""
        readers = partial(self._kv.readers, key, revision, scope=scope, limit=limit, after=after)
        return await self._threads.read(readers)

    def scan(self, *, scope: str = SKILL, prefix: str = "", after: str = "") -> AsyncIterator[Entry]:
        """As ``Partition.scan``, for ``async for``."""
        return self._threads.iterate(self._kv.scan(scope=scope, prefix=prefix, after=after))

    def scan_history(
        self,
        key: str,
        *,
        scope: str = SKILL,
        before: int | None = None,
        operation: str | None = None,
        actor: str | None = None,
        run_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> AsyncIterator[Version]:
        """As ``Partition.scan_history``, for ``async for``."""
        versions = self._kv.scan_history(
            key,
            scope=scope,
            before=before,
            operation=operation,
            actor=actor,
            run_id=run_id,
            since=since,
            until=until,
        )
        return self._threads.iterate(versions)

    async def usage(self, *, scope: str = SKILL) -> Usage:
        """As ``Partition.usage``."""
        return await self._threads.read(partial(self._kv.usage, scope=scope))

    def watch(
        self, prefix: str = "", *, scope: str | None = None, after: int | None = None, follow: bool = True
    ) -> AsyncWatch:
        """As ``Partition.watch``, for ``async for`` and ``async with``; it begins when it is first awaited."""
        changes = Changes(self._engine, partition_stream(self.id), prefix, scope, after, follow=follow)
        return AsyncWatch(changes, self._threads)

    # ------------------------------------------------------------------------------------- writing

    async def set(
        self,
        key: str,
        value: JSONValue,
        *,
        scope: str = SKILL,
        ttl: float | None = None,
        if_revision: int | None = None,
        request_id: str | None = None,
    ) -> Entry:
        """As ``Partition.set``."""
        action = set_action(self._engine.codec, key, value, scope, ttl, if_revision)
        return await self._write(action, request_id, self._writes.entry)

    async def increment(
        self,
        key: str,
        delta: int = 1,
        *,
        initial_value: int = 0,
        scope: str = SKILL,
        ttl: float | None = None,
        if_revision: int | None = None,
        request_id: str | None = None,
    ) -> Entry:
        """As ``Partition.increment``."""
        action = increment_action(key, delta, initial_value, scope, ttl, if_revision)
        return await self._write(action, request_id, self._writes.entry)

    async def delete(
        self,
        key: str,
        *,
        scope: str = SKILL,
        if_revision: int | None = None,
        request_id: str | None = None,
    ) -> bool:
        """As ``Partition.delete``."""
        return await self._write(delete_action(key, scope, if_revision), request_id, self._writes.deleted)

    def batch(self, *, request_id: str | None = None) -> AsyncPendingBatch:
        """As ``Partition.batch``, with ``async with``; what is called on it is not awaited."""
        arguments.check_name("request_id", request_id)
        return AsyncPendingBatch(self._engine.codec, partial(self._commit_batch, request_id))

    async def set_quota(self, max_bytes: int | None, *, request_id: str | None = None) -> Usage:
        """As ``Partition.set_quota``."""
        return await self._threads.work(partial(self._kv.set_quota, max_bytes, request_id=request_id))

    async def fork(self, into: str, at: At | None = None, *, scope: str = SKILL) -> AsyncPartition:
        """As ``Partition.fork``."""
        fork = partial(self._kv.fork, into, plain_moment(at), scope=scope)
        return AsyncPartition(await self._threads.work(fork), self._threads)

    # ----------------------------------------------------------------------------------- internals

    async def _commit_batch(
        self, request_id: str | None, actions: tuple[KeyAction, ...]
    ) -> Callable[[], BatchResults]:
        return await self._write(Batch(actions), request_id, partial(self._writes.results, actions))

    async def _write(self, action: Action, request_id: str | None, answer: Callable[[Outcome], T]) -> T:
        outcome = await self._threads.write(self._engine.writer, self._writes.of(action, request_id))
        if outcome.state is None or isinstance(action, Batch):  # the answer may have to be read
            return await self._threads.read(partial(answer, outcome))
        return answer(outcome)
