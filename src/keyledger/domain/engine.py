"""What the parts of one open ledger share: its storage, writer, clock, codec and limits."""

from __future__ import annotations

from dataclasses import dataclass

from keyledger.domain.ports import Clock, JSONCodec, Storage, UsageRow
from keyledger.domain.quota import DEFAULT_TREE_BYTES, Limits
from keyledger.domain.records import Usage
from keyledger.domain.scope import is_tree
from keyledger.domain.writer import Writer


@dataclass(frozen=True, slots=True)
class Settings:
    """The limits of one ledger, in bytes unless named otherwise; None switches a quota off."""

    limits: Limits = Limits()  # noqa: RUF009 - a tuple
    tree_bytes: int = DEFAULT_TREE_BYTES
    global_max_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Engine:
    """What the parts of an open ledger share."""

    storage: Storage
    writer: Writer
    clock: Clock
    codec: JSONCodec
    settings: Settings

    def limits(self, stream: str) -> Limits:
        """The configured limits of a stream; a tree has its cap in place of the partition's quota."""
        limits = self.settings.limits
        return limits._replace(max_bytes=self.settings.tree_bytes) if is_tree(stream) else limits

    def usage(self, stream: str, row: UsageRow) -> Usage:
        """A stream's usage beside the quota in force there."""
        configured = self.limits(stream).max_bytes
        return Usage(row.used_bytes, row.live_keys, configured if row.max_bytes is None else row.max_bytes)
