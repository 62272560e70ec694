"""Carries what was granted to skills over to their partitions: a process manager between two streams.

A grant is an event of the skill; it reaches the partition as a QuotaChanged event of its own, later and perhaps by
another process. That event's request id, ``skill:<id>@<revision>``, names the grant, so the partition's own stream
says which grants it has had: nothing is carried twice, none over a later one, and none is lost.
"""

from __future__ import annotations

import logging

from keyledger.domain.commands import GRANT_PREFIX, Attribution, ChangeQuota, PartitionCommand
from keyledger.domain.engine import Engine
from keyledger.domain.errors import ForkIncompleteError, KeyledgerError, NewerLedgerError, UnreadableError
from keyledger.domain.partition import PartitionState, QuotaChanged
from keyledger.domain.ports import Session
from keyledger.domain.scope import partition_stream
from keyledger.domain.skill import SkillQuotaGranted, skill_of

_log = logging.getLogger("keyledger")

_PAGE = 100


class Grants:
    """The grants of one ledger."""

    def __init__(self, engine: Engine) -> None:
        self._skills, self._storage, self._writer = engine.storage.skills, engine.storage, engine.writer

    def carry(self, stream: str) -> bool:
        """Carry the last grant to the skill over, unless its partition has had it; whether that was done.

        Raises:
            ForkIncompleteError: the partition is a fork that is not finished, and gets it when it is.
            UnreadableError, NewerLedgerError: what the skill or its partition says cannot be read here.
            StorageError: the database is in the way.
        """
        granted = self._skills.load(stream).quota_revision
        partition = partition_stream(skill_of(stream))
        if granted <= _carried(self._storage, partition):
            return False
        grant = self._grant(stream, granted)
        by = Attribution(f"{stream}@{granted}", grant.changed_by)
        command = PartitionCommand(ChangeQuota(grant.max_bytes, record=True), by)

        def unless_overtaken(session: Session, state: PartitionState) -> PartitionCommand:
            if granted > _carried(session, partition):
                return command
            return command._replace(action=ChangeQuota(state.max_bytes))

        return bool(self._writer.execute(partition, command, plan=unless_overtaken).events)

    def carry_all(self, limit: int) -> int:
        """Carry over what is left to be, up to ``limit`` grants; how many were.

        What cannot be carried as things stand is told to the log, and holds up no other.
        """
        done, after = 0, ""
        while done < limit and (streams := self._skills.granted(after, _PAGE)):
            for stream in streams:
                done += done < limit and self._carried_if_it_can_be(stream)
            after = streams[-1]
        return done

    def _carried_if_it_can_be(self, stream: str) -> bool:
        try:
            return self.carry(stream)
        except (ForkIncompleteError, NewerLedgerError, UnreadableError) as error:
            tell_left(stream, error)
            return False

    def _grant(self, stream: str, revision: int) -> SkillQuotaGranted:
        """The event that granted a quota; UnreadableError where none stands at the revision that the row names."""
        for event in self._skills.events(stream, revision - 1, 1):
            if isinstance(event, SkillQuotaGranted) and event.originator_version == revision:
                return event
        raise UnreadableError(f"the row of {stream!r}", f"revision {revision} grants no quota")


def tell_left(stream: str, error: KeyledgerError) -> None:
    """Tell the log that a grant was saved and has not reached its partition."""
    _log.warning("%s: its quota is not carried to its partition yet, the next sweep tries: %s", stream, error)


def _carried(session: Session, partition: str) -> int:
    """The revision of the last grant that the partition has had, 0 if it has had none."""
    change = last_grant(session, partition, session.load(partition, ()).state.revision)
    return 0 if change is None else int(change.request_id.rpartition("@")[2])


def last_grant(session: Session, partition: str, revision: int) -> QuotaChanged | None:
    """The last change of a partition's quota up to ``revision`` that carried a grant over; None if none did."""
    while (change := session.quota_at(partition, revision)) is not None:
        if change.request_id.startswith(GRANT_PREFIX):
            return change
        revision = change.originator_version - 1
    return None
