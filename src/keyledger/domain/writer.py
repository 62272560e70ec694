"""The write path: from a command to one transaction, at a cost that no stream's length changes.

The first attempt is optimistic, on the cached head; the commit fails as a whole if that head has moved. The
next holds the stream's write lock, reloads and decides again, so nobody can move the head under it. So do the
writes after it, with no optimistic attempt, until one finds the head where this process had left it. Nothing
is refused on a cached state: another process may have changed what refuses.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from itertools import count
from operator import attrgetter
from typing import NamedTuple

from keyledger.domain.cache import SliceCache
from keyledger.domain.commands import DeletePartition, EntryKey, PartitionCommand
from keyledger.domain.decision import (
    Decision,
    LeaseNeededError,
    NotTakenError,
    Outcome,
    Plan,
    Refusal,
    Request,
    keys_of_group,
)
from keyledger.domain.errors import (
    GlobalQuotaExceededError,
    LedgerBusyError,
    LedgerClosedError,
    OutcomeUnknownError,
    QuotaExceededError,
    StorageError,
    StorageUnavailableError,
)
from keyledger.domain.lanes import Lanes, Place, Slot
from keyledger.domain.ports import Clock, Commit, HeadMovedError, Projector, Session, Slice, Storage
from keyledger.domain.quota import Lease, block_for

_MOST_ATTEMPTS = 5
_REMEMBER = attrgetter("remember")
_NOT_SINGLY = (LedgerBusyError, LedgerClosedError, OutcomeUnknownError, StorageUnavailableError)
"""What would only meet each command of a group again, one wait after the other."""


class _Offer(NamedTuple):
    """A lease taken but not yet listed in a head, and the lease version that it was taken under."""

    lease: Lease
    version: int


class _UnconfirmedError(Exception):
    """A commit found the head moved; or, if ``unknown``, nobody can say yet whether it took place."""

    def __init__(self, commit: Commit, decision: Decision, *, unknown: bool) -> None:
        super().__init__()
        self.commit, self.decision, self.unknown = commit, decision, unknown


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
        self._lanes = Lanes(self._commit_group)
        self._ids = count(1)
        self._id_prefix = secrets.token_urlsafe(9)

    def new_request_id(self) -> str:
        """An id, unique to this process and command, for a command whose user gave none."""
        return f"{self._id_prefix}-{next(self._ids)}"

    def execute(
        self, stream: str, command: PartitionCommand, *, remember: bool = False, plan: Plan | None = None
    ) -> Outcome:
        """Do ``command`` on ``stream``; with ``remember`` its request id answers a retry with this outcome.

        What depends on more than a slice is done as the ``plan`` that is made of it under the write lock.

        Raises:
            RefusedError: a rule says no, and nothing was written.
            OutcomeUnknownError: it may have been written or not.
            StorageError: the database is in the way, and nothing was written.
        """
        slot = Slot(Request(command, remember, plan=plan))
        self._lanes.submit(stream, (slot,), alone=plan is not None or _is_alone(command))
        return outcome_of(slot, stream)

    def begin(
        self, stream: str, command: PartitionCommand, told: Callable[[Place], None], *, remember: bool = False
    ) -> Place:
        """As :meth:`execute` without the wait: see :meth:`Lanes.line_up`, and then :func:`outcome_of` its slot."""
        slot = Slot(Request(command, remember))
        return self._lanes.line_up(stream, (slot,), alone=_is_alone(command), told=told)

    def execute_all(
        self, stream: str, commands: Sequence[PartitionCommand], *, stop: bool
    ) -> list[Outcome | Refusal]:
        """Do ``commands`` in one transaction, each remembered by its request id; what became of each.

        A refused command does not keep the others from being done, unless ``stop``: then none after it is,
        and the list ends with its refusal. Raises as :meth:`execute`, refusals aside.
        """
        slots = [Slot(Request(command, remember=True, stop=stop)) for command in commands]
        self._lanes.submit(stream, slots, alone=True)
        results: list[Outcome | Refusal] = []
        for slot in slots:
            if isinstance(slot.result, Outcome | Refusal):
                results.append(slot.result)
            elif not isinstance(slot.result, NotTakenError):
                raise slot.result or OutcomeUnknownError(stream)
        return results

    def forget(self, stream: str) -> None:
        """Drop what is cached of a stream, after something other than this writer changed its rows."""
        self._cache.drop(stream)

    def close(self) -> None:
        """Take no more commands, and return when those taken are done."""
        self._lanes.close()

    # ------------------------------------------------------------------------------------ one group

    def _commit_group(self, stream: str, group: list[Slot]) -> None:
        """Give each slot its result; what the database refuses as a group is done singly."""
        try:
            self._commit(stream, list(group))
        except Exception as error:  # noqa: BLE001 - every waiting thread must hear of it
            self._cache.drop(stream)
            left = [slot for slot in group if slot.result is None]
            singly = len(group) > 1 and isinstance(error, StorageError) and not isinstance(error, _NOT_SINGLY)
            for slot in left:
                if singly and not slot.request.stop:
                    self._commit_group(stream, [slot])
                else:
                    slot.result = error

    def _commit(self, stream: str, group: list[Slot]) -> None:
        suspect: _UnconfirmedError | None = None
        if not self._cache.is_shared(stream) and group[0].request.plan is None:
            try:
                return self._attempt_optimistically(stream, group)
            except (QuotaExceededError, HeadMovedError):
                pass
            except _UnconfirmedError as unconfirmed:
                suspect = unconfirmed if unconfirmed.unknown else None
            self._cache.drop(stream)
        offered: list[_Offer] = []
        try:
            return self._attempt_until_confirmed(stream, group, offered, suspect)
        finally:
            for offer in offered:
                self._storage.shrink_lease(offer.lease.lease_id, 0)

    def _attempt_optimistically(self, stream: str, group: list[Slot]) -> None:
        requests = [slot.request for slot in group]
        keys = keys_of_group(requests)
        if not any(map(_REMEMBER, requests)):
            cached = self._cache.get(stream, keys)
            if cached is not None:
                decision = self._decide(self._storage, cached, requests, locked=False)
                if decision.certain:
                    return self._finish(self._storage, stream, group, decision)
        loaded = self._cache.learn(stream, self._load(self._storage, stream, requests, keys))
        decision = self._decide(self._storage, loaded, requests, locked=False)
        return self._finish(self._storage, stream, group, decision)

    def _attempt_until_confirmed(
        self, stream: str, group: list[Slot], offered: list[_Offer], suspect: _UnconfirmedError | None
    ) -> None:
        """Attempt under the lock; again with a lease of the global quota, or after a lost connection."""
        attempts = 0
        while group and attempts < _MOST_ATTEMPTS:
            try:
                return self._attempt_locked(stream, group, offered, suspect)
            except LeaseNeededError as needed:
                suspect = None
                lease = self._lease(stream, needed.missing)
                if isinstance(lease, Lease):
                    offered.append(_Offer(lease, needed.version))
                else:
                    _refuse(group, needed.index, lease)
            except _UnconfirmedError as unconfirmed:
                suspect = unconfirmed
                attempts += 1
            except StorageError as error:
                if suspect is not None and suspect.unknown:
                    raise OutcomeUnknownError(stream) from error
                raise
        if suspect is not None and group:
            if suspect.unknown:
                raise OutcomeUnknownError(stream)
            raise StorageError(f"the read models of {stream!r} do not match its events; rebuild the ledger")
        return None

    def _attempt_locked(
        self, stream: str, group: list[Slot], offered: list[_Offer], suspect: _UnconfirmedError | None
    ) -> None:
        with self._storage.exclusive(stream) as session:
            requests = [_planned(slot.request, stream, session) for slot in group]
            keys = keys_of_group(requests)
            if suspect is not None and _took_place(session, suspect.commit):
                return self._tell(stream, group, suspect.decision)
            if suspect is not None:
                suspect.unknown = False
            loaded = self._cache.learn(stream, self._load(session, stream, requests, keys), locked=True)
            valid = [offer.lease for offer in offered if offer.version == loaded.leases.version]
            decision = self._decide(session, loaded, requests, locked=True, offered=valid)
            if decision.writes:  # from here on the head may list them: never return those, the sweeper can tell
                offered[:] = [offer for offer in offered if offer.lease not in valid]
            return self._finish(session, stream, group, decision)

    def _load(self, session: Session, stream: str, requests: list[Request], keys: tuple[EntryKey, ...]) -> Slice:
        remembered = [request.command.by.request_id for request in requests if request.remember]
        try:
            return session.load(stream, keys, remembered)
        except StorageError as error:
            error.during = "usage check"
            raise

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
        if offered:
            decision.adopt(offered)
        for request in requests:
            decision.take(request, self._clock.now())
        return decision

    def _finish(self, session: Session, stream: str, group: list[Slot], decision: Decision) -> None:
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
            except HeadMovedError as moved:
                raise _UnconfirmedError(commit, decision, unknown=moved.unknown) from None
        self._tell(stream, group, decision)

    def _tell(self, stream: str, group: list[Slot], decision: Decision) -> None:
        if decision.whole:
            self._cache.put(stream, Slice(decision.state, decision.leases))
        else:
            self._cache.drop(stream)
        for slot, result in zip(group, decision.results, strict=True):
            slot.result = result

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


def outcome_of(slot: Slot, stream: str) -> Outcome:
    """What became of a command; raises as :meth:`Writer.execute` if it failed."""
    if isinstance(slot.result, Outcome):
        return slot.result
    raise slot.result or OutcomeUnknownError(stream)


def _planned(request: Request, stream: str, session: Session) -> Request:
    if request.plan is None:
        return request
    return request._replace(command=request.plan(session, session.load(stream, ()).state))


def _is_alone(command: PartitionCommand) -> bool:
    """Whether a command shares its transaction with no other: where its rows are not made key by key."""
    return isinstance(command.action, DeletePartition)


def _refuse(group: list[Slot], index: int, refusal: GlobalQuotaExceededError) -> None:
    """Refuse one command of a group, and with ``stop`` leave those after it untried."""
    refused = group.pop(index)
    refused.result = refusal
    if refused.request.stop:
        for slot in group[index:]:
            slot.result = NotTakenError()
        del group[index:]


def _took_place(session: Session, commit: Commit) -> bool:
    """Whether a commit took place and only its acknowledgement was lost.

    The events after the revision that it expected tell: they are its own, request ids and times included,
    or somebody else's. Asked under the lock, where no statement of a broken connection can still come in.
    """
    found = session.events(commit.stream, commit.expected, len(commit.events)) if commit.events else []
    return bool(found) and found == list(commit.events)
