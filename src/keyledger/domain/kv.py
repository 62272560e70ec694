"""A partition as users hold it: the operations on keys, with who asks and in which run already filled in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import TypeAlias, TypeVar

from keyledger.domain import arguments
from keyledger.domain.actions import delete_action, increment_action, set_action
from keyledger.domain.audit.arguments import check_run_id
from keyledger.domain.audit.reading import Read, read_of
from keyledger.domain.audit.records import RunRead
from keyledger.domain.batch import BatchResults, PendingBatch, check_keys
from keyledger.domain.commands import GRANT_PREFIX, Action, Batch, ChangeQuota, EntryKey, KeyAction
from keyledger.domain.decision import Outcome
from keyledger.domain.engine import Engine
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.partition import StoredEntry
from keyledger.domain.past.history import Histories
from keyledger.domain.past.travel import Travel
from keyledger.domain.past.watch import Changes, Watch
from keyledger.domain.ports import ReadEntry
from keyledger.domain.records import Entry, Page, Usage
from keyledger.domain.run import run_stream
from keyledger.domain.scope import MAX_ID_BYTES, SKILL, check_key, check_scope, partition_stream, stream_of
from keyledger.domain.values import JSONValue
from keyledger.domain.writes import Caller, Writes, entry_at

T = TypeVar("T")
Note: TypeAlias = Callable[[Sequence[Read]], None]
"""Takes what a run read, revision 0 where it found nothing, and returns at once."""


class Partition(Travel, Histories):
    """One namespace of keys. Cheap to make, safe to share between threads.

    Each method takes a ``scope``: ``skill`` (the default), ``user:<id>``, ``run:<id>`` or ``root_run:<id>``.
    Every argument is checked: InvalidArgumentError names the field, what came and what is allowed.
    """

    def __init__(
        self, engine: Engine, partition_id: str, stream: str, caller: Caller, note: Note | None = None
    ) -> None:
        self.id = partition_id
        self.writes = Writes(engine, stream, caller)
        """How its writes become commands, for adapters; its shape is no promise."""
        self.page_bytes: int | None = None
        """How many bytes of values a page holds at most, if more than one item; None is any. For adapters."""
        self._engine, self._storage, self._stream, self._note = engine, engine.storage, stream, note

    def _sibling(self, partition_id: str | None) -> Partition:
        if partition_id is None:
            return self
        return Partition(self._engine, partition_id, partition_stream(partition_id), self.writes.caller)

    @property
    def max_value_bytes(self) -> int:
        """The cap on one value's JSON text."""
        return self._engine.settings.limits.max_value_bytes

    # ------------------------------------------------------------------------------------- reading

    def get(self, key: str, *, scope: str = SKILL) -> Entry | None:
        """The entry under ``key``, or None if there is none or it has expired."""
        check_key(key)
        stream = self._open_stream(scope)
        found = self._storage.read_entry(stream, scope, key)
        entry = self._live(found) if found is not None else None
        if self._note is not None:
            self._note([_read(stream, scope, key, entry)])
        return entry

    def get_many(self, keys: Sequence[str], *, scope: str = SKILL) -> dict[str, Entry]:
        """The entries under ``keys`` that exist, as of one moment, by key, in the order asked for."""
        check_keys(keys)
        stream, wanted = self._open_stream(scope), tuple(dict.fromkeys(keys))
        found = self._storage.read_entries(stream, scope, wanted)
        live = {each.key[1]: entry for each in found if (entry := self._live(each)) is not None}
        if self._note is not None:
            self._note([_read(stream, scope, key, live.get(key)) for key in wanted])
        return {key: live[key] for key in wanted if key in live}

    def list(
        self,
        *,
        scope: str = SKILL,
        prefix: str = "",
        limit: int = arguments.DEFAULT_PAGE,
        after: str = "",
    ) -> Page[Entry]:
        """Live entries of one scope under ``prefix``, in UTF-8 byte order of the key.

        ``limit`` is 1 to 1,000; a page's ``next`` is the ``after`` that continues it.
        """
        check_scope(scope)
        arguments.check_start("prefix", prefix)
        arguments.check_start("after", after)
        arguments.check_page(limit)
        stream = self._open_stream(scope)
        now = self._engine.clock.now()
        rows = self._storage.list_entries(stream, scope, prefix, after, limit + 1, now)
        found = (self._entry(row.key, row.entry, max(now, row.last_recorded_at)) for row in rows[:limit])
        entries = self._fitting(tuple(found))
        if self._note is not None:
            self._note([_read(stream, scope, entry.key, entry) for entry in entries])
        return Page(entries, entries[-1].key if len(rows) > len(entries) else None)

    def readers(
        self,
        key: str,
        revision: int,
        *,
        scope: str = SKILL,
        limit: int = arguments.DEFAULT_PAGE,
        after: str = "",
    ) -> Page[RunRead]:
        """The runs that read the version of ``key`` with this revision, by id, of those that record reads.

        Revision 0 stands for nothing: it gives the runs that looked for the key and did not find it.
        """
        check_key(key)
        arguments.check_integer("revision", revision, 0)
        check_scope(scope)
        arguments.check_page(limit)
        arguments.check_start("after", after, MAX_ID_BYTES)
        self._engine.reads.flush()
        stream, beyond = stream_of(self._stream, scope), run_stream(after) if after else ""
        rows = self._storage.runs.readers(stream, scope, key, revision, beyond, limit + 1)
        shown = tuple(map(read_of, rows[:limit]))
        return Page(shown, shown[-1].run_id if len(rows) > limit else None)

    def scan(self, *, scope: str = SKILL, prefix: str = "", after: str = "") -> Iterator[Entry]:
        """All that :meth:`list` would show, read page by page as it is iterated over.

        A key that nothing writes meanwhile comes exactly once. One that is written comes as it was before or
        after, or not at all if it is not there at one of the two.
        """
        check_scope(scope)
        arguments.check_start("prefix", prefix)
        arguments.check_start("after", after)
        return every_item(partial(self.list, scope=scope, prefix=prefix, after=after), "after")

    def usage(self, *, scope: str = SKILL) -> Usage:
        """What the partition uses; with a ``root_run:`` scope, what that dispatch tree shares."""
        stream = self._open_stream(scope)
        return self._engine.usage(stream, self._storage.usage(stream, self._engine.clock.now()))

    def watch(
        self, prefix: str = "", *, scope: str | None = None, after: int | None = None, follow: bool = True
    ) -> Watch:
        """The changes after a revision (None: after the last), oldest first, each once, and then those that come.

        An iterator, and a context manager that ends it. It gives a Version for each revision that changed a key
        under ``prefix``, in ``scope`` or, with None, in every scope of the partition; a ``root_run:`` scope has
        revisions of its own. That the partition was deleted is one change, without scope and key, always given.
        Its ``revision`` is the ``after`` to resume with. Without ``follow`` it ends when it has caught up.

        Raises:
            RevisionNotFoundError: the revision is not reached yet.
            ForkIncompleteError: the partition is a fork that is not finished.
        """
        return Watch(Changes(self._engine, self._stream, prefix, scope, after, follow=follow))

    # ------------------------------------------------------------------------------------- writing

    def set(
        self,
        key: str,
        value: JSONValue,
        *,
        scope: str = SKILL,
        ttl: float | None = None,
        if_revision: int | None = None,
        request_id: str | None = None,
    ) -> Entry:
        """Give ``key`` a JSON value, for ``ttl`` seconds or (None) for good, and return its entry.

        Raises:
            ValueSerializationError: the value is not JSON, or JSON would alter it.
            ValueTooLargeError: its JSON text is longer than the cap per value.
            RevisionConflictError: ``if_revision`` (0 = must not exist) is not the key's revision.
            QuotaExceededError: it grows usage past the partition's, tree's or ledger's quota.
            RequestIdReusedError: ``request_id`` stands for another command.
        """
        action = set_action(self._engine.codec, key, value, scope, ttl, if_revision)
        return self.writes.entry(self._execute(action, request_id))

    def increment(
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
        """Add ``delta`` to an integer, atomically; a missing key becomes ``initial_value + delta``.

        Without a ``ttl`` the remaining one is kept.

        Raises:
            InvalidValueTypeError: the key holds a bool, a float or anything else that is not an integer.
            IntegerOverflowError: the result would not fit 64 bits.
            RefusedError: as for :meth:`set`.
        """
        action = increment_action(key, delta, initial_value, scope, ttl, if_revision)
        return self.writes.entry(self._execute(action, request_id))

    def delete(
        self,
        key: str,
        *,
        scope: str = SKILL,
        if_revision: int | None = None,
        request_id: str | None = None,
    ) -> bool:
        """Remove ``key``; whether there was anything to remove.

        Raises:
            RevisionConflictError: ``if_revision`` is not the key's revision.
            RequestIdReusedError: ``request_id`` stands for another command.
        """
        return self.writes.deleted(self._execute(delete_action(key, scope, if_revision), request_id))

    def batch(self, *, request_id: str | None = None) -> PendingBatch:
        """Several writes as one: ``with kv.batch() as batch: batch.set(…)``. All of them happen, or none.

        The whole is judged against the quota on its final state, and must stay in one stream: the
        ``root_run:`` scope of a tree cannot be mixed with other scopes.
        """
        arguments.check_name("request_id", request_id)
        return PendingBatch(self._engine.codec, partial(self._commit_batch, request_id))

    def set_quota(self, max_bytes: int | None, *, request_id: str | None = None) -> Usage:
        """Give the partition a byte quota of its own (None: back to the configured one); its usage now."""
        if max_bytes is not None:
            arguments.check_integer("max_bytes", max_bytes, 0)
        if request_id is not None and str(request_id).startswith(GRANT_PREFIX):
            allowed = f"an id that does not begin with {GRANT_PREFIX}, as those of skills' grants do"
            raise InvalidArgumentError("request_id", request_id, allowed)
        self._execute(ChangeQuota(max_bytes), request_id)
        return self.usage()

    # ----------------------------------------------------------------------------------- internals

    def _commit_batch(self, request_id: str | None, actions: tuple[KeyAction, ...]) -> Callable[[], BatchResults]:
        return self.writes.results(actions, self._execute(Batch(actions), request_id))

    def _execute(self, action: Action, request_id: str | None = None) -> Outcome:
        stream, command, remember = self.writes.of(action, request_id)
        return self._engine.writer.execute(stream, command, remember=remember)

    def _live(self, found: ReadEntry) -> Entry | None:
        entry = found.entry
        if entry.expires_at is None:
            return self._entry(found.key, entry, found.last_recorded_at)
        now = max(self._engine.clock.now(), found.last_recorded_at)
        return None if entry.is_expired(now) else self._entry(found.key, entry, now)

    def _entry(self, key: EntryKey, entry: StoredEntry, now: datetime) -> Entry:
        return entry_at(self._engine.codec, key, entry, now)


def _read(stream: str, scope: str, key: str, entry: Entry | None) -> Read:
    return stream, scope, key, 0 if entry is None else entry.revision


def open_partition(engine: Engine, partition_id: str, caller: Caller, *, record_reads: bool) -> Partition:
    """A handle on a partition for ``caller``, whose reads are recorded if they are to be."""
    stream = partition_stream(partition_id)
    arguments.check_actor(caller.actor)
    arguments.check_run("run_id", caller.run_id)
    arguments.check_run("root_run_id", caller.root_run_id)
    arguments.check_name("tool", caller.tool)
    return Partition(engine, partition_id, stream, caller, _note(engine, record_reads, caller.run_id))


def _note(engine: Engine, record_reads: bool, run_id: str | None) -> Note | None:  # noqa: FBT001 - it is checked here
    """What takes the reads of a run, if they are to be recorded."""
    if record_reads is False:
        return None
    if record_reads is not True or run_id is None:
        raise InvalidArgumentError("record_reads", record_reads, "False, or True with a run_id")
    check_run_id("run_id", run_id)
    return partial(engine.reads.note, run_stream(run_id))


def every_item(read: Callable[..., Page[T]], cursor: str) -> Iterator[T]:
    """The items of all pages; ``cursor`` is the argument that takes a page's ``next``."""
    page = read()
    while page.next is not None:
        yield from page
        page = read(**{cursor: page.next})
    yield from page
