"""Taking runs out of the ledger, a batch at a time."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from keyledger.domain.audit.ports import RunStorage
from keyledger.domain.audit.writer import RunWriter
from keyledger.domain.errors import KeyledgerError, StorageError
from keyledger.domain.run import PURGES_STREAM, CountPurge, Purge

PURGE_BATCH = 500
RETENTION_ACTOR = "system:retention"


class Purger:
    """Purges runs, and counts them in the stream of totals: each run's own RunPurged is the truth.

    A batch that fails midway counts what it had purged, if the storage lets it. The total of one whose process was
    killed is missing.
    """

    def __init__(self, storage: RunStorage, writer: RunWriter) -> None:
        self._storage, self._writer = storage, writer

    def batch(
        self, before: datetime, limit: int, actor: str | None = None, *, ended: datetime | None = None
    ) -> int | None:
        """Purge up to ``limit`` of the runs that started before ``before``; None where there were none to look at.

        With ``ended`` only those that finished before it, else running or not.
        """
        who = actor or RETENTION_ACTOR
        streams = self._due(before, ended, limit)
        purged = self._purge(streams, before, who)
        if streams and not purged and self._due(before, ended, 1) == streams[:1]:
            raise StorageError(f"the summary of {streams[0]!r} does not match its events; rebuild the ledger")
        return purged if streams else None

    def _due(self, before: datetime, ended: datetime | None, limit: int) -> list[str]:
        if ended is None:
            return self._storage.started_before(before, limit)
        return self._storage.ended_before(min(before, ended), ended, limit)

    def _purge(self, streams: list[str], before: datetime, who: str) -> int:
        purged = 0
        try:
            for stream in streams:
                purged += bool(self._writer.execute(stream, Purge(), changed_by=who))
        except BaseException:
            with suppress(KeyledgerError):
                self._count(purged, before, who)
            raise
        self._count(purged, before, who)
        return purged

    def _count(self, purged: int, before: datetime, who: str) -> None:
        if purged:
            self._writer.execute(PURGES_STREAM, CountPurge(purged, before), changed_by=who)
