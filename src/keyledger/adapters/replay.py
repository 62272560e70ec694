"""A ledger's streams as the eventsourcing library's own application, to replay a partition in full.

``replayed(storage).repository.get("partition:weather", projector_func=partition)`` builds the state from every
event of the stream; it costs the stream's length, and equals what the read models say.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from eventsourcing.application import Application
from eventsourcing.persistence import ApplicationRecorder, EventStore

from keyledger.adapters.event_mapper import EventMapper
from keyledger.domain.partition import PartitionEvent, PartitionState, evolve


class Recorded(Protocol):
    """A storage whose events the library can read."""

    mapper: EventMapper

    @property
    def recorder(self) -> ApplicationRecorder:
        """The library's recorder that the storage writes through."""
        ...


class LedgerApplication(Application[str]):
    """The library's application on an open storage."""

    name = "keyledger"

    def __init__(self, storage: Recorded) -> None:
        self._storage = storage
        super().__init__({"PERSISTENCE_MODULE": "eventsourcing.popo"})

    def construct_mapper(self) -> EventMapper:
        """The storage's mapper."""
        return self._storage.mapper

    def construct_recorder(self) -> ApplicationRecorder:
        """The storage's recorder."""
        return self._storage.recorder

    def construct_event_store(self) -> EventStore[str]:
        """The library's event store on both."""
        return EventStore(self._storage.mapper, self._storage.recorder)


def partition(state: PartitionState | None, events: Iterable[Any]) -> PartitionState | None:
    """The library's projector function for partitions: ``evolve`` over the events."""
    event: PartitionEvent
    for event in events:
        state = evolve(state or PartitionState(event.originator_id), event)
    return state
