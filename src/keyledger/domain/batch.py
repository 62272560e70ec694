"""Several writes that happen together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from types import TracebackType
from typing import Self, TypeAlias

from keyledger.domain.actions import delete_action, increment_action, set_action
from keyledger.domain.commands import KeyAction
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.ports import JSONCodec
from keyledger.domain.records import Entry
from keyledger.domain.scope import SKILL, check_key
from keyledger.domain.values import JSONValue

MAX_BATCH = 10_000

BatchResults: TypeAlias = tuple[Entry | bool, ...]


def check_keys(keys: object) -> None:
    """Raise InvalidArgumentError unless ``keys`` is a sequence of at most 10,000 keys."""
    if isinstance(keys, str) or not isinstance(keys, Sequence) or len(keys) > MAX_BATCH:
        raise InvalidArgumentError("keys", keys, f"a sequence of at most {MAX_BATCH} keys")
    for key in keys:
        check_key(key)


class PendingBatch:
    """Writes that happen together when the ``with`` block ends, and not at all if it raises."""

    def __init__(
        self, codec: JSONCodec, commit: Callable[[tuple[KeyAction, ...]], Callable[[], BatchResults]]
    ) -> None:
        self._codec, self._commit = codec, commit
        self._actions: list[KeyAction] = []
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
        """As ``Partition.set``."""
        self._add(set_action(self._codec, key, value, scope, ttl, if_revision))

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
        """As ``Partition.increment``."""
        self._add(increment_action(key, delta, initial_value, scope, ttl, if_revision))

    def delete(self, key: str, *, scope: str = SKILL, if_revision: int | None = None) -> None:
        """As ``Partition.delete``."""
        self._add(delete_action(key, scope, if_revision))

    def _add(self, action: KeyAction) -> None:
        if len(self._actions) >= MAX_BATCH:
            raise InvalidArgumentError("batch", f"{MAX_BATCH + 1} actions", f"at most {MAX_BATCH}")
        self._actions.append(action)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None and self._actions:
            self._committed = self._commit(tuple(self._actions))
            self.__dict__.pop("results", None)  # asked for too early
