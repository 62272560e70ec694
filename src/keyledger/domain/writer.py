"""The write path: from a command to one transaction, at a cost that no stream's length changes.

Writers of one stream inside one process queue: one of them decides and commits for all that wait, each
command on the state that its predecessor left. A lone writer finds the lane free and pays for no queue.

The first attempt is optimistic, on the cached head; the commit fails as a whole if that head has moved. The
second holds the stream's write lock, reloads and decides again, so it cannot meet a second conflict.
Nothing is refused on a cached state: another process may have changed what refuses.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from threading import Condition, Lock
from typing import NamedTuple
from weakref import WeakValueDictionary

from keyledger.domain.cache import SliceCache
from keyledger.domain.decision import (
    Decision,
    LeaseNeededError,
    NotTakenError,
    Outcome,
    Request,
    keys_of_group,
)
from keyledger.domain.errors import (
    GlobalQuotaExceededError,
    LedgerClosedError,
    QuotaExceededError,
    RefusedError,
    StorageError,
    StorageUnavailableError,
)
from keyledger.domain.partition import DeletePartition, PartitionCommand
from keyledger.domain.ports import Clock, Commit, HeadMovedError, Projector, Session, Slice, Storage
from keyledger.domain.quota import Lease, block_for

MAX_GROUP = 128
"""The most commands that one transaction commits."""


@dataclass(slots=True, eq=False)
class _Slot:
    """A request, and later its result."""

    request: Request
    result: Outcome | BaseException | None = None


@dataclass(slots=True, eq=False)
class _Pending:
    """What one thread waits for: a request, or a run of them."""

    slots: list[_Slot]
    alone: bool
    turn: Lock = field(default_factory=Lock)

    @property
    def done(self) -> bool:
        return self.slots[-1].result is not None


class _Offer(NamedTuple):
    """A lease taken but not yet listed in a head, and the lease version that it was taken under."""

    lease: Lease
    version: int


class _Lane:
    """The queue of one stream."""

    def __init__(self) -> None:
        self.mutex = Lock()
        self.busy = False
        self.queue: deque[_Pending] = deque()


class Writer:
    """Executes commands against a storage; safe to share between threads."""

    def __init__(
        self, storage: Storage, project: Projector, clock: Clock, global_max_bytes: int | None = None
    ) -> None:
        self._storage, self._project, self._clock = storage, project, clock
        self._global_max_bytes = global_max_bytes
        self.reset()

    def reset(self) -> None:
        """Forget every queue and cached state: for a process that inherited them by fork()."""
        self._cache = SliceCache()
        self._lanes: WeakValueDictionary[str, _Lane] = WeakValueDictionary()
        self._mutex = Lock()
        self._idle = Condition(self._mutex)
        self._active, self._closed = 0, False
        self._ids = count(1)
        self._id_prefix = secrets.token_urlsafe(9)

    def new_request_id(self) -> str:
        """An id, unique to this process and command, for a command whose user gave none."""
        return f"{self._id_prefix}-{next(self._ids)}"

    def execute(self, stream: str, command: PartitionCommand, *, remember: bool = False) -> Outcome:
        """Do ``command`` on ``stream``; with ``remember`` its request id answers a retry with this outcome.

        Raises:
            RefusedError: a rule says no, and nothing was written.
            StorageError: the database is in the way; unless it says otherwise, nothing was written.
        """
        slot = _Slot(Request(command, remember))
        alone = isinstance(command.action, DeletePartition)  # its rows are not made key by key
        self._take_turn(stream, _Pending([slot], alone))
        if isinstance(slot.result, BaseException):
            raise slot.result
        assert slot.result is not None  # noqa: S101 - a turn leaves a result
        return slot.result

    def execute_all(
        self, stream: str, commands: Sequence[PartitionCommand], *, stop: bool
    ) -> list[Outcome | RefusedError]:
        """Do ``commands`` in one transaction, each remembered by its request id; what became of each.

        A refused command does not keep the others from being done, unless ``stop``: then none after it is,
        and the list ends with its refusal.

        Raises:
            StorageError: the database is in the way; unless it says otherwise, nothing was written.
        """
        slots = [_Slot(Request(command, remember=True, stop=stop)) for command in commands]
        self._take_turn(stream, _Pending(slots, alone=True))
        results: list[Outcome | RefusedError] = []
        for slot in slots:
            if isinstance(slot.result, Outcome | RefusedError):
                results.append(slot.result)
            elif not isinstance(slot.result, NotTakenError):
                raise slot.result or AssertionError("a turn leaves a result")
        return results

    def close(self) -> None:
        """Take no more commands, and return when those taken are done."""
        with self._mutex:
            self._closed = True
            while self._active:
                self._idle.wait()

    def _take_turn(self, stream: str, pending: _Pending) -> None:
        lane = self._enter(stream)
        try:
            self._wait_and_lead(lane, stream, pending)
        finally:
            self._leave()

    def _wait_and_lead(self, lane: _Lane, stream: str, pending: _Pending) -> None:
        with lane.mutex:
            leads = not lane.busy
            lane.busy = True
            if not leads:
                pending.turn.acquire()
                lane.queue.append(pending)
        if not leads:
            pending.turn.acquire()  # until a leader has done this command, or hands over the lead
        if not pending.done:
            self._lead(lane, stream, pending)

    def forget(self, stream: str) -> None:
        """Drop what is cached of a stream, after something other than this writer changed its rows."""
        self._cache.drop(stream)

    # ------------------------------------------------------------------------------------ the queue

    def _enter(self, stream: str) -> _Lane:
        with self._mutex:
            if self._closed:
                raise LedgerClosedError
            self._active += 1
            lane = self._lanes.get(stream)
            if lane is None:
                lane = self._lanes[stream] = _Lane()
            return lane

    def _leave(self) -> None:
        with self._mutex:
            self._active -= 1
            if self._closed:
                self._idle.notify_all()

    def _lead(self, lane: _Lane, stream: str, first: _Pending) -> None:
        """Commit for all that wait now, then hand the lead to the first that came meanwhile."""
        group = [first]
        with lane.mutex:
            while lane.queue and len(group) < MAX_GROUP and not (group[-1].alone or lane.queue[0].alone):
                group.append(lane.queue.popleft())
        try:
            self._commit_group(stream, [slot for pending in group for slot in pending.slots])
        finally:
            with lane.mutex:
                heir = lane.queue.popleft() if lane.queue else None
                lane.busy = heir is not None
            for pending in group[1:]:
                pending.turn.release()
            if heir is not None:
                heir.turn.release()

    def _commit_group(self, stream: str, group: list[_Slot]) -> None:
        try:
            self._commit(stream, list(group))
        except BaseException as error:  # noqa: BLE001 - every waiting thread must hear of it
            self._cache.drop(stream)
            waiting = [slot for slot in group if slot.result is None]
            if len(group) > 1 and isinstance(error, StorageError) and not group[0].request.stop:
                for slot in waiting:
                    self._commit_group(stream, [slot])
            else:
                for slot in waiting:
                    slot.result = error

    # ------------------------------------------------------------------------------------ one group

    def _commit(self, stream: str, group: list[_Slot]) -> None:
        try:
            return self._attempt_optimistically(stream, group)
        except (HeadMovedError, QuotaExceededError):
            self._cache.drop(stream)
        offered: list[_Offer] = []
        try:
            while group:
                try:
                    return self._attempt_locked(stream, group, offered)
                except LeaseNeededError as needed:
                    lease = self._lease(stream, needed.missing)
                    if isinstance(lease, Lease):
                        offered.append(_Offer(lease, needed.version))
                    else:
                        group.pop(needed.index).result = lease
        finally:
            for offer in offered:
                self._storage.return_lease(offer.lease.lease_id)
        return None

    def _attempt_optimistically(self, stream: str, group: list[_Slot]) -> None:
        requests = [slot.request for slot in group]
        if not any(request.remember for request in requests):
            cached = self._cache.get(stream, keys_of_group(requests))
            if cached is not None:
                decision = self._decide(self._storage, cached, requests, locked=False)
                if decision.certain:
                    return self._finish(self._storage, stream, group, decision)
        loaded = self._cache.merged(stream, self._load(self._storage, stream, requests))
        decision = self._decide(self._storage, loaded, requests, locked=False)
        return self._finish(self._storage, stream, group, decision)

    def _attempt_locked(self, stream: str, group: list[_Slot], offered: list[_Offer]) -> None:
        requests = [slot.request for slot in group]
        with self._storage.exclusive(stream) as session:
            loaded = self._load(session, stream, requests)
            valid = [offer.lease for offer in offered if offer.version == loaded.leases.version]
            decision = self._decide(session, loaded, requests, locked=True, offered=valid)
            if decision.writes:  # from here on the head may list them: never return those, the sweeper can tell
                offered[:] = [offer for offer in offered if offer.lease not in valid]
            try:
                self._finish(session, stream, group, decision)
            except HeadMovedError:
                raise StorageUnavailableError(
                    f"the database went away while {stream!r} was written; nothing was committed"
                ) from None

    def _load(self, session: Session, stream: str, requests: list[Request]) -> Slice:
        remembered = [request.command.by.request_id for request in requests if request.remember]
        return session.load(stream, keys_of_group(requests), remembered)

    def _decide(
        self,
        session: Session,
        loaded: Slice,
        requests: list[Request],
        *,
        locked: bool,
        offered: Sequence[Lease] = (),
    ) -> Decision:
        decision = Decision(session, loaded, locked=locked, leased=self._global_max_bytes is not None)
        decision.adopt(offered)
        for request in requests:
            decision.take(request, request.command.by.recorded_at or self._clock.now())
        return decision

    def _finish(self, session: Session, stream: str, group: list[_Slot], decision: Decision) -> None:
        """Commit what was decided, then tell each command its result."""
        if decision.writes:
            commit = Commit(
                stream,
                decision.loaded.state.revision,
                decision.loaded.leases.version,
                decision.events,
                self._project(decision.state, decision.events),
                decision.leases,
                tuple(decision.requests),
            )
            try:
                session.commit(commit)
            except HeadMovedError:
                if not self._is_committed(commit):
                    raise
        if decision.whole:
            touched = keys_of_group(slot.request for slot in group)
            self._cache.put(stream, Slice(decision.state, decision.leases), touched)
        else:
            self._cache.drop(stream)
        for slot, result in zip(group, decision.results, strict=True):
            slot.result = result

    def _is_committed(self, commit: Commit) -> bool:
        """Whether the commit took place and only its acknowledgement was lost.

        The event after the expected revision tells: it is ours if it carries our request id.
        """
        if not commit.events:
            return False
        found = self._storage.events(commit.stream, commit.expected, 1)
        return bool(found) and found[0].request_id == commit.events[0].request_id

    # --------------------------------------------------------------------------------- global quota

    def _lease(self, stream: str, missing: int) -> Lease | GlobalQuotaExceededError:
        """A lease of whole blocks or, near the end of the quota, of just what is missing; else the refusal."""
        maximum = self._global_max_bytes
        assert maximum is not None  # noqa: S101 - leases are needed only where there is a global quota
        leased = 0
        for size in (block_for(missing), missing):
            lease = Lease(secrets.token_hex(12), size)
            leased = self._storage.take_lease(stream, lease, maximum)
            if leased + size <= maximum:
                return lease
        return GlobalQuotaExceededError("the ledger", used=leased, asked=missing, maximum=maximum)
