"""The write path of runs: from a command to one transaction on one run's stream.

As for partitions, the first attempt is optimistic, on the head that this process wrote last; the commit fails as
a whole if that head has moved, and the next attempt holds the stream's lock. Threads of one process that write
one run take turns. Nothing is refused on a cached head.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Sequence
from itertools import count
from threading import Lock

from keyledger.domain.audit.ports import RunCommit, RunProjector, RunSession, RunStorage
from keyledger.domain.errors import KeyledgerError, StorageError
from keyledger.domain.locked_writes import UnconfirmedError, write_locked
from keyledger.domain.ports import Clock, HeadMovedError
from keyledger.domain.run import Purged, RunAction, RunCommand, RunEvent, RunPurged, RunState, decide, evolve

_MOST_HEADS = 1_024
_TURNS = 64


class RunWriter:
    """Executes commands against a storage; safe to share between threads."""

    def __init__(self, storage: RunStorage, project: RunProjector, clock: Clock) -> None:
        self._storage, self._project, self._clock = storage, project, clock
        self.reset()

    def reset(self) -> None:
        """Forget cached heads and held turns: for a process that inherited them by fork()."""
        self._heads: OrderedDict[str, RunState] = OrderedDict()
        self._mutex = Lock()
        self._turns = [Lock() for _ in range(_TURNS)]
        self._ids = count(1)
        self._id_prefix = secrets.token_urlsafe(9)

    def execute(self, stream: str, action: RunAction, *, changed_by: str | None = None) -> Sequence[RunEvent]:
        """Do ``action`` on a run's stream; the events that it made.

        Raises:
            RefusedError, RunNotFoundError: a rule says no, and nothing was written.
            OutcomeUnknownError: it may have been written or not.
            StorageError: the database is in the way, and nothing was written.
        """
        command = RunCommand(action, f"{self._id_prefix}-{next(self._ids)}", changed_by)
        with self._turns[hash(stream) % _TURNS]:
            try:
                return self._execute(stream, command)
            except BaseException:
                self._forget(stream)
                raise

    def _execute(self, stream: str, command: RunCommand) -> Sequence[RunEvent]:
        known, suspect = self._heads.get(stream), None
        if known is not None:
            try:
                return self._attempt(self._storage, known, command)
            except UnconfirmedError as unconfirmed:
                suspect = unconfirmed
            except StorageError:
                raise
            except KeyledgerError:
                pass
        return self._execute_locked(stream, command, suspect)

    def _execute_locked(
        self, stream: str, command: RunCommand, suspect: UnconfirmedError | None
    ) -> Sequence[RunEvent]:
        def attempt(session: RunSession) -> Sequence[RunEvent]:
            return self._attempt(session, session.load(stream), command)

        return write_locked(self._storage.exclusive, stream, attempt, suspect)

    def _attempt(self, session: RunSession, state: RunState, command: RunCommand) -> Sequence[RunEvent]:
        events = decide(command, state, self._clock.now())
        if events:
            (event,) = events
            after = evolve(state, event)
            commit = RunCommit(state.revision, event, after, self._project(events), _marker(event))
            try:
                session.commit(commit)
            except HeadMovedError as moved:
                raise UnconfirmedError(commit, unknown=moved.unknown) from None
            self._remember(after)
        return events

    def _remember(self, state: RunState) -> None:
        """Keep the head of a run that goes on; one that has ended is rarely written again."""
        with self._mutex:
            self._heads.pop(state.id, None)
            if state.outcome is None and not state.purged:
                self._heads[state.id] = state
                if len(self._heads) > _MOST_HEADS:
                    self._heads.popitem(last=False)

    def holds(self, stream: str) -> bool:
        """Whether this process wrote the run last, as far as it knows, and the run has not ended."""
        return stream in self._heads

    def _forget(self, stream: str) -> None:
        with self._mutex:
            self._heads.pop(stream, None)


def _marker(event: RunEvent) -> Purged | None:
    """What takes the place of a purged run's events."""
    if not isinstance(event, RunPurged):
        return None
    fields = {name: getattr(event, name) for name in Purged.TEMPLATE}
    return Purged.of(fields | {"originator_version": 0, "changed_by": None})
