"""The storage of a dry run: in memory, and each stream begins as a fork of the real one when it is first used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import RLock

from keyledger.adapters.event_mapper import EventMapper
from keyledger.adapters.memory.dry_skills import DrySkills
from keyledger.adapters.memory.storage import MemoryStorage
from keyledger.domain.commands import Attribution, ChangeQuota, EntryKey, PartitionCommand
from keyledger.domain.engine import Engine
from keyledger.domain.past.forking import Fork
from keyledger.domain.past.moments import Moment, Moments
from keyledger.domain.past.standing import quota_then
from keyledger.domain.ports import Projector, Slice
from keyledger.domain.skills.grants import last_grant
from keyledger.domain.skills.ports import SkillProjector
from keyledger.domain.writer import Writer
from keyledger.domain.writes import Caller


class DryStorage(MemoryStorage):
    """A ledger's events in memory, on top of those of ``source``, which is only read.

    Whatever is done with a stream, its head is loaded first: so that is where it is forked.
    """

    def __init__(
        self, mapper: EventMapper, source: Engine, project: Projector, project_skill: SkillProjector
    ) -> None:
        super().__init__(mapper)
        self.skills = DrySkills(mapper, self.recorder, source.storage.skills, project_skill)
        self._source = source
        self._copying = replace(source, storage=self, writer=Writer(self, project, source.clock))
        self._moments: dict[str, Moment] = {}
        self._forked: set[str] = set()
        self._begun: set[str] = set()
        self._forking = RLock()

    def load(self, stream: str, keys: Sequence[EntryKey], request_ids: Sequence[str] = ()) -> Slice:
        self._touch(stream)
        return super().load(stream, keys, request_ids)

    @contextmanager
    def exclusive(self, stream: str) -> Iterator[MemoryStorage]:
        self._touch(stream)  # before the lock is held: others who copy a stream need it
        with super().exclusive(stream) as session:
            yield session

    def reset(self) -> None:
        """In a forked child, go on with a copy of what the parent held; a fork it was at is finished there."""
        super().reset()
        self._copying.writer.reset()
        self._begun = set(self._forked)
        self._forking = RLock()

    def _touch(self, stream: str) -> None:
        """Fork a stream, unless that is done, or is what goes on here."""
        if stream in self._forked:
            return
        with self._forking:
            if stream in self._begun:
                return
            self._begun.add(stream)
            try:
                self._fork(stream)
            except BaseException:
                self._begun.discard(stream)
                raise
            self._forked.add(stream)

    def _fork(self, stream: str) -> None:
        """Begin as the real stream stands now, or finish that; one that was never used begins as itself."""
        self._source.forks.check(stream)
        moment = self._moments.setdefault(stream, Moments(self._source, stream).now())
        if moment.revision:
            Fork(self._source.storage, moment, self._copying, stream, Caller()).run()
            self._note_grant(moment)

    def _note_grant(self, moment: Moment) -> None:
        """What was granted to the skill and has reached the real stream is not to be carried over here again."""
        granted = last_grant(self._source.storage, moment.stream, moment.revision)
        if granted is not None:
            quota = ChangeQuota(quota_then(self._source.storage, moment), record=True)
            by = Attribution(granted.request_id, granted.changed_by)
            self._copying.writer.execute(moment.stream, PartitionCommand(quota, by))
