"""What every rival can do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from keyledger.domain.values import JSONValue


class Store(Protocol):
    """An open store of keys and values, in one namespace."""

    def set(self, key: str, value: JSONValue) -> object:
        """Give a key a value, durably."""

    def get(self, key: str) -> object:
        """A key's value as a Python object."""

    def close(self) -> None:
        """Release the connections."""


@dataclass(frozen=True, slots=True)
class Rival:
    """A store to be measured, and what a reader of its times has to know."""

    name: str
    package: str
    """Whose version is told; empty where there is none beyond the driver's."""
    writes: str
    """What a set leaves behind."""
    durability: str
    open: Callable[[str], Store]
    """Makes the store, with its tables, in an empty database by its URL."""
    bound: dict[str, float]
    """By operation, the least ratio of its time to ours; nothing where there is no target."""
