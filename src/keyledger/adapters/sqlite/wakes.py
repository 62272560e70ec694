"""Finding out what any process has written to a file: SQLite counts the commits of others for each connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from threading import Lock

import orjson

from keyledger.adapters.sqlite.statements import WAKE_SQL
from keyledger.adapters.wakes import Lookout

POLL = 0.02
"""Seconds between two looks at ``data_version``; each takes microseconds and no lock that a writer waits for."""


class FileLookout(Lookout):
    """Polls ``data_version`` on a connection of its own."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._inherited: list[object] = []
        self._connection: sqlite3.Connection | None = None
        super().__init__()

    def reset(self) -> None:
        """Start anew. A connection inherited by fork() is kept aside, as closing it is not ours."""
        super().reset()
        self._inherited.append(self._connection)
        self._connection = None
        self._looking = Lock()
        self._held = False

    def hold(self) -> None:
        """Before a fork: let no look be under way, as a child could inherit half of it."""
        self._held = self._looking.acquire()

    def release(self) -> None:
        """After a fork, in the parent: give back what :meth:`hold` took."""
        if self._held:
            self._held = False
            self._looking.release()

    def _look_out(self) -> None:
        try:
            with self._looking:
                self._connection = self._connect()
            self._poll(self._connection)
        finally:
            with self._looking:
                if self._connection is not None:
                    self._connection.close()
                    self._connection = None

    def _poll(self, connection: sqlite3.Connection) -> None:
        known = None
        while self._goes_on():
            with self._looking:
                (version,) = connection.execute("PRAGMA data_version").fetchone()
                moved = version != known
                revisions = self._read(connection) if moved else {}
            if moved:
                known = version
                self._tell(revisions)
            self._ended.wait(POLL)

    def _read(self, connection: sqlite3.Connection) -> dict[str, int]:
        streams = orjson.dumps(sorted(self.subscribers.streams())).decode()
        return dict(connection.execute(WAKE_SQL.read_revisions, {"streams": streams}).fetchall())
