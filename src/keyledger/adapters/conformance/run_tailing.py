"""The contract of following runs: each change is told once, however the times of several writers lie."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from random import Random
from typing import Any

import pytest

from keyledger.adapters.conformance.clock import START, ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.domain.audit import tail as run_tail
from keyledger.domain.audit.records import RunInfo, RunLog, RunStats
from keyledger.domain.audit.tail import LATENESS, OVERLAP, RunNews, RunTail
from keyledger.domain.ledger import Ledger
from keyledger.domain.run import RunEvent, run_of

Told = list[tuple[str, str]]
SOON = OVERLAP.total_seconds()
LATE = LATENESS.total_seconds()
LONG_AFTER = 10 * LATE


def told(news: list[RunNews]) -> Told:
    """Which run, and what happened to it."""
    return [(run_of(event.originator_id), type(event).__name__) for event in news]


class Damaged:
    """A storage whose heads are ahead of the events, one of which is gone."""

    def __init__(self, storage: Any, gone: int) -> None:
        self._storage, self._gone = storage, gone

    def changed(self, since: datetime, after: str, limit: int) -> list[tuple[str, int, datetime]]:
        """The heads, seven revisions ahead."""
        return [(stream, last + 7, at) for stream, last, at in self._storage.changed(since, after, limit)]

    def events(self, stream: str, after: int, limit: int) -> list[RunEvent]:
        """All events but the one."""
        found = self._storage.events(stream, after, limit + 1)
        return [event for event in found if event.originator_version != self._gone][:limit]


class TailContract(Fixtures):
    """Following runs, live."""

    @pytest.fixture
    def tail(self, ledger: Ledger, clock: ManualClock) -> Callable[..., RunTail]:
        """Begins to follow."""

        def begun(since: datetime | None = None, run_id: str | None = None) -> RunTail:
            return RunTail(ledger.storage.runs, clock, since=since, run_id=run_id)

        return begun

    @pytest.fixture
    def start(self, ledger: Ledger) -> Callable[..., None]:
        """Starts runs of these ids."""

        def started(*run_ids: str) -> None:
            for run_id in run_ids:
                ledger.runs.start(RunInfo(run_id, "weather"))

        return started

    @pytest.fixture
    def step(self, ledger: Ledger) -> Callable[[str], None]:
        """Appends a line to the log of a run."""

        def appended(run_id: str) -> None:
            ledger.runs.append_log(RunLog(run_id, "step"))

        return appended

    def test_a_tail_tells_what_happens_after_it_began_each_change_once(
        self, ledger: Ledger, tail: Callable[..., RunTail], start: Callable[..., None], step: Callable[[str], None]
    ) -> None:
        start("r-1")
        following = tail()
        assert told(list(following.look())) == []
        step("r-1")
        start("r-2")
        assert sorted(told(list(following.look()))) == [("r-1", "RunLogged"), ("r-2", "RunStarted")]
        ledger.runs.finish("r-1", RunStats("ok"))
        assert told(list(following.look())) == [("r-1", "RunFinished")]
        assert told(list(following.look())) == []

    def test_a_tail_since_a_time_tells_what_happened_from_then_on_by_time(
        self,
        clock: ManualClock,
        tail: Callable[..., RunTail],
        start: Callable[..., None],
        step: Callable[[str], None],
    ) -> None:
        start("r-1")
        for _ in range(7):
            step("r-1")
        clock.advance(60)
        since = clock.now()
        start("r-2")
        clock.advance(1)
        step("r-1")
        clock.advance(1)
        step("r-2")
        following = tail(since)
        news = list(following.look())
        assert told(news) == [("r-2", "RunStarted"), ("r-1", "RunLogged"), ("r-2", "RunLogged")]
        assert news[1].originator_version == 9
        assert told(list(following.look())) == []

    def test_runs_that_share_a_time_are_each_told(
        self, tail: Callable[..., RunTail], start: Callable[..., None]
    ) -> None:
        following = tail()
        start("r-2")
        assert told(list(following.look())) == [("r-2", "RunStarted")]
        start("r-1", "r-3")
        assert told(list(following.look())) == [("r-1", "RunStarted"), ("r-3", "RunStarted")]

    def test_a_change_that_is_committed_after_a_later_one_is_told(
        self, clock: ManualClock, tail: Callable[..., RunTail], start: Callable[..., None]
    ) -> None:
        following = tail()
        start("r-2")
        assert len(list(following.look())) == 1
        clock.advance(1 - SOON)
        start("r-1")
        assert told(list(following.look())) == [("r-1", "RunStarted")]

    def test_a_change_that_waited_for_minutes_to_be_committed_is_told(
        self,
        clock: ManualClock,
        tail: Callable[..., RunTail],
        start: Callable[..., None],
        step: Callable[[str], None],
    ) -> None:
        start("r-1")
        following = tail()
        clock.advance(1 - LATE)
        start("r-2")
        step("r-1")
        clock.advance(LATE - 1)
        start("r-3")
        clock.advance(SOON)
        late = [("r-1", "RunLogged"), ("r-2", "RunStarted"), ("r-3", "RunStarted")]
        assert sorted(told(list(following.look()))) == late
        assert told(list(following.look())) == []

    @pytest.mark.parametrize("back", [40, LATE - SOON, 2 * LATE])
    def test_after_the_clock_was_set_back_what_happens_is_told(
        self,
        clock: ManualClock,
        tail: Callable[..., RunTail],
        start: Callable[..., None],
        step: Callable[[str], None],
        back: float,
    ) -> None:
        start("r-1")
        following = tail()
        clock.advance(LONG_AFTER)
        start("r-2")
        assert told(list(following.look())) == [("r-2", "RunStarted")]
        clock.advance(-back)
        start("r-3")
        step("r-2")
        assert sorted(told(list(following.look()))) == [("r-2", "RunLogged"), ("r-3", "RunStarted")]
        clock.advance(1)
        step("r-3")
        assert told(list(following.look())) == [("r-3", "RunLogged")]
        assert told(list(following.look())) == []

    @pytest.mark.parametrize("page", [2, 500])
    @pytest.mark.parametrize("gone", [0, 2])
    def test_heads_that_do_not_match_the_events_end_nothing_and_repeat_nothing(
        self,
        ledger: Ledger,
        clock: ManualClock,
        start: Callable[..., None],
        step: Callable[[str], None],
        gone: int,
        page: int,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(run_tail, "_PAGE", page)
        storage: Any = Damaged(ledger.storage.runs, gone)
        start("r-1")
        step("r-1")
        from_the_start = RunTail(storage, clock, since=START)
        clock.advance(1)
        step("r-1")
        from_now = RunTail(storage, clock, since=clock.now())
        step("r-1")
        places = [_place(event)[1] for event in from_the_start.look()]
        assert places == [revision for revision in (1, 2, 3, 4) if revision != gone]
        assert [_place(event)[1] for event in from_now.look()] == [3, 4]
        assert list(from_the_start.look()) == list(from_now.look()) == []

    def test_of_a_run_that_was_silent_for_long_only_the_new_is_told(
        self,
        clock: ManualClock,
        tail: Callable[..., RunTail],
        start: Callable[..., None],
        step: Callable[[str], None],
    ) -> None:
        following = tail()
        start("r-1")
        step("r-1")
        assert len(list(following.look())) == 2
        clock.advance(LONG_AFTER)
        start("r-2")
        assert told(list(following.look())) == [("r-2", "RunStarted")]
        clock.advance(LONG_AFTER)
        step("r-1")
        news = list(following.look())
        assert told(news) == [("r-1", "RunLogged")]
        assert news[0].originator_version == 3

    def test_a_writer_whose_clock_is_fast_hides_nobody(
        self, clock: ManualClock, tail: Callable[..., RunTail], start: Callable[..., None]
    ) -> None:
        following = tail()
        clock.advance(3_600)
        start("fast")
        clock.advance(-3_600)
        assert told(list(following.look())) == [("fast", "RunStarted")]
        clock.advance(1)
        start("r-1")
        assert told(list(following.look())) == [("r-1", "RunStarted")]

    def test_a_tail_of_one_run_tells_of_no_other(
        self, tail: Callable[..., RunTail], start: Callable[..., None], step: Callable[[str], None]
    ) -> None:
        start("r-1", "r-2")
        following, all_of_it = tail(run_id="r-1"), tail(START, "r-1")
        step("r-1")
        step("r-2")
        assert told(list(following.look())) == [("r-1", "RunLogged")]
        assert told(list(all_of_it.look())) == [("r-1", "RunStarted"), ("r-1", "RunLogged")]
        assert told(list(following.look())) == told(list(all_of_it.look())) == []

    def test_a_purge_is_told_and_nothing_of_what_it_took_out(
        self, ledger: Ledger, clock: ManualClock, tail: Callable[..., RunTail], start: Callable[..., None]
    ) -> None:
        start("r-1")
        following = tail(START)
        clock.advance(LONG_AFTER)
        ledger.runs.purge_older_than(clock.now())
        assert told(list(following.look())) == [("r-1", "RunPurged")]
        assert told(list(following.look())) == []

    def test_following_ends_when_the_wait_says_so(
        self, tail: Callable[..., RunTail], start: Callable[..., None]
    ) -> None:
        waits = iter(["r-2", "r-3", ""])

        def wait() -> bool:
            run_id = next(waits)
            start(*filter(None, [run_id]))
            return not run_id

        start("r-1")
        assert told(list(tail(START).follow(wait))) == [(f"r-{number}", "RunStarted") for number in (1, 2, 3)]

    @pytest.mark.parametrize(("seed", "page"), [(1, 500), (2, 2), (3, 2)])
    def test_whatever_the_order_of_the_times_each_change_is_told_once(
        self,
        ledger: Ledger,
        clock: ManualClock,
        tail: Callable[..., RunTail],
        start: Callable[..., None],
        step: Callable[[str], None],
        seed: int,
        page: int,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(run_tail, "_PAGE", page)
        chance = Random(seed)  # noqa: S311 - the same each time
        following, news, runs = tail(), list[RunNews](), list[str]()
        for _ in range(150):
            late = chance.choice([0, 0, 2, 6, 120])
            clock.advance(-late)
            if not runs or chance.random() < 0.3:
                runs.append(f"r-{chance.random()}")
                start(runs[-1])
            else:
                step(chance.choice(runs))
            if chance.random() < 0.1:
                news += following.look()
            clock.advance(late + chance.choice([0, 0, 1, 40]))
            if chance.random() < 0.4:
                news += following.look()
        clock.advance(SOON)
        news += following.look()
        written = [event for run in runs for event in ledger.storage.runs.events(f"run:{run}", 0, 1_000)]
        assert sorted(map(_place, news)) == sorted(map(_place, written))


def _place(event: RunEvent) -> tuple[str, int]:
    return event.originator_id, event.originator_version
