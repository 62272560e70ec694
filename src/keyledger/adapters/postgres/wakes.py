"""Watchers on PostgreSQL: who listens is woken by NOTIFY, which no append sends.

A listener holds a shared advisory lock. A writer that has committed looks once a second at most whether anybody
holds it. Only while somebody does, it notes down which streams it wrote to, for a thread that tells, on a
connection of its own. A notification is only a hint: each second listeners compare the heads with what they know.
"""

from __future__ import annotations

from contextlib import closing, suppress
from threading import Condition, Event, Lock, Thread
from time import monotonic
from typing import Any
from zlib import crc32

import psycopg
from psycopg import Connection, Cursor, sql

from keyledger.adapters.postgres.datastore import Datastore
from keyledger.adapters.postgres.statements import WAKE_SQL
from keyledger.adapters.wakes import Lookout
from keyledger.domain.errors import StorageError

LOOK = 1.0
"""Seconds between two looks at the heads by a listener, and at whether there is a listener by a writer."""

GATHER = 0.01
"""Seconds in which what is written gathers for the next notification."""

LINGER = 30.0
"""Seconds after which a thread that has nothing to tell ends."""

_TICK = 0.1
_LOCKS = 0x6B657977  # "keyw": the space of the locks that listeners hold


def _number(schema: str) -> int:
    """A number for the ledger in a schema; two that share one wake each other's watchers, no more."""
    return crc32(schema.encode()) & 0x7FFFFFFF


def channel_of(schema: str) -> str:
    """The channel on which writers of the ledger in ``schema`` tell which streams they wrote to."""
    return f"keyledger_{_number(schema):08x}"


class Listener(Lookout):
    """Listens on a connection of its own."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        self._inherited: list[object] = []
        self._connection: Connection[Any] | None = None
        super().__init__()

    def reset(self) -> None:
        """Start anew. A connection inherited by fork() is kept aside, as closing it is not ours."""
        super().reset()
        self._inherited.append(self._connection)
        self._connection = None

    def _look_out(self) -> None:
        self._connection = self._datastore.own_connection()
        with closing(self._connection):
            self._listen(self._connection)
            while self._goes_on():
                self._tell(self._read(self._connection))
                self._hear(self._connection, monotonic() + LOOK)

    def _listen(self, connection: Connection[Any]) -> None:
        """Not every engine that speaks PostgreSQL's protocol knows this: there the looks at the heads must do."""
        schema = self._datastore.schema
        with suppress(psycopg.NotSupportedError):
            connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel_of(schema))))
            connection.execute(WAKE_SQL.hold_listening, {"space": _LOCKS, "ledger": _number(schema)})

    def _hear(self, connection: Connection[Any], until: float) -> None:
        while monotonic() < until and self._goes_on():
            for notification in connection.notifies(timeout=_TICK):
                self.subscribers.wake({notification.payload})

    def _read(self, connection: Connection[Any]) -> dict[str, int]:
        streams = sorted(self.subscribers.streams())
        return dict(connection.execute(WAKE_SQL.read_revisions, {"streams": streams}).fetchall())


class Notifier:
    """Tells listeners in whatever process which streams were written to."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        self._inherited: list[object] = []
        self._connection: Connection[Any] | None = None
        self.reset()

    def reset(self) -> None:
        """Start anew, as in a forked child: what was noted before, the parent tells."""
        self._inherited.append(self._connection)
        self._connection = None
        self._streams: set[str] = set()
        self._changed = Condition(Lock())
        self._ended = Event()
        self._thread: Thread | None = None
        self._idle, self._heard, self._ask_at = True, False, 0.0

    # ---------------------------------------------------------------------------------- the writer

    def written(self, stream: str, cursor: Cursor[Any]) -> None:
        """Called after each commit, outside its transaction, with the cursor that committed."""
        if monotonic() >= self._ask_at:
            self._ask(cursor)
        if self._heard:
            self._streams.add(stream)
            if self._idle:
                self._rouse()

    def _ask(self, cursor: Cursor[Any]) -> None:
        self._ask_at = monotonic() + LOOK
        with suppress(psycopg.Error):  # the commit is done, and a broken connection the next one's affair
            asked = {"space": _LOCKS, "ledger": _number(self._datastore.schema)}
            ((self._heard,),) = cursor.execute(WAKE_SQL.find_listener, asked).fetchall()

    def _rouse(self) -> None:
        with self._changed:
            if self._thread is None and not self._ended.is_set():
                thread = Thread(target=self._work, name="keyledger-notifier", daemon=True)
                with suppress(RuntimeError):  # no thread to be had: the listeners' own looks must do
                    thread.start()
                    self._thread = thread
            self._changed.notify()

    # ---------------------------------------------------------------------------------- the thread

    def _work(self) -> None:
        while self._has_more():
            if not self._tell():
                self._streams.clear()
            self._ended.wait(GATHER)

    def _has_more(self) -> bool:
        """Wait for something to tell; false, and for good, when nothing has come for long or the end has."""
        with self._changed:
            self._idle = True  # before the streams are looked at: a writer does it the other way round
            self._changed.wait_for(lambda: self._streams or self._ended.is_set(), LINGER)
            if not self._streams:
                self._disconnect()
                self._thread = None
                return False
            self._idle = False
            return True

    def _tell(self) -> bool:
        """Whether the notification could be sent."""
        streams = []
        with suppress(KeyError):
            while True:
                streams.append(self._streams.pop())
        told = {"channel": channel_of(self._datastore.schema), "streams": streams}
        try:
            if self._connection is None:
                self._connection = self._datastore.own_connection()
            self._connection.execute(WAKE_SQL.notify_written, told)
        except (psycopg.Error, StorageError):
            self._disconnect()
            return False
        return True

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """Tell what is left to tell, and let the thread end. Idempotent."""
        self._ended.set()
        with self._changed:
            thread = self._thread
            self._changed.notify()
        if thread is not None:
            thread.join()
