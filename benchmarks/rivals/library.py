"""The eventsourcing library as its documentation shows it: one aggregate a partition, cached and snapshotted."""

from __future__ import annotations

from typing import ClassVar
from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from psycopg.conninfo import conninfo_to_dict

from benchmarks.workload import ACTOR, PARTITION, RUN
from keyledger.domain.values import JSONValue

SNAPSHOT_EVERY = 100
_CACHED = "100"


class KeyValues(Aggregate):
    """A partition: each set is an event."""

    @event("Opened")
    def __init__(self, name: str) -> None:
        self.name = name
        self.values: dict[str, JSONValue] = {}

    @staticmethod
    def create_id(name: str) -> UUID:
        """The stream of a partition."""
        return uuid5(NAMESPACE_URL, f"/partitions/{name}")

    @event("ValueSet")
    def put(self, key: str, value: JSONValue, changed_by: str, run_id: str) -> None:  # noqa: ARG002 - in the event
        """Give a key a value."""
        self.values[key] = value


class Library:
    """An application on one such aggregate."""

    def __init__(self, url: str) -> None:
        self._application = _Application({**_environment(url), "AGGREGATE_CACHE_MAXSIZE": _CACHED})
        self._repository, self._id = self._application.repository, KeyValues.create_id(PARTITION)
        self._application.save(KeyValues(PARTITION))

    def set(self, key: str, value: JSONValue) -> object:
        """As :meth:`Store.set`."""
        aggregate: KeyValues = self._repository.get(self._id)
        aggregate.put(key, value, changed_by=ACTOR, run_id=RUN)
        return self._application.save(aggregate)

    def get(self, key: str) -> object:
        """As :meth:`Store.get`; what is only read need not be copied from the cache."""
        aggregate: KeyValues = self._repository.get(self._id, deepcopy_from_cache=False)
        return aggregate.values[key]

    def close(self) -> None:
        """As :meth:`Store.close`."""
        self._application.close()


class _Application(Application[UUID]):
    snapshotting_intervals: ClassVar = {KeyValues: SNAPSHOT_EVERY}


def _environment(url: str) -> dict[str, str]:
    if url.startswith("sqlite"):
        return {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": url.removeprefix("sqlite:///")}
    parts = conninfo_to_dict(url)
    names = {"DBNAME": "dbname", "HOST": "host", "PORT": "port", "USER": "user", "PASSWORD": "password"}
    given = {f"POSTGRES_{name}": str(parts.get(part, "")) for name, part in names.items()}
    return {"PERSISTENCE_MODULE": "eventsourcing.postgres", **given}
