"""A read-only view of the past whose reads are awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from functools import partial
from typing import NoReturn

from keyledger.adapters.aio.threads import Threads
from keyledger.domain import arguments
from keyledger.domain.errors import ReadOnlyViewError
from keyledger.domain.past.view import View
from keyledger.domain.records import Entry, Page, Usage, Version


class AsyncView:
    """A partition as it stood at a moment: :class:`View` with the same arguments, results and errors, awaited."""

    def __init__(self, view: View, threads: Threads) -> None:
        self.plain, self._threads = view, threads
        """The view itself, for adapters."""

    @property
    def partition_id(self) -> str:
        """As ``View.partition_id``."""
        return self.plain.partition_id

    @property
    def revision(self) -> int:
        """As ``View.revision``."""
        return self.plain.revision

    @property
    def instant(self) -> datetime:
        """As ``View.instant``."""
        return self.plain.instant

    def __str__(self) -> str:
        return str(self.plain)

    def __repr__(self) -> str:
        return f"<AsyncView {self.plain}>"

    # ------------------------------------------------------------------------------------- reading

    async def get(self, key: str, *, scope: str | None = None) -> Entry | None:
        """As ``View.get``."""
        return await self._threads.read(partial(self.plain.get, key, scope=scope))

    async def get_many(self, keys: Sequence[str], *, scope: str | None = None) -> dict[str, Entry]:
        """As ``View.get_many``."""
        return await self._threads.read(partial(self.plain.get_many, keys, scope=scope))

    async def list(
        self,
        *,
        scope: str | None = None,
        prefix: str = "",
        limit: int = arguments.DEFAULT_PAGE,
        after: str = "",
    ) -> Page[Entry]:
        """As ``View.list``."""
        listed = partial(self.plain.list, scope=scope, prefix=prefix, limit=limit, after=after)
        return await self._threads.read(listed)

    def scan(self, *, scope: str | None = None, prefix: str = "", after: str = "") -> AsyncIterator[Entry]:
        """As ``View.scan``, for ``async for``."""
        return self._threads.iterate(self.plain.scan(scope=scope, prefix=prefix, after=after))

    async def blame(
        self,
        *,
        scope: str | None = None,
        prefix: str = "",
        limit: int = arguments.DEFAULT_PAGE,
        after: str = "",
    ) -> Page[Version]:
        """As ``View.blame``."""
        blamed = partial(self.plain.blame, scope=scope, prefix=prefix, limit=limit, after=after)
        return await self._threads.read(blamed)

    async def usage(self) -> Usage:
        """As ``View.usage``."""
        return await self._threads.read(self.plain.usage)

    # ------------------------------------------------------------------------------------- writing

    async def _refuse(self, *_: object, **__: object) -> NoReturn:
        """Refuse: nothing changes the past. ReadOnlyViewError."""
        raise ReadOnlyViewError(str(self))

    def batch(self, *_: object, **__: object) -> NoReturn:
        """Refuse, as the others; it is not awaited."""
        raise ReadOnlyViewError(str(self))

    set = increment = delete = set_quota = restore = restore_all = _refuse
