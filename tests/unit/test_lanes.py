"""Queues of writers: groups, leads that are handed on, interrupts."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event, Thread

import pytest

from keyledger.domain.commands import Attribution, EndExpired, PartitionCommand
from keyledger.domain.decision import Outcome, Request
from keyledger.domain.errors import LedgerClosedError, OutcomeUnknownError
from keyledger.domain.lanes import Lanes, Place, Slot, _Waiting

DONE = Outcome((), None)


@pytest.fixture(autouse=True)
def _interrupts_interrupt() -> Iterator[None]:
    """Also where the tests were started with SIGINT ignored, as a shell starts what goes on in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def slot() -> Slot:
    return Slot(Request(PartitionCommand(EndExpired(1), Attribution("q")), remember=False))


class Commits:
    """A commit that waits where it is told to, and remembers its groups."""

    def __init__(self) -> None:
        self.groups: list[int] = []
        self.begun, self.go_on = Event(), Event()

    def __call__(self, stream: str, slots: list[Slot]) -> None:
        assert stream == "s"
        self.groups.append(len(slots))
        self.begun.set()
        assert self.go_on.wait(10)
        for each in slots:
            each.result = DONE


class Watched(Lanes):
    """Lanes that say when somebody has lined up."""

    def __init__(self, commit: Commits) -> None:
        super().__init__(commit)
        self.waiting: list[Event] = []
        self.interrupts = False

    def expect(self, count: int) -> Sequence[Event]:
        self.waiting = [Event() for _ in range(count)]
        return list(self.waiting)

    def _line_up(self, *arguments: object) -> None:
        super()._line_up(*arguments)  # type: ignore[arg-type]
        if self.interrupts:
            signal.raise_signal(signal.SIGINT)
        if arguments[1].turn is not None:  # type: ignore[attr-defined]
            self.waiting.pop().set()


def test_all_that_wait_are_committed_as_one_group() -> None:
    commits = Commits()
    lanes = Watched(commits)
    slots = [slot() for _ in range(9)]
    with ThreadPoolExecutor(9) as pool:
        futures = [pool.submit(lanes.submit, "s", slots[:1], alone=False)]
        assert commits.begun.wait(10)
        lined_up = lanes.expect(8)
        futures += [pool.submit(lanes.submit, "s", [each], alone=False) for each in slots[1:]]
        assert all(event.wait(10) for event in lined_up)
        commits.go_on.set()
        for future in futures:
            future.result(10)
    assert commits.groups == [1, 8]
    assert all(each.result is DONE for each in slots)


def test_who_is_to_be_alone_is_alone() -> None:
    commits = Commits()
    lanes = Watched(commits)
    with ThreadPoolExecutor(4) as pool:
        pool.submit(lanes.submit, "s", [slot()], alone=False)
        assert commits.begun.wait(10)
        for alone in (False, True, False):
            (lined_up,) = lanes.expect(1)
            pool.submit(lanes.submit, "s", [slot()], alone=alone)
            assert lined_up.wait(10)
        commits.go_on.set()
    assert commits.groups == [1, 1, 1, 1]


class Interrupted:
    """A wait that is interrupted the first time, as by Ctrl-C."""

    def __init__(self, wait: Callable[[_Waiting], None]) -> None:
        self.wait, self.interrupted = wait, False

    def __get__(self, waiting: _Waiting, _: type) -> Callable[[], None]:
        return partial(self, waiting)

    def __call__(self, waiting: _Waiting) -> None:
        if not self.interrupted:
            self.interrupted = True
            raise KeyboardInterrupt
        self.wait(waiting)


def test_an_interrupt_takes_back_what_no_leader_has_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    commits = Commits()
    lanes = Watched(commits)
    leader = Thread(target=lanes.submit, args=("s", [slot()]), kwargs={"alone": False})
    leader.start()
    assert commits.begun.wait(10)
    monkeypatch.setattr(_Waiting, "wait", Interrupted(_Waiting.wait))
    lanes.expect(1)
    mine = slot()
    with pytest.raises(KeyboardInterrupt):
        lanes.submit("s", [mine], alone=False)
    commits.go_on.set()
    leader.join(10)
    assert mine.result is None
    assert commits.groups == [1]
    lanes.submit("s", [slot()], alone=False)
    lanes.close()


def test_an_interrupt_before_the_wait_leaves_nobody_in_the_queue() -> None:
    commits = Commits()
    lanes = Watched(commits)
    leader = Thread(target=lanes.submit, args=("s", [slot()]), kwargs={"alone": False})
    leader.start()
    assert commits.begun.wait(10)
    lanes.interrupts = True
    with pytest.raises(KeyboardInterrupt):
        lanes.submit("s", [slot()], alone=False)
    lanes.interrupts = False
    commits.go_on.set()
    leader.join(10)
    lanes.submit("s", [slot()], alone=False)
    assert commits.groups == [1, 1]


def test_an_interrupt_before_the_lead_is_used_passes_it_on() -> None:
    commits = Commits()
    commits.go_on.set()
    lanes, mine = Watched(commits), slot()
    lanes.interrupts = True
    with pytest.raises(KeyboardInterrupt):
        lanes.submit("s", [mine], alone=False)
    assert mine.result is DONE
    lanes.interrupts = False
    lanes.submit("s", [slot()], alone=False)


def test_an_interrupted_commit_leaves_nobody_without_a_result() -> None:
    def interrupted(_: str, __: list[Slot]) -> None:
        raise KeyboardInterrupt

    lanes, mine = Lanes(interrupted), slot()
    with pytest.raises(KeyboardInterrupt):
        lanes.submit("s", [mine], alone=False)
    assert isinstance(mine.result, OutcomeUnknownError)


class Slow(Lanes):
    """Lanes in which who lines up does not get to wait before somebody has handed over."""

    def __init__(self, commit: Commits) -> None:
        super().__init__(commit)
        self.lined_up, self.handed_over = Event(), Event()

    def _line_up(self, *arguments: object) -> None:
        super()._line_up(*arguments)  # type: ignore[arg-type]
        if arguments[1].turn is not None:  # type: ignore[attr-defined]
            self.lined_up.set()
            assert self.handed_over.wait(10)

    def _hand_over(self, *arguments: object) -> None:
        super()._hand_over(*arguments)  # type: ignore[arg-type]
        self.handed_over.set()


def test_an_heir_who_is_told_before_he_waits_leads_all_the_same() -> None:
    commits = Commits()
    lanes = Slow(commits)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(lanes.submit, "s", [slot()], alone=False)
        assert commits.begun.wait(10)
        heir = pool.submit(lanes.submit, "s", [slot()], alone=True)
        assert lanes.lined_up.wait(10)
        commits.go_on.set()
        first.result(10)
        heir.result(10)
    assert commits.groups == [1, 1]
    lanes.close()


def test_closed_lanes_take_no_more() -> None:
    lanes = Lanes(Commits())
    lanes.close()
    with pytest.raises(LedgerClosedError):
        lanes.submit("s", [slot()], alone=False)
    with pytest.raises(LedgerClosedError):
        lanes.line_up("s", [slot()], alone=False, told=print)


class Told:
    """What places were told, in order: their number and whether they were done."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self.told: list[tuple[int, bool]] = []

    def line_up(self, number: int, *, alone: bool = False) -> Place:
        def told(place: Place) -> None:
            self.told.append((number, place.done))

        return self._lanes.line_up("s", [slot()], alone=alone, told=told)


@pytest.fixture
def commits() -> Commits:
    commits = Commits()
    commits.go_on.set()
    return commits


def test_a_place_alone_in_its_lane_is_told_to_lead_and_then_that_it_is_done(commits: Commits) -> None:
    told = Told(Lanes(commits))
    place = told.line_up(1)
    assert told.told == [(1, False)]
    assert commits.groups == []
    place.lead()
    assert told.told == [(1, False), (1, True)]
    assert place.slots[0].result is DONE


def test_places_behind_a_leader_are_committed_as_one_group_and_told_once(commits: Commits) -> None:
    told = Told(Lanes(commits))
    leader = told.line_up(0)
    for number in (1, 2, 3):
        told.line_up(number)
    leader.lead()
    assert commits.groups == [4]
    assert told.told == [(0, False), (0, True), (1, True), (2, True), (3, True)]


def test_a_place_that_no_group_took_is_told_to_lead_the_next(commits: Commits) -> None:
    told = Told(Lanes(commits))
    first, second = told.line_up(1), told.line_up(2, alone=True)
    first.lead()
    assert told.told == [(1, False), (1, True), (2, False)]
    second.lead()
    assert told.told[-1] == (2, True)
    assert commits.groups == [1, 1]


def test_a_place_given_up_in_line_is_not_committed_and_one_that_leads_stays(commits: Commits) -> None:
    lanes = Lanes(commits)
    told = Told(lanes)
    first, second, third = (told.line_up(number) for number in (1, 2, 3))
    assert second.withdraw()
    assert not second.withdraw()
    assert not first.withdraw()
    first.lead()
    assert not third.withdraw()
    assert commits.groups == [2]
    assert second.slots[0].result is None
    lanes.close()


def test_a_thread_behind_a_place_waits_for_it(commits: Commits) -> None:
    lanes = Watched(commits)
    told = Told(lanes)
    place, mine = told.line_up(1), slot()
    (lined_up,) = lanes.expect(1)
    thread = Thread(target=lanes.submit, args=("s", [mine]), kwargs={"alone": False})
    thread.start()
    assert lined_up.wait(10)
    place.lead()
    thread.join(10)
    assert mine.result is DONE
    assert commits.groups == [2]


def test_closing_waits_for_places() -> None:
    def done(_: str, slots: list[Slot]) -> None:
        for each in slots:
            each.result = DONE

    lanes = Lanes(done)
    place = Told(lanes).line_up(1)
    closing = Thread(target=lanes.close)
    closing.start()
    with pytest.raises(LedgerClosedError):
        while closing.is_alive():  # until it has begun to close
            lanes.submit("other", [slot()], alone=False)
    assert closing.is_alive()
    place.lead()
    closing.join(10)
    assert not closing.is_alive()
