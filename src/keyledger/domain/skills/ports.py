"""What skills ask of a store: events of skills, and the read model inline with them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import NamedTuple, Protocol, TypeAlias

from keyledger.domain.skill import Saved, SkillEvent, SkillState


class SkillRow(NamedTuple):
    """A skill's row in the skills read model: its head, what it says, and what it is listed by.

    ``stream`` is ``skill:<id>``. ``saved_revision`` is that of its last save, ``quota_revision`` that of the
    grant of ``max_bytes``, 0 if there was none.
    """

    stream: str
    revision: int
    last_recorded_at: datetime
    name: str
    owner: str
    visibility: str
    tags: tuple[str, ...]
    definition: bytes
    trusted: bool
    saved_revision: int
    created_at: datetime
    saved_at: datetime
    saved_by: str | None
    extended_bounds: bool
    max_bytes: int | None
    quota_revision: int
    archived: bool

    @property
    def state(self) -> SkillState:
        """The skill that the row stands for."""
        saved = Saved(
            self.definition, self.trusted, self.saved_revision, self.created_at, self.saved_at, self.saved_by
        )
        return SkillState(
            self.stream,
            self.revision,
            self.last_recorded_at,
            saved,
            self.extended_bounds,
            self.max_bytes,
            self.quota_revision,
            self.archived,
        )


SkillProjector: TypeAlias = Callable[[SkillState], SkillRow]
"""From a skill that was saved, its row."""


class SkillCommit(NamedTuple):
    """Everything that one transaction writes to a skill's stream, or, when its head has moved, does not."""

    expected: int
    event: SkillEvent
    row: SkillRow


class SkillFilter(NamedTuple):
    """Which skills to list; an empty text is no condition."""

    owner: str = ""
    tag: str = ""
    visibility: str = ""
    archived: bool = False
    """Archived ones too."""


class SkillSession(Protocol):
    """Reads and writes of one skill's stream; see :meth:`SkillStorage.exclusive`."""

    def load(self, stream: str) -> SkillState:
        """The skill; revision 0 if it was never saved."""
        ...

    def events(self, stream: str, after: int, limit: int) -> list[SkillEvent]:
        """Events with revision > ``after``, oldest first."""
        ...

    def commit(self, commit: SkillCommit) -> None:
        """Write all of it in one transaction, which ends here.

        HeadMovedError, and nothing written, if the head's revision is not the expected one; HeadMovedError too
        if the outcome cannot be known.
        """
        ...


class RebuiltSkills(NamedTuple):
    """Some skills were rebuilt, up to ``last``; ``differences`` has a line for each row that differed."""

    last: str
    skills: int
    differences: list[str]


class SkillStorage(Protocol):
    """The skills' part of a storage; errors as in :class:`~keyledger.domain.ports.Storage`."""

    def load(self, stream: str) -> SkillState:
        """The skill; revision 0 if it was never saved."""
        ...

    def tier(self, stream: str) -> str | None:
        """The tier of the skill, None if it was never saved; what it says is not read for it."""
        ...

    def events(self, stream: str, after: int, limit: int) -> list[SkillEvent]:
        """Events with revision > ``after``, oldest first."""
        ...

    def exclusive(self, stream: str) -> AbstractContextManager[SkillSession]:
        """A session in one transaction that from its first read on holds the stream's write lock."""
        ...

    def list_skills(self, wanted: SkillFilter, after: str, limit: int) -> list[SkillState]:
        """Skills that match, with streams > ``after``, by stream in UTF-8 byte order."""
        ...

    def granted(self, after: str, limit: int) -> list[str]:
        """Streams > ``after`` of skills that were granted a quota, or had one taken back, in UTF-8 byte order."""
        ...

    def rebuild(
        self, after: str, limit: int, project: SkillProjector, progress: Callable[[int], None]
    ) -> RebuiltSkills | None:
        """Rebuild the rows of up to ``limit`` skills > ``after`` from their events, each in one transaction.

        None where there are no more.
        """
        ...

    def count_events(self) -> int:
        """How many events the streams of skills have, about: for progress."""
        ...
