"""Who takes part, on which engine."""

from __future__ import annotations

from benchmarks.engines import POSTGRES, SQLITE
from benchmarks.rivals import langgraph
from benchmarks.rivals.atlas import Atlas
from benchmarks.rivals.disk_cache import DiskCache
from benchmarks.rivals.library import SNAPSHOT_EVERY, Library
from benchmarks.rivals.store import Rival
from benchmarks.rivals.trigger import TriggerPostgres, TriggerSQLite

_FASTER = {"set": 1.0, "get": 1.0}
_NEAR = {"set": 1 / 1.5}

_FULL, _ON = "WAL, synchronous FULL", "synchronous_commit on"
_LIBRARY = (
    f"an event; a snapshot of the whole partition every {SNAPSHOT_EVERY} events; no read model, usage or quota"
)
_STORE = "the value, two times; no history, no usage"
_ATLAS = "the value, its size and expiry, the namespace's sum read for a quota; no history"
_AUDIT = "the value, and by a trigger a row of history with value, actor and run; no usage, no quota"

RIVALS: dict[str, list[Rival]] = {
    SQLITE: [
        Rival("LangGraph SqliteStore", "langgraph-checkpoint-sqlite", _STORE, _FULL, langgraph.on_sqlite, _FASTER),
        Rival("ATLAS's upsert", "sqlalchemy", _ATLAS, _FULL, Atlas, _FASTER),
        Rival("eventsourcing aggregate", "eventsourcing", _LIBRARY, _FULL, Library, {}),
        Rival(
            "diskcache",
            "diskcache",
            "the pickled value, times, no history",
            f"{_FULL} (its default is NORMAL), nothing evicted",
            DiskCache,
            {},
        ),
        Rival("audit trigger", "", _AUDIT, _FULL, TriggerSQLite, _NEAR),
    ],
    POSTGRES: [
        Rival(
            "LangGraph PostgresStore", "langgraph-checkpoint-postgres", _STORE, _ON, langgraph.on_postgres, _FASTER
        ),
        Rival("ATLAS's upsert", "sqlalchemy", _ATLAS, _ON, Atlas, _FASTER),
        Rival("eventsourcing aggregate", "eventsourcing", _LIBRARY, _ON, Library, {}),
        Rival("audit trigger", "", _AUDIT, _ON, TriggerPostgres, _NEAR),
    ],
}
