"""Housekeeping, bounded per call and safe to run from several processes at once.

Expired entries become KeyExpired events, old request ids are forgotten, and what partitions lease of the
global quota beyond their use goes back to it.
"""

from __future__ import annotations

from datetime import timedelta

from keyledger.domain.commands import Attribution, EndExpired, PartitionCommand
from keyledger.domain.ports import Clock, Commit, HeadMovedError, Projector, Storage
from keyledger.domain.quota import Lease
from keyledger.domain.records import SweepReport
from keyledger.domain.writer import Writer

REQUEST_RETENTION = timedelta(days=7)
"""How long a user's request id answers a retry."""

_PER_COMMAND = 500
_PAGE = 100


class Sweeper:
    """Sweeps one ledger."""

    def __init__(self, storage: Storage, writer: Writer, project: Projector, clock: Clock) -> None:
        self._storage, self._writer, self._project, self._clock = storage, writer, project, clock

    def sweep(self, limit: int) -> SweepReport:
        """End up to ``limit`` expired entries, forget up to as many request ids, take leases back."""
        expired = self._end_expired(limit)
        forgotten = self._storage.forget_requests(self._clock.now() - REQUEST_RETENTION, limit)
        return SweepReport(expired, forgotten, self._reclaim(), expired < limit and forgotten < limit)

    def _end_expired(self, limit: int) -> int:
        ended, after = 0, ""
        while ended < limit and (streams := self._storage.expiring_streams(after, _PAGE, self._clock.now())):
            for stream in streams:
                while ended < limit:
                    wanted = min(_PER_COMMAND, limit - ended)
                    by = Attribution(self._writer.new_request_id())
                    command = PartitionCommand(EndExpired(wanted), by)
                    done = len(self._writer.execute(stream, command).events)
                    ended += done
                    if done < wanted:
                        break
            after = streams[-1]
        return ended

    def _reclaim(self) -> int:
        """Return every lease that no head lists (its writer died), and those that a partition can spare."""
        returned, after = 0, ""
        while rows := self._storage.lease_rows(after, _PAGE):
            for stream, lease in rows:
                if self._release(stream, lease):
                    self._storage.return_lease(lease.lease_id)
                    returned += lease.size
            after = rows[-1][1].lease_id
        return returned

    def _release(self, stream: str, lease: Lease) -> bool:
        """Take a lease off its head and raise the head's lease version, so that nobody adopts it any more."""
        with self._storage.exclusive(stream) as session:
            state, leases, _ = session.load(stream, ())
            if lease in leases.held and leases.size - lease.size < state.used_bytes:
                return False
            changes = self._project(state, ())
            try:
                session.commit(
                    Commit(
                        stream,
                        state.revision,
                        leases.version,
                        (),
                        changes,
                        leases.without(lease.lease_id),
                        (),
                    )
                )
            except HeadMovedError:
                return False
        self._writer.forget(stream)
        return True
