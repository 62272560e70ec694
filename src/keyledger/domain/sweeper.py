"""Housekeeping, bounded per call and safe to run from several processes at once.

Expired entries become KeyExpired events, keys that outlived their runs KeyDeleted; old runs that have finished are
purged, old request ids forgotten, and what partitions lease of the global quota beyond their use goes back to it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from keyledger.domain import arguments
from keyledger.domain.audit.purging import PURGE_BATCH, Purger
from keyledger.domain.audit.sweeper import RunSweeper
from keyledger.domain.commands import Attribution, EndExpired, PartitionCommand
from keyledger.domain.engine import Engine
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.ports import Commit, HeadMovedError, Projector, Slice
from keyledger.domain.quota import Lease, block_for
from keyledger.domain.records import SweepReport
from keyledger.domain.skills.grants import Grants

REQUEST_RETENTION = timedelta(days=7)
"""How long a user's request id answers a retry."""

RUN_KEYS_RETENTION = 604_800
"""How long the keys of a finished run, or tree of runs, stay: 7 days, in seconds."""

_PER_COMMAND = 500
_PAGE = 100


class Sweeper:
    """Sweeps one ledger."""

    def __init__(self, engine: Engine, project: Projector, grants: Grants) -> None:
        self._storage, self._writer, self._clock = engine.storage, engine.writer, engine.clock
        self._purger, self._project = Purger(engine.storage.runs, engine.run_writer), project
        self._grants = grants
        self._run_keys = RunSweeper(engine.storage, engine.writer, engine.clock)

    def sweep(self, limit: int, run_keys_after: float | None, runs_after: float | None) -> SweepReport:
        """Do up to ``limit`` of each thing that is due; ages are seconds, None is never."""
        arguments.check_integer("limit", limit, 1)
        finished_before = self._before("run_keys_after", run_keys_after)
        started_before = self._before("runs_after", runs_after)
        expired = self._end_expired(limit)
        deleted = 0 if finished_before is None else self._run_keys.sweep(finished_before, limit)
        keys_left = deleted == limit  # of a run that is purged they would go by the time of the purge
        purged = 0 if started_before is None or keys_left else self._purge(started_before, finished_before, limit)
        forgotten = self._storage.forget_requests(self._clock.now() - REQUEST_RETENTION, limit)
        carried = self._grants.carry_all(limit)
        complete = max(expired, purged, deleted, forgotten, carried) < limit
        return SweepReport(expired, deleted, purged, forgotten, self._reclaim(), carried, complete)

    def _before(self, field: str, age: float | None) -> datetime | None:
        """The moment that lies ``age`` seconds back."""
        if age is None:
            return None
        arguments.check_seconds(field, age)
        try:
            return self._clock.now() - timedelta(seconds=age)
        except OverflowError:
            raise InvalidArgumentError(field, age, "seconds that go back no further than the year 1") from None

    def _purge(self, started_before: datetime, finished_before: datetime | None, limit: int) -> int:
        """Purge runs that have finished, and whose keys need not stay."""
        total, ended = 0, finished_before or self._clock.now()
        while total < limit:
            purged = self._purger.batch(started_before, min(PURGE_BATCH, limit - total), ended=ended)
            if purged is None:
                break
            total += purged
        return total

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
