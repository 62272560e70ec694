"""Watching a partition: its changes after a revision, each once, and then those that come.

Revisions are gapless and committed in order, so reading on from a revision misses nothing and repeats nothing,
whatever is written meanwhile. To be woken only saves whoever waits from looking again and again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from types import TracebackType
from typing import NamedTuple, Self
from weakref import finalize

from keyledger.domain import arguments
from keyledger.domain.engine import Engine
from keyledger.domain.errors import InvalidArgumentError, LedgerClosedError, RevisionNotFoundError
from keyledger.domain.partition import KeyEvent, PartitionDeleted, PartitionEvent
from keyledger.domain.past.changes import version_of_event
from keyledger.domain.records import Version
from keyledger.domain.scope import check_scope, name_of, stream_of

READ_AT_ONCE = 200
"""How many events a watcher has in memory at a time."""


class Found(NamedTuple):
    """What one look gave: the changes that are asked for, and the last revision that was read."""

    versions: list[Version]
    revision: int


class Changes:
    """The changes of a partition that are asked for, after a revision.

    :meth:`begin` and :meth:`look` wait for the storage and change nothing that others see; :meth:`take` and
    :meth:`add` go on.
    """

    def __init__(
        self, engine: Engine, stream: str, prefix: str, scope: str | None, after: int | None, *, follow: bool
    ) -> None:
        """What ``Partition.watch`` was given; InvalidArgumentError if it is not of its form."""
        arguments.check_start("prefix", prefix)
        arguments.check_revision("after", after)
        if scope is not None:
            check_scope(scope)
            stream = stream_of(stream, scope)
        if follow is not True and follow is not False:
            raise InvalidArgumentError("follow", follow, "True or False")
        self.follow = follow
        self._engine, self._stream, self._prefix, self._scope = engine, stream, prefix, scope
        self._read: deque[Version] = deque()
        self.revision = self._read_to = after or 0
        """The revision to go on from: of what was asked for, all up to it was taken."""
        self._from_head = after is None

    def begin(self) -> None:
        """Find out where to begin, if that is the last revision, or whether that revision exists.

        Raises:
            RevisionNotFoundError: it is not reached yet.
            ForkIncompleteError: the partition is a fork that is not finished.
        """
        self._engine.forks.check(self._stream)
        head = self._engine.storage.load(self._stream, ()).state.revision
        if self._from_head:
            self.revision = self._read_to = head
        elif self.revision > head:
            raise RevisionNotFoundError(name_of(self._stream), self.revision, head)

    def take(self) -> Version | None:
        """The next of the changes that were added; None if none is left."""
        if not self._read:
            self.revision = self._read_to
            return None
        version = self._read.popleft()
        self.revision = version.revision
        return version

    def look(self) -> Found | None:
        """What comes after all that was added; None if that is nothing."""
        events = self._engine.storage.events(self._stream, self._read_to, READ_AT_ONCE)
        codec = self._engine.codec
        versions = [version_of_event(codec, event) for event in events if self._is_asked_for(event)]
        return Found(versions, events[-1].originator_version) if events else None

    def add(self, found: Found) -> None:
        """Go on by what :meth:`look` gave."""
        self._read.extend(found.versions)
        self._read_to = found.revision

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Have ``wake`` called when there may be more; as ``Storage.subscribe``."""
        return self._engine.storage.subscribe(self._stream, wake)

    def _is_asked_for(self, event: PartitionEvent) -> bool:
        if isinstance(event, KeyEvent):
            return self._scope in {None, event.scope} and event.key.startswith(self._prefix)
        return isinstance(event, PartitionDeleted)


class Watch:
    """Changes as an iterator; made by ``Partition.watch``.

    One thread iterates. If the storage is in the way the iteration raises StorageUnavailableError, and can be gone
    on with: nothing is lost.
    """

    def __init__(self, changes: Changes) -> None:
        changes.begin()
        self._changes = changes
        self._bell = _Bell()
        self._listens = self._closed = False
        finalize(self, self._bell.unsubscribe)

    @property
    def revision(self) -> int:
        """The ``after`` of a watch that goes on where this one is; every change up to it was handed out."""
        return self._changes.revision

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Version:
        """The next change, which is waited for; StopIteration after :meth:`close`, or that of the ledger."""
        while not self._closed:
            version = self._changes.take()
            if version is not None:
                return version
            if not self._look():
                break
        self.close()
        raise StopIteration

    def _look(self) -> bool:
        """Read on, or wait; false at the end."""
        try:
            if self._listens:
                self._bell.leave = self._changes.subscribe(self._bell.ring)
            found = self._changes.look()
        except LedgerClosedError:
            return False
        if found is not None:
            self._changes.add(found)
        elif not self._changes.follow:
            return False
        elif self._listens:
            self._bell.wait()
        self._listens = self._listens or found is None  # and one more look, after which none is missed
        return True

    def close(self) -> None:
        """End the iteration, from any thread; one that waits for a change ends at once. Idempotent."""
        self._closed = True
        self._bell.unsubscribe()
        self._bell.ring()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _Bell:
    """Rung from any thread, in signal handlers too; however often it rang, it is heard once or twice."""

    def __init__(self) -> None:
        self._rings: SimpleQueue[None] = SimpleQueue()
        self.leave: Callable[[], None] | None = None

    def ring(self) -> None:
        if self._rings.empty():
            self._rings.put(None)

    def wait(self) -> None:
        """Return when it has rung since it was last waited for."""
        self._rings.get()

    def unsubscribe(self) -> None:
        if self.leave is not None:
            self.leave()
