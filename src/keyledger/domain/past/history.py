"""The versions of a key, newest first, and those of them that are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import NamedTuple

from keyledger.domain import arguments
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.past.changes import version_of
from keyledger.domain.past.moments import Moments
from keyledger.domain.past.streams import Streams
from keyledger.domain.ports import HistoryFilter
from keyledger.domain.records import Page, Version
from keyledger.domain.scope import SKILL, check_key, check_scope
from keyledger.domain.values import MAX_INTEGER

OPERATIONS = ("set", "increment", "delete", "expire", "restore", "copy", "partition_deleted")
"""What can have been done to a key."""


class Asked(NamedTuple):
    """Which versions are asked for, and what has to hold for them; None is no condition."""

    scope: str
    key: str
    before: int | None
    operation: str | None
    actor: str | None
    run_id: str | None
    since: datetime | None
    until: datetime | None

    def check(self) -> None:
        """InvalidArgumentError unless each part is of its form."""
        check_key(self.key)
        check_scope(self.scope)
        arguments.check_revision("before", self.before)
        if self.operation is not None and self.operation not in OPERATIONS:
            raise InvalidArgumentError("operation", self.operation, f"one of {', '.join(OPERATIONS)}")
        arguments.check_name("actor", self.actor)
        arguments.check_run("run_id", self.run_id)
        for field, time in (("since", self.since), ("until", self.until)):
            if time is not None:
                arguments.moment(field, time)


class Histories(Streams):
    """The history of each key of a partition."""

    def history(
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
        """The versions of ``key``, newest first, through deletion and re-creation; empty if it never was.

        With ``operation``, ``actor`` or ``run_id`` those by it only; with ``since`` those from that time on, with
        ``until`` those before it. A page's ``next`` is the ``before`` (a revision) that continues it.
        """
        arguments.check_page(limit)
        asked = Asked(scope, key, before, operation, actor, run_id, since, until)
        asked.check()
        return next(self._pages(asked, limit))

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
    ) -> Iterator[Version]:
        """All that :meth:`history` would show, read page by page as it is iterated over.

        Versions that are written after the first was read are not among them.
        """
        asked = Asked(scope, key, before, operation, actor, run_id, since, until)
        asked.check()
        return chain.from_iterable(self._pages(asked, arguments.DEFAULT_PAGE))

    def _pages(self, asked: Asked, limit: int) -> Iterator[Page[Version]]:
        """Page after page, at least one."""
        stream = self._open_stream(asked.scope)
        beyond, wanted = self._bounds(stream, asked)
        before: int | None = beyond
        while before is not None:
            rows = self._engine.storage.history(stream, asked.scope, asked.key, before, limit + 1, wanted)
            versions = self._fitting(tuple(version_of(self._engine.codec, row) for row in rows[:limit]))
            before = versions[-1].revision if len(rows) > len(versions) else None
            yield Page(versions, before)

    def _bounds(self, stream: str, asked: Asked) -> tuple[int, HistoryFilter]:
        """Times and runs as revisions, so that no version outside of them is looked at."""
        first, beyond = 1, MAX_INTEGER if asked.before is None else asked.before
        if asked.since is not None or asked.until is not None:
            span = Moments(self._engine, stream).span(asked.since, asked.until)
            first, beyond = max(first, span.start), min(beyond, span.stop)
        if asked.run_id is not None:
            written = self._engine.storage.written_span(stream, asked.run_id) or (0, 0)
            first, beyond = max(first, written[0]), min(beyond, written[1] + 1)
        return beyond, HistoryFilter(first, asked.operation, asked.actor, asked.run_id)
