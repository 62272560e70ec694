"""Housekeeping, bounded per call and safe to run from several processes at once.

Expired entries become KeyExpired events, old request ids are forgotten, and what partitions lease of the
global quota beyond their use goes back to it.
"""

from __future__ import annotations

from datetime import timedelta

from keyledger.domain.commands import Attribution, EndExpired, PartitionCommand
from keyledger.domain.ports import Clock, Commit, HeadMovedError, Projector, Slice, Storage
from keyledger.domain.quota import Lease, block_for
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
        """Return leases that no head lists (their writer died), and what partitions lease and can spare."""
        returned, after = 0, ""
        while rows := self._storage.lease_rows(after, _PAGE):
            for stream, lease in rows:
                kept = self._kept(stream, lease)
                if kept < lease.size:
                    self._storage.shrink_lease(lease.lease_id, kept)
                    returned += lease.size - kept
            after = rows[-1][1].lease_id
        return returned

    def _kept(self, stream: str, lease: Lease) -> int:
        """How much of a lease stays leased: whole blocks, as many as the partition needs beside its others.

        What does not is taken off the head first, under a new lease version: so nobody counts on it any more
        when the global row gets it back, and a sweep that died in between is finished by the next.
        """
        if _needed(self._storage.load(stream, ()), lease) == lease.size:
            return lease.size
        with self._storage.exclusive(stream) as session:
            loaded = session.load(stream, ())
            state, leases, _ = loaded
            kept = _needed(loaded, lease)
            if kept and lease._replace(size=kept) in leases.held:
                return kept
            head = self._project(state, ())
            fewer = leases.resized(lease.lease_id, kept)
            try:
                session.commit(Commit(stream, state.revision, leases.version, (), head, fewer, ()))
            except HeadMovedError:
                return lease.size
        self._writer.forget(stream)
        return kept


def _needed(loaded: Slice, lease: Lease) -> int:
    """How much of a lease its partition needs: whole blocks, beside its other leases."""
    listed = sum(each.size for each in loaded.leases.held if each.lease_id == lease.lease_id)
    missing = max(0, loaded.state.used_bytes - (loaded.leases.size - listed))
    return min(listed, block_for(missing))
