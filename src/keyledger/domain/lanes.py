"""Queues of writers, one lane a stream: while one commits, the others line up, and the next takes them all.

A lone writer finds its lane free and pays for no queue. Whoever finds it busy waits until a leader has done
his work, or hands him the lead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition, Event, Lock

from keyledger.domain.decision import NotTakenError, Outcome, Request
from keyledger.domain.errors import LedgerClosedError, OutcomeUnknownError

MAX_GROUP = 128
"""The most commands that one transaction commits, an import's aside."""


@dataclass(slots=True, eq=False)
class Slot:
    """A request, and later its result."""

    request: Request
    result: Outcome | NotTakenError | BaseException | None = None


@dataclass(slots=True, eq=False)
class _Waiting:
    """One thread and what it waits for.

    It ``leads`` at once, or it lined up and its ``turn`` is set when a leader has done its slots or hands over.
    """

    slots: Sequence[Slot]
    alone: bool
    leads: bool = False
    turn: Event | None = None

    @property
    def done(self) -> bool:
        return self.slots[-1].result is not None


class _Lane:
    def __init__(self) -> None:
        self.mutex = Lock()
        self.busy = False
        self.users = 0
        self.queue: deque[_Waiting] = deque()


class Lanes:
    """The lanes of one process; ``commit`` gives a result to each slot of a group."""

    def __init__(self, commit: Callable[[str, list[Slot]], None]) -> None:
        self._commit = commit
        self._lanes: dict[str, _Lane] = {}
        self._mutex = Lock()
        self._idle = Condition(self._mutex)
        self._active, self._closed = 0, False

    def submit(self, stream: str, slots: Sequence[Slot], *, alone: bool) -> None:
        """Return when every slot has its result; ``alone`` shares its transaction with no other thread.

        An interrupt while waiting takes the slots back if no leader has taken them yet; otherwise they are
        done all the same, before the interrupt goes on.

        Raises:
            LedgerClosedError: after :meth:`close`.
        """
        waiting, lane = _Waiting(slots, alone), self._enter(stream)
        try:
            try:
                self._line_up(lane, waiting)
                if waiting.turn is not None:
                    waiting.turn.wait()
            except BaseException:
                self._withdraw(lane, stream, waiting)
                raise
            if not waiting.done:
                self._lead(lane, stream, waiting)
        finally:
            self._leave(stream, lane)

    def close(self) -> None:
        """Take no more slots, and return when those taken are done."""
        with self._mutex:
            self._closed = True
            while self._active:
                self._idle.wait()

    def _enter(self, stream: str) -> _Lane:
        with self._mutex:
            if self._closed:
                raise LedgerClosedError
            self._active += 1
            lane = self._lanes.get(stream)
            if lane is None:
                lane = self._lanes[stream] = _Lane()
            lane.users += 1
            return lane

    def _leave(self, stream: str, lane: _Lane) -> None:
        with self._mutex:
            self._active -= 1
            lane.users -= 1
            if not lane.users:
                del self._lanes[stream]
            if self._closed:
                self._idle.notify_all()

    def _line_up(self, lane: _Lane, waiting: _Waiting) -> None:
        with lane.mutex:
            if lane.busy:
                waiting.turn = Event()
                lane.queue.append(waiting)
            else:
                waiting.leads = lane.busy = True

    def _withdraw(self, lane: _Lane, stream: str, waiting: _Waiting) -> None:
        """After an interrupt: leave the queue or, with the lead here or on its way, use it and pass it on."""
        with lane.mutex:
            if waiting in lane.queue:
                lane.queue.remove(waiting)
                return
        if waiting.turn is not None:
            waiting.turn.wait()
        if not waiting.done and (waiting.leads or waiting.turn is not None):
            self._lead(lane, stream, waiting)

    def _lead(self, lane: _Lane, stream: str, first: _Waiting) -> None:
        """Commit for all that wait now, then hand the lead to the first that came meanwhile."""
        group = [first]
        try:
            with lane.mutex:
                while lane.queue and len(group) < MAX_GROUP and not (group[-1].alone or lane.queue[0].alone):
                    group.append(lane.queue.popleft())
            self._commit(stream, [slot for waiting in group for slot in waiting.slots])
        finally:
            with lane.mutex:
                heir = lane.queue.popleft() if lane.queue else None
                lane.busy = heir is not None
            for waiting in group:
                for slot in waiting.slots:  # none is left without, whatever interrupted the commit
                    slot.result = slot.result or OutcomeUnknownError(stream)
            for waiting in [*group[1:], *([heir] if heir else [])]:
                if waiting.turn is not None:
                    waiting.turn.set()
