"""Queues of writers, one lane a stream: while one commits, the others line up, and the next takes them all.

A lone writer finds no lane, opens one, and pays for no queue. Whoever finds one lines up in it, and waits until
a leader has done his work, or hands him the lead. A thread waits in :meth:`Lanes.submit`; a task, which has no
thread to spare, takes a place by :meth:`Lanes.line_up` and is told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition, Lock
from typing import TypeAlias

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

    It ``leads`` at once, or it lined up and is ``woken``, by the release of its ``turn``, when a leader has done
    its slots or hands over. A bare lock, as waiting for an Event costs several times as much.
    """

    slots: Sequence[Slot]
    alone: bool
    leads: bool = False
    turn: Lock | None = None
    woken: bool = False

    @property
    def done(self) -> bool:
        return self.slots[-1].result is not None

    def queue_up(self) -> None:
        self.turn = Lock()
        self.turn.acquire()

    def wait(self) -> None:
        if self.turn is not None and not self.woken:
            self.turn.acquire()

    def tell(self) -> None:
        if self.turn is not None and not self.woken:  # an heir is told twice: to lead, and with his own group
            self.woken = True
            self.turn.release()


@dataclass(slots=True, eq=False, kw_only=True)
class Place(_Waiting):
    """A place in a lane that no thread waits at; ``told`` hears that it is ``done``, or that it is to lead."""

    lanes: Lanes
    stream: str
    told: Callable[[Place], None]

    def queue_up(self) -> None:
        """There is nobody to wake."""

    def tell(self) -> None:
        """Tell whose place it is."""
        self.told(self)

    def lead(self) -> None:
        """Commit for this place, which was told to, and for those behind it; takes the time of a transaction."""
        self.lanes.lead(self)

    def withdraw(self) -> bool:
        """Give the place up; whether it was still in line, so that nothing of it will be done."""
        return self.lanes.withdraw(self)


_Lane: TypeAlias = deque[_Waiting]
"""Those who wait for a stream that somebody is writing."""


class Lanes:
    """The lanes of one process; ``commit`` gives a result to each slot of a group."""

    def __init__(self, commit: Callable[[str, list[Slot]], None]) -> None:
        self._commit = commit
        self._lanes: dict[str, _Lane] = {}
        self._mutex = Lock()
        self._idle = Condition(self._mutex)
        self._closed = False

    def submit(self, stream: str, slots: Sequence[Slot], *, alone: bool) -> None:
        """Return when every slot has its result; ``alone`` shares its transaction with no other thread.

        An interrupt while waiting takes the slots back if no leader has taken them yet; otherwise they are
        done all the same, before the interrupt goes on.

        Raises:
            LedgerClosedError: after :meth:`close`.
        """
        waiting = _Waiting(slots, alone)
        try:
            self._line_up(stream, waiting)
            if not waiting.leads:
                waiting.wait()
        except BaseException:
            self._withdraw(stream, waiting)
            raise
        if waiting.leads or not waiting.done:
            self._lead(stream, waiting)

    def line_up(self, stream: str, slots: Sequence[Slot], *, alone: bool, told: Callable[[Place], None]) -> Place:
        """As :meth:`submit` without the wait: ``told`` is called with the place, in whatever thread it happens.

        A place that is not ``done`` by then is to lead: the lane stands still until somebody calls its ``lead``.
        """
        place = Place(slots, alone, lanes=self, stream=stream, told=told)
        try:
            self._line_up(stream, place)
        finally:
            if place.leads:
                told(place)
        return place

    def lead(self, place: Place) -> None:
        """As :meth:`Place.lead`."""
        self._lead(place.stream, place)

    def withdraw(self, place: Place) -> bool:
        """As :meth:`Place.withdraw`."""
        return self._left(place.stream, place)

    def close(self) -> None:
        """Take no more slots, and return when those taken are done."""
        with self._mutex:
            self._closed = True
            while self._lanes:
                self._idle.wait()

    def _line_up(self, stream: str, waiting: _Waiting) -> None:
        with self._mutex:
            if self._closed:
                raise LedgerClosedError
            lane = self._lanes.get(stream)
            if lane is None:
                opened: _Lane = deque()
                self._lanes[stream] = opened  # no call from here to the end, where an interrupt could come in
                waiting.leads = True
            else:
                waiting.queue_up()
                lane.append(waiting)

    def _withdraw(self, stream: str, waiting: _Waiting) -> None:
        """After an interrupt: leave the queue or, with the lead here or on its way, use it and pass it on."""
        if self._left(stream, waiting):
            return
        waiting.wait()
        if not waiting.done and (waiting.leads or waiting.turn is not None):
            self._lead(stream, waiting)

    def _left(self, stream: str, waiting: _Waiting) -> bool:
        """Leave the queue; whether it was still there."""
        with self._mutex:
            lane = self._lanes.get(stream)
            if lane is None or waiting not in lane:
                return False
            lane.remove(waiting)
            return True

    def _lead(self, stream: str, first: _Waiting) -> None:
        """Commit for all that wait now, then hand the lead to the first that came meanwhile."""
        group = [first]
        try:
            lane = self._lanes[stream]
            if lane:
                with self._mutex:
                    while lane and len(group) < MAX_GROUP and not (group[-1].alone or lane[0].alone):
                        group.append(lane.popleft())
            self._commit(stream, [slot for waiting in group for slot in waiting.slots])
        finally:
            for waiting in group:
                for slot in waiting.slots:  # none is left without, whatever interrupted the commit
                    slot.result = slot.result or OutcomeUnknownError(stream)
            self._hand_over(stream, group)

    def _hand_over(self, stream: str, group: Sequence[_Waiting]) -> None:
        with self._mutex:
            lane = self._lanes[stream]
            heirs = [lane.popleft()] if lane else []
            if not heirs:
                del self._lanes[stream]
                if self._closed:
                    self._idle.notify_all()
        for waiting in (*group, *heirs):
            waiting.tell()
