"""Writing a stream under its lock until it is known what became of it: for streams of one event a command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from keyledger.domain.errors import OutcomeUnknownError, StorageError
from keyledger.domain.event import Event

_MOST_ATTEMPTS = 5


class OneEventCommit(Protocol):
    """What is written at once: an event on the head that it expects, and the read models."""

    @property
    def expected(self) -> int:
        """The revision that the head must have."""
        ...

    @property
    def event(self) -> Event:
        """The event that makes the next one."""
        ...


State = TypeVar("State")
StateT_co = TypeVar("StateT_co", covariant=True)
EventT = TypeVar("EventT", bound=Event)


class StreamSession(Protocol[StateT_co]):
    """Reads of one stream in a transaction that holds its lock."""

    def load(self, stream: str) -> StateT_co:
        """The stream's head."""
        ...

    def events(self, stream: str, after: int, limit: int) -> list[Any]:
        """Events with revision > ``after``, oldest first."""
        ...


SessionT = TypeVar("SessionT", bound=StreamSession[Any])


class UnconfirmedError(Exception):
    """A commit found the head moved; or, if ``unknown``, nobody can say yet whether it took place."""

    def __init__(self, commit: OneEventCommit, *, unknown: bool) -> None:
        super().__init__()
        self.commit, self.unknown = commit, unknown


def write_locked(
    exclusive: Callable[[str], AbstractContextManager[SessionT]],
    stream: str,
    attempt: Callable[[SessionT], Sequence[EventT]],
    suspect: UnconfirmedError | None = None,
) -> Sequence[EventT]:
    """What ``attempt`` wrote under the lock; or the event of ``suspect``, an attempt before, if that took place.

    Raises:
        OutcomeUnknownError: it may have been written or not.
        StorageError: the database is in the way, and nothing was written.
    """
    for _ in range(_MOST_ATTEMPTS):
        try:
            with exclusive(stream) as session:
                if suspect is not None and _took_place(session, stream, suspect.commit):
                    return [suspect.commit.event]  # type: ignore[list-item]  # made by an attempt
                suspect = None
                return attempt(session)
        except UnconfirmedError as unconfirmed:
            suspect = unconfirmed
        except StorageError as error:
            if suspect is not None and suspect.unknown:
                raise OutcomeUnknownError(stream, has_request_id=False) from error
            raise
    if suspect is not None and suspect.unknown:
        raise OutcomeUnknownError(stream, has_request_id=False)
    raise StorageError(f"the head of {stream!r} does not match its events; rebuild the ledger")


def _took_place(session: StreamSession[Any], stream: str, commit: OneEventCommit) -> bool:
    """Whether a commit took place and only its acknowledgement was lost: its event is there, id and time."""
    return bool(session.events(stream, commit.expected, 1) == [commit.event])
