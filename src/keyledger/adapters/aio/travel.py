"""The past of a partition, awaited. Docstrings say what differs from ``Partition``, method by method."""

from __future__ import annotations

from asyncio import CancelledError
from functools import partial
from inspect import iscoroutinefunction
from threading import Event
from typing import TypeAlias, overload

from keyledger.adapters.aio.threads import Threads
from keyledger.adapters.aio.view import AsyncView
from keyledger.domain import arguments
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.kv import Partition
from keyledger.domain.past import travel
from keyledger.domain.past.travel import Predicate
from keyledger.domain.past.view import View
from keyledger.domain.records import Entry, KeyChange, Page, Version
from keyledger.domain.scope import SKILL

At: TypeAlias = travel.At | AsyncView
"""A moment, as users name it: a revision, an aware time, a token or a view."""


class AsyncTravel:
    """The past of a partition's streams, for asyncio."""

    _kv: Partition
    _threads: Threads

    async def at(
        self, moment: At | None = None, *, run: str | None = None, end: bool = False, scope: str = SKILL
    ) -> AsyncView:
        """As ``Partition.at``; it is awaited, as the moment is looked up."""
        at = partial(self._kv.at, plain_moment(moment), run=run, end=end, scope=scope)
        return AsyncView(await self._threads.read(at), self._threads)

    async def blame(
        self, *, scope: str = SKILL, prefix: str = "", limit: int = arguments.DEFAULT_PAGE, after: str = ""
    ) -> Page[Version]:
        """As ``Partition.blame``."""
        blamed = partial(self._kv.blame, scope=scope, prefix=prefix, limit=limit, after=after)
        return await self._threads.read(blamed)

    async def diff(
        self, before: At, after: At | None = None, *, scope: str | None = None, prefix: str = ""
    ) -> tuple[KeyChange, ...]:
        """As ``Partition.diff``."""
        moments = plain_moment(before), plain_moment(after)
        diff = partial(self._kv.diff, *moments, scope=scope, prefix=prefix)
        return await self._threads.look(diff)

    async def bisect(
        self,
        key: str | None,
        predicate: Predicate,
        *,
        scope: str = SKILL,
        after: At = 0,
        before: At | None = None,
    ) -> Version | None:
        """As ``Partition.bisect``; the predicate is a plain function, called in another thread.

        Without a key it is asked about a plain ``View``, which it reads without ``await``. It is not asked again
        after a cancellation.
        """
        if not callable(predicate) or iscoroutinefunction(predicate):
            raise InvalidArgumentError("predicate", predicate, "a plain function: it is called in another thread")
        cancelled = Event()

        def asked(state: Entry | View | None) -> object:
            if cancelled.is_set():
                raise CancelledError
            return predicate(state)  # type: ignore[arg-type]  # of the two kinds the one for this key

        low, high = plain_moment(after), plain_moment(before)
        bisect = partial(self._kv.bisect, key, asked, scope=scope, after=low, before=high)
        try:
            return await self._threads.look(bisect)
        except CancelledError:
            cancelled.set()
            raise

    async def forked_from(self, *, scope: str = SKILL) -> str | None:
        """As ``Partition.forked_from``."""
        return await self._threads.read(partial(self._kv.forked_from, scope=scope))

    # ------------------------------------------------------------------------------------ going back

    async def restore(
        self,
        key: str,
        to: At,
        *,
        scope: str = SKILL,
        if_revision: int | None = None,
        request_id: str | None = None,
    ) -> Entry | None:
        """As ``Partition.restore``."""
        restore = partial(
            self._kv.restore, key, plain_moment(to), scope=scope, if_revision=if_revision, request_id=request_id
        )
        return await self._threads.work(restore)

    async def restore_all(
        self, to: At, *, scope: str | None = None, prefix: str = "", request_id: str | None = None
    ) -> int:
        """As ``Partition.restore_all``."""
        restore = partial(
            self._kv.restore_all, plain_moment(to), scope=scope, prefix=prefix, request_id=request_id
        )
        return await self._threads.work(restore)


@overload
def plain_moment(moment: At) -> travel.At: ...
@overload
def plain_moment(moment: None) -> None: ...
def plain_moment(moment: At | None) -> travel.At | None:
    """A moment as ``Partition`` takes it."""
    return moment.plain if isinstance(moment, AsyncView) else moment
