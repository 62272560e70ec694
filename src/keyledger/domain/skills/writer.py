"""The write path of skills: one command, decided and committed under its stream's lock."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from keyledger.domain.locked_writes import UnconfirmedError, write_locked
from keyledger.domain.ports import Clock, HeadMovedError
from keyledger.domain.skill import SkillAction, SkillCommand, SkillEvent, SkillState, decide, fold
from keyledger.domain.skills.ports import SkillCommit, SkillProjector, SkillSession, SkillStorage


class SkillWriter:
    """Executes commands against a storage; safe to share between threads."""

    def __init__(self, storage: SkillStorage, project: SkillProjector, clock: Clock) -> None:
        self._storage, self._project, self._clock = storage, project, clock

    def execute(self, stream: str, action: SkillAction, *, changed_by: str | None = None) -> SkillState:
        """Do ``action`` on a skill's stream; what stands there then.

        Raises:
            InvalidArgumentError, RevisionConflictError, SkillNotFoundError: as the action; nothing was written.
            OutcomeUnknownError: it may have been written or not.
            StorageError: the database is in the way, and nothing was written.
        """
        command = SkillCommand(action, secrets.token_urlsafe(9), changed_by)
        reached = SkillState(stream)

        def attempt(session: SkillSession) -> Sequence[SkillEvent]:
            nonlocal reached
            state = session.load(stream)
            events = decide(command, state, self._clock.now())
            reached = fold(state, events)
            if events:
                commit = SkillCommit(state.revision, events[0], self._project(reached))
                try:
                    session.commit(commit)
                except HeadMovedError as moved:
                    raise UnconfirmedError(commit, unknown=moved.unknown) from None
            return events

        write_locked(self._storage.exclusive, stream, attempt)
        return reached
