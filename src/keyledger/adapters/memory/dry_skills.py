"""The skills of a dry run: in memory, and each begins as a copy of the real one when it is first used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from keyledger.adapters.event_mapper import EventMapper
from keyledger.adapters.memory.recorder import Recorder
from keyledger.adapters.memory.skills import MemorySkills
from keyledger.domain.skill import SkillState, fold
from keyledger.domain.skills.ports import SkillFilter, SkillProjector, SkillStorage
from keyledger.domain.values import MAX_INTEGER

_PAGE = 100


class DrySkills(MemorySkills):
    """Skills in memory, on top of those of ``source``, which are only read."""

    def __init__(
        self, mapper: EventMapper, recorder: Recorder, source: SkillStorage, project: SkillProjector
    ) -> None:
        super().__init__(mapper, recorder)
        self._source, self._project = source, project
        self._copied: set[str] = set()
        self._copied_all = False

    @contextmanager
    def exclusive(self, stream: str) -> Iterator[MemorySkills]:
        self._copy(stream)
        with super().exclusive(stream) as session:
            yield session

    def load(self, stream: str) -> SkillState:
        self._copy(stream)
        return super().load(stream)

    def tier(self, stream: str) -> str | None:
        return super().tier(stream) if stream in self._copied else self._source.tier(stream)

    def events(self, stream: str, after: int, limit: int) -> list[Any]:
        self._copy(stream)
        return super().events(stream, after, limit)

    def list_skills(self, wanted: SkillFilter, after: str, limit: int) -> list[SkillState]:
        self._copy_all()
        return super().list_skills(wanted, after, limit)

    def granted(self, after: str, limit: int) -> list[str]:
        self._copy_all()
        return super().granted(after, limit)

    def _copy(self, stream: str) -> None:
        """Begin as the real skill stands now, unless that is done; its lock and ours are never held together."""
        if stream in self._copied:
            return
        events = self._source.events(stream, 0, MAX_INTEGER)
        with self._recorder.locked():
            if events and stream not in self._copied:
                self._recorder.insert_events([self._mapper.to_stored_event(event) for event in events])
                self._rows[stream] = self._project(fold(SkillState(stream), events))
            self._copied.add(stream)

    def _copy_all(self) -> None:
        after = ""
        while not self._copied_all:
            found = self._source.list_skills(SkillFilter(archived=True), after, _PAGE)
            for skill in found:
                self._copy(skill.id)
            self._copied_all = not found
            after = found[-1].id if found else after
