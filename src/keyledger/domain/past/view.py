"""A read-only view of the past."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import NoReturn

from keyledger.domain import arguments
from keyledger.domain.batch import check_keys
from keyledger.domain.engine import Engine
from keyledger.domain.errors import InvalidArgumentError, ReadOnlyViewError
from keyledger.domain.past.changes import version_of
from keyledger.domain.past.moments import Moment
from keyledger.domain.past.standing import AT_ONCE, entry_standing, quota_then, standing, versions_of
from keyledger.domain.ports import PastRow, UsageRow
from keyledger.domain.records import Entry, Page, Usage, Version
from keyledger.domain.scope import (
    SKILL,
    check_key,
    check_scope,
    is_tree,
    name_of,
    partition_of,
    stream_of,
    tree_scope,
)
from keyledger.domain.writes import entry_at


class View:
    """A partition as it stood at a moment, whatever is written later; ``str(view)`` is its token.

    An entry that had expired by then is absent, one that expired later is there with what was left of its life.
    ``scope`` is ``skill`` unless given, in the view of a dispatch tree the tree's own. Its reads are not recorded
    as those of a run, and every attempt to write raises ReadOnlyViewError.
    """

    def __init__(self, engine: Engine, moment: Moment) -> None:
        self.engine, self.moment = engine, moment
        """What it reads, and where it stands, for adapters; their shapes are no promise."""
        self._storage = engine.storage

    @property
    def partition_id(self) -> str:
        """The partition that this is the past of; ``__root_run__`` for a dispatch tree."""
        return partition_of(self.moment.stream)

    @property
    def revision(self) -> int:
        """The partition's revision then; 0 before its first event."""
        return self.moment.revision

    @property
    def instant(self) -> datetime:
        """The time, in UTC, at which expiry is judged."""
        return self.moment.instant

    def __str__(self) -> str:
        return str(self.moment)

    def __repr__(self) -> str:
        return f"<View {self.moment}>"

    # ------------------------------------------------------------------------------------- reading

    def get(self, key: str, *, scope: str | None = None) -> Entry | None:
        """The entry that was under ``key``, or None; ``ttl_seconds`` is what was left then."""
        check_key(key)
        scope = self._scope(scope)
        stored = entry_standing(self._storage, self.moment, scope, key)
        return None if stored is None else entry_at(self.engine.codec, (scope, key), stored, self.instant)

    def get_many(self, keys: Sequence[str], *, scope: str | None = None) -> dict[str, Entry]:
        """The entries that were under ``keys``, by key, in the order asked for."""
        check_keys(keys)
        found = {key: self.get(key, scope=scope) for key in keys}
        return {key: entry for key, entry in found.items() if entry is not None}

    def list(
        self,
        *,
        scope: str | None = None,
        prefix: str = "",
        limit: int = arguments.DEFAULT_PAGE,
        after: str = "",
    ) -> Page[Entry]:
        """The entries of one scope under ``prefix``, in UTF-8 byte order of the key, as ``Partition.list``.

        The cost is that of the keys that ever were under the prefix.
        """
        rows, more = self._rows(scope, prefix, limit, after)
        return Page(self._entries(rows), rows[-1].key[1] if more else None)

    def scan(self, *, scope: str | None = None, prefix: str = "", after: str = "") -> Iterator[Entry]:
        """All that :meth:`list` would show, read bit by bit as it is iterated over."""
        scope = self._checked(scope, prefix, after)
        return self._scanned(standing(self._storage, self.moment, scope, prefix, after))

    def blame(
        self,
        *,
        scope: str | None = None,
        prefix: str = "",
        limit: int = arguments.DEFAULT_PAGE,
        after: str = "",
    ) -> Page[Version]:
        """For each entry of one scope the version that it stood at: who set it, in which run, by which tool, when.

        Pages as those of :meth:`list`.
        """
        rows, more = self._rows(scope, prefix, limit, after)
        found = versions_of(self._storage, self.moment.stream, rows)
        versions = tuple(version_of(self.engine.codec, stood.version) for stood in found.values())
        return Page(versions, rows[-1].key[1] if more else None)

    def usage(self) -> Usage:
        """What the live entries of all scopes used, beside the quota then: its own, or the one configured now."""
        used = live = 0
        for row in standing(self._storage, self.moment):
            used += row.row.size if row.row else 0
            live += 1
        quota = quota_then(self._storage, self.moment)
        return self.engine.usage(self.moment.stream, UsageRow(used, live, quota))

    # ------------------------------------------------------------------------------------- writing

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        """Refuse: nothing changes the past. ReadOnlyViewError."""
        raise ReadOnlyViewError(str(self))

    set = increment = delete = batch = set_quota = restore = restore_all = _refuse

    # ----------------------------------------------------------------------------------- internals

    def _scope(self, scope: str | None) -> str:
        own = tree_scope(self.moment.stream) if is_tree(self.moment.stream) else None
        if scope is None:
            return own or SKILL
        check_scope(scope)
        if stream_of(self.moment.stream, scope) != self.moment.stream or (own and scope != own):
            allowed = f"{own!r}" if own else "one of the partition's own; at(…, scope=…) gives a view of a tree"
            raise InvalidArgumentError("scope", scope, f"{allowed}, in a view of {name_of(self.moment.stream)!r}")
        return scope

    def _checked(self, scope: str | None, prefix: str, after: str) -> str:
        arguments.check_start("prefix", prefix)
        arguments.check_start("after", after)
        return self._scope(scope)

    def _rows(self, scope: str | None, prefix: str, limit: int, after: str) -> tuple[Sequence[PastRow], bool]:
        """A page of what stood, and whether there is more."""
        scope = self._checked(scope, prefix, after)
        arguments.check_page(limit)
        found = standing(self._storage, self.moment, scope, prefix, after, limit + 1)
        rows = tuple(islice(found, limit + 1))
        return rows[:limit], len(rows) > limit

    def _scanned(self, rows: Iterator[PastRow]) -> Iterator[Entry]:
        while some := tuple(islice(rows, AT_ONCE)):
            yield from self._entries(some)

    def _entries(self, rows: Sequence[PastRow]) -> tuple[Entry, ...]:
        found = versions_of(self._storage, self.moment.stream, rows)
        return tuple(entry_at(self.engine.codec, key, stood.entry, self.instant) for key, stood in found.items())
