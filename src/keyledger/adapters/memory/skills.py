"""The SkillStorage port on a dict, under the lock of the ledger's storage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from keyledger.adapters.event_mapper import EventMapper
from keyledger.adapters.memory.recorder import Recorder, read_events
from keyledger.adapters.skill_rows import rebuilt_skill
from keyledger.domain.ports import HeadMovedError
from keyledger.domain.skill import STREAM_PREFIX, SkillState
from keyledger.domain.skills.ports import (
    RebuiltSkills,
    SkillCommit,
    SkillFilter,
    SkillProjector,
    SkillRow,
)


class MemorySkills:
    """Events and rows of skills in this process's memory."""

    def __init__(self, mapper: EventMapper, recorder: Recorder) -> None:
        self._mapper, self._recorder = mapper, recorder
        self._rows: dict[str, SkillRow] = {}

    @contextmanager
    def exclusive(self, stream: str) -> Iterator[MemorySkills]:  # noqa: ARG002 - one lock for all streams
        with self._recorder.locked():
            yield self

    def load(self, stream: str) -> SkillState:
        with self._recorder.locked():
            row = self._rows.get(stream)
            return SkillState(stream) if row is None else row.state

    def tier(self, stream: str) -> str | None:
        with self._recorder.locked():
            row = self._rows.get(stream)
            return None if row is None else row.state.tier

    def events(self, stream: str, after: int, limit: int) -> list[Any]:
        with self._recorder.locked():
            return read_events(self._recorder, self._mapper, stream, after, limit)

    def commit(self, commit: SkillCommit) -> None:
        with self._recorder.locked():
            stream = commit.row.stream
            if self.load(stream).revision != commit.expected:
                raise HeadMovedError
            self._recorder.insert_events([self._mapper.to_stored_event(commit.event)])
            self._rows[stream] = commit.row

    def list_skills(self, wanted: SkillFilter, after: str, limit: int) -> list[SkillState]:
        with self._recorder.locked():
            found = sorted(stream for stream, row in self._rows.items() if _matches(row, wanted))
            return [self._rows[stream].state for stream in found if stream > after][:limit]

    def granted(self, after: str, limit: int) -> list[str]:
        with self._recorder.locked():
            found = sorted(stream for stream, row in self._rows.items() if row.quota_revision)
            return [stream for stream in found if stream > after][:limit]

    def rebuild(
        self, after: str, limit: int, project: SkillProjector, progress: Callable[[int], None]
    ) -> RebuiltSkills | None:
        with self._recorder.locked():
            stored = {stream for stream in self._recorder.stream_ids() if stream.startswith(STREAM_PREFIX)}
            streams = sorted(stream for stream in stored | self._rows.keys() if stream > after)[:limit]
            lines: list[str] = []
            for stream in streams:
                events = self.events(stream, 0, 2**63 - 1)
                row, differences = rebuilt_skill(stream, events, self._rows.get(stream), project)
                progress(len(events))
                lines += differences
                if row is None:
                    self._rows.pop(stream, None)
                else:
                    self._rows[stream] = row
            return RebuiltSkills(streams[-1], len(streams), lines) if streams else None

    def count_events(self) -> int:
        with self._recorder.locked():
            return sum(row.revision for row in self._rows.values())


def _matches(row: SkillRow, wanted: SkillFilter) -> bool:
    return (
        wanted.owner in ("", row.owner)
        and wanted.visibility in ("", row.visibility)
        and (not wanted.tag or wanted.tag in row.tags)
        and (wanted.archived or not row.archived)
    )
