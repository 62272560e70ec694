"""Carries what was granted to skills over to their partitions: a process manager between two streams.

A grant is an event of the skill; it reaches the partition as a QuotaChanged event of its own, later and perhaps by
another process. That event's request id, ``skill:<id>@<revision>``, names the grant, so the partition's own stream
says which grants it has had: nothing is carried twice, none over a later one, and none is lost.
"""

from __future__ import annotations

from contextlib import suppress

from keyledger.domain.commands import GRANT_PREFIX, Attribution, ChangeQuota, PartitionCommand
from keyledger.domain.engine import Engine
from keyledger.domain.errors import ForkIncompleteError
from keyledger.domain.partition import PartitionState, QuotaChanged
from keyledger.domain.ports import Session
from keyledger.domain.scope import partition_stream
from keyledger.domain.skill import SkillQuotaGranted, skill_of
from keyledger.domain.skills.ports import SkillFilter

_PAGE = 100


class Grants:
    """The grants of one ledger."""

    def __init__(self, engine: Engine) -> None:
        self._skills, self._storage, self._writer = engine.storage.skills, engine.storage, engine.writer

    def carry(self, stream: str) -> bool:
        """Carry the last grant to the skill over, unless its partition has had it; whether that was done.

        A partition that is a fork gets it once that is finished, by a later sweep.
        """
        granted = self._skills.load(stream).quota_revision
        partition = partition_stream(skill_of(stream))
        if granted <= _carried(self._storage, partition):
            return False
        (grant,) = self._skills.events(stream, granted - 1, 1)
        assert isinstance(grant, SkillQuotaGranted)  # noqa: S101 - quota_revision says so
        by = Attribution(f"{stream}@{granted}", grant.changed_by)
        command = PartitionCommand(ChangeQuota(grant.max_bytes, record=True), by)

        def unless_overtaken(session: Session, state: PartitionState) -> PartitionCommand:
            if granted > _carried(session, partition):
                return command
            return command._replace(action=ChangeQuota(state.max_bytes))

        with suppress(ForkIncompleteError):
            return bool(self._writer.execute(partition, command, plan=unless_overtaken).events)
        return False

    def carry_all(self, limit: int) -> int:
        """Carry over what is left to be, up to ``limit`` grants; how many were."""
        done, after, wanted = 0, "", SkillFilter(granted=True)
        while done < limit and (skills := self._skills.list_skills(wanted, after, _PAGE)):
            for skill in skills:
                done += done < limit and self.carry(skill.id)
            after = skills[-1].id
        return done


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
