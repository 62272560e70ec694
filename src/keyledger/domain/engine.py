"""What the parts of one open ledger share: its storage, writer, clock, codec and limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from keyledger.domain.audit.ports import LedgerStorage
from keyledger.domain.audit.reading import ReadRecorder
from keyledger.domain.audit.telemetry import LoadTelemetry, no_telemetry
from keyledger.domain.audit.writer import RunWriter
from keyledger.domain.errors import StorageError
from keyledger.domain.past.forks import Forks
from keyledger.domain.ports import Clock, JSONCodec, UsageRow
from keyledger.domain.quota import DEFAULT_TREE_BYTES, Limits
from keyledger.domain.records import Usage
from keyledger.domain.scope import is_tree, name_of
from keyledger.domain.skill import skill_stream
from keyledger.domain.skills.options import ValidateOptions
from keyledger.domain.writer import Writer

Redact: TypeAlias = Callable[[str, Any], Any]
"""Takes ``inputs``, ``output``, ``error`` or ``payload`` and what stands there; returns what may be written."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The limits of one ledger, in bytes unless named otherwise; None switches a quota off.

    ``skill_options`` is how skills are judged, ``tier_quotas`` what the partition of a skill of a tier may use,
    the configured quota where the tier is left out. ``redact`` sees what runs say before it is written;
    ``telemetry`` is asked for what makes spans of them; ``enforce_flags`` says whether tool calls need the flags
    that their tools require.
    """

    limits: Limits = Limits()  # noqa: RUF009 - a tuple
    tree_bytes: int = DEFAULT_TREE_BYTES
    global_max_bytes: int | None = None
    redact: Redact | None = None
    telemetry: LoadTelemetry = no_telemetry
    skill_options: ValidateOptions = field(default_factory=ValidateOptions)
    tier_quotas: Mapping[str, int] = field(default_factory=dict)
    enforce_flags: bool = True


@dataclass(frozen=True, slots=True)
class Engine:
    """What the parts of an open ledger share."""

    storage: LedgerStorage
    writer: Writer
    run_writer: RunWriter
    reads: ReadRecorder
    forks: Forks
    clock: Clock
    codec: JSONCodec
    settings: Settings

    def limits(self, stream: str) -> Limits:
        """The configured limits of a stream; a tree has its cap in place of the partition's quota."""
        limits = self.settings.limits
        if is_tree(stream):
            return limits._replace(max_bytes=self.settings.tree_bytes)
        return limits._replace(max_bytes=self._tier_bytes(stream)) if self.settings.tier_quotas else limits

    def _tier_bytes(self, stream: str) -> int | None:
        """The quota of the tier that the skill of a partition is of, else the configured one."""
        try:
            tier = self.storage.skills.tier(skill_stream(name_of(stream)))
        except StorageError as error:
            error.during = "quota lookup"
            raise
        configured = self.settings.limits.max_bytes
        return configured if tier is None else self.settings.tier_quotas.get(tier, configured)

    def usage(self, stream: str, row: UsageRow) -> Usage:
        """A stream's usage beside the quota in force there."""
        configured = self.limits(stream).max_bytes
        return Usage(row.used_bytes, row.live_keys, configured if row.max_bytes is None else row.max_bytes)
