"""Several writes that happen together, awaited."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cached_property
from types import TracebackType
from typing import Self

from keyledger.domain.batch import BatchResults, PendingBatch
from keyledger.domain.commands import KeyAction
from keyledger.domain.ports import JSONCodec
from keyledger.domain.scope import SKILL
from keyledger.domain.values import JSONValue


class AsyncPendingBatch:
    """Writes that happen together when the ``async with`` block ends, and not at all if it raises.

    Its own methods only note down what is to be done, so they are not awaited.
    """

    def __init__(
        self, codec: JSONCodec, commit: Callable[[tuple[KeyAction, ...]], Awaitable[Callable[[], BatchResults]]]
    ) -> None:
        self._pending, self._commit = PendingBatch(codec, self._take), commit
        self._actions: tuple[KeyAction, ...] = ()
        self._committed: Callable[[], BatchResults] = tuple

    @cached_property
    def results(self) -> BatchResults:
        """After the block, in order: an Entry for each set and increment, a bool for each delete."""
        return self._committed()

    def set(
        self,
        key: str,
        value: JSONValue,
        *,
        scope: str = SKILL,
        ttl: float | None = None,
        if_revision: int | None = None,
    ) -> None:
        """As ``AsyncPartition.set``."""
        self._pending.set(key, value, scope=scope, ttl=ttl, if_revision=if_revision)

    def increment(
        self,
        key: str,
        delta: int = 1,
        *,
        initial_value: int = 0,
        scope: str = SKILL,
        ttl: float | None = None,
        if_revision: int | None = None,
    ) -> None:
        """As ``AsyncPartition.increment``."""
        self._pending.increment(
            key, delta, initial_value=initial_value, scope=scope, ttl=ttl, if_revision=if_revision
        )

    def delete(self, key: str, *, scope: str = SKILL, if_revision: int | None = None) -> None:
        """As ``AsyncPartition.delete``."""
        self._pending.delete(key, scope=scope, if_revision=if_revision)

    def _take(self, actions: tuple[KeyAction, ...]) -> Callable[[], BatchResults]:
        self._actions = actions
        return tuple

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pending.__exit__(kind, error, traceback)
        if self._actions:
            self._committed = await self._commit(self._actions)
            self.__dict__.pop("results", None)  # asked for too early
