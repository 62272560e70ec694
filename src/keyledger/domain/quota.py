"""Limits: what one partition may hold, and how partitions share the ledger's global quota.

The global quota must not make every writer touch one row, so a partition leases blocks of it: a lease is
taken from the global row in a transaction of its own, and listed in the partition's head by the write that
needed it. The bytes leased by all partitions never exceed the global maximum and no partition uses more
than it has leased, so the sum of usage never exceeds it either. It may refuse early, by what other
partitions lease and do not use: after a sweep, less than a block each.
"""

from __future__ import annotations

from typing import NamedTuple

from keyledger.domain.errors import (
    GlobalQuotaExceededError,
    KeyCountExceededError,
    NamespaceQuotaExceededError,
    QuotaExceededError,
)
from keyledger.domain.scope import partition_of
from keyledger.domain.values import MAX_INTEGER, MAX_VALUE_BYTES

DEFAULT_QUOTA_BYTES = 1_048_576
"""A partition's byte quota unless configured otherwise: 1 MiB (ATLAS's namespace_quota_bytes)."""

DEFAULT_TREE_BYTES = 16 * 1_048_576
"""The cap on what one dispatch tree shares in its ``root_run:`` scope: 16 MiB."""

MAX_KEYS = 1_000_000
LEASE_BLOCK_BYTES = 65_536


class Limits(NamedTuple):
    """The limits that a command is judged by. ``max_bytes`` None switches the byte quota off."""

    max_bytes: int | None = DEFAULT_QUOTA_BYTES
    max_value_bytes: int = MAX_VALUE_BYTES
    max_keys: int = MAX_KEYS
    leased_bytes: int | None = None
    """What the partition has leased of the global quota; None where there is none."""

    def for_partition(self, max_bytes: int | None) -> Limits:
        """These limits, with the partition's own quota in place of the configured one if it has one."""
        return self if max_bytes is None else self._replace(max_bytes=max_bytes)


UNBOUND = Limits(None, MAX_INTEGER, MAX_INTEGER)
"""For a fork's copies: what was there once may be there again. Only the global quota holds."""


class Growth(NamedTuple):
    """How much more live data a command leaves than it found in ``stream``."""

    stream: str
    used_bytes: int
    live_keys: int

    def refusal(self, limits: Limits, used_bytes: int, live_keys: int) -> QuotaExceededError | None:
        """The first limit that the growth passes, given what is in use after it; None if it fits.

        Exactly at a limit fits, and what does not grow is never refused.
        """
        used = used_bytes - self.used_bytes
        if self.used_bytes > 0 and limits.max_bytes is not None and used_bytes > limits.max_bytes:
            return NamespaceQuotaExceededError(
                partition_of(self.stream), used=used, asked=self.used_bytes, maximum=limits.max_bytes
            )
        if self.live_keys > 0 and live_keys > limits.max_keys:
            live = live_keys - self.live_keys
            return KeyCountExceededError(
                partition_of(self.stream), used=live, asked=self.live_keys, maximum=limits.max_keys
            )
        if self.used_bytes > 0 and limits.leased_bytes is not None and used_bytes > limits.leased_bytes:
            return GlobalQuotaExceededError(
                partition_of(self.stream), used=used, asked=self.used_bytes, maximum=limits.leased_bytes
            )
        return None


class Lease(NamedTuple):
    """A block of the global quota: ``lease_id`` names its row, ``size`` is in bytes."""

    lease_id: str
    size: int


class Leases(NamedTuple):
    """The leases that a partition's head lists.

    ``version`` moves whenever one is taken away, and a write that was decided on an older version fails:
    so nobody adopts a lease that the sweeper has reclaimed.
    """

    held: tuple[Lease, ...] = ()
    version: int = 0

    @property
    def size(self) -> int:
        """The bytes leased."""
        return sum(lease.size for lease in self.held)

    def with_lease(self, lease: Lease) -> Leases:
        """These leases and one more."""
        return Leases((*self.held, lease), self.version)

    def resized(self, lease_id: str, size: int) -> Leases:
        """These leases with one of another size, or (0) without it, under a new version."""
        others = tuple(lease for lease in self.held if lease.lease_id != lease_id)
        return Leases((*others, Lease(lease_id, size)) if size else others, self.version + 1)


def block_for(missing: int) -> int:
    """How much to lease when ``missing`` bytes are needed: whole blocks."""
    return -(-missing // LEASE_BLOCK_BYTES) * LEASE_BLOCK_BYTES
