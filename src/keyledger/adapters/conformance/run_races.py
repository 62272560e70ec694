"""Several writers of one run: threads here, of two ledgers; and interleavings, forced where they are rare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NoReturn

import pytest

from keyledger.adapters.conformance.clock import ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.adapters.conformance.racing import THREADS, race
from keyledger.adapters.conformance.run_steps import begin, ids, moment, step
from keyledger.domain.audit.ports import RunCommit
from keyledger.domain.audit.records import RunStats
from keyledger.domain.errors import (
    DuplicateRunError,
    DuplicateSequenceError,
    OutcomeUnknownError,
    RunNotFoundError,
    StorageUnavailableError,
)
from keyledger.domain.ledger import Ledger
from keyledger.domain.ports import HeadMovedError
from keyledger.domain.run import RunFinished


class RunRaceContract(Fixtures):
    """What holds under any number of racing writers of runs."""

    def test_lines_of_racing_writers_are_numbered_without_gaps_and_none_is_lost(
        self, reopen: Callable[..., Ledger]
    ) -> None:
        ledgers = [reopen() for _ in range(2)]
        begin(ledgers[0].runs, "r-1")

        def write(thread: int) -> list[int | None]:
            runs = ledgers[thread % 2].runs
            return [step(runs, "r-1", None, {"thread": thread, "n": n}).sequence for n in range(12)]

        numbers = race(write)
        logs = ledgers[0].runs.logs("r-1")
        assert [line.sequence for line in logs] == list(range(1, THREADS * 12 + 1))
        for thread, mine in enumerate(numbers):
            told = [(line.sequence, line.payload["n"]) for line in logs if line.payload["thread"] == thread]
            assert told == list(zip(mine, range(12), strict=True))
        revisions = [event.originator_version for event in ledgers[0].storage.runs.events("run:r-1", 0, 1_000)]
        assert revisions == list(range(1, THREADS * 12 + 2))
        assert ledgers[1].rebuild().differences == ()

    def test_of_racing_starts_of_one_id_one_wins(self, reopen: Callable[..., Ledger]) -> None:
        ledgers = [reopen() for _ in range(2)]

        def start(thread: int) -> list[str]:
            runs, won = ledgers[thread % 2].runs, []
            for number in range(5):
                try:
                    won.append(begin(runs, f"r-{number}", caller_id=f"t-{thread}").id)
                except DuplicateRunError:
                    assert runs.get(f"r-{number}").caller_id != f"t-{thread}"
            return won

        won = race(start)
        assert sorted(run_id for each in won for run_id in each) == [f"r-{number}" for number in range(5)]
        for thread, mine in enumerate(won):
            assert sorted(ids(ledgers[0].runs.by_caller(f"t-{thread}"))) == sorted(mine)

    def test_of_racing_lines_under_one_number_one_wins(self, reopen: Callable[..., Ledger]) -> None:
        ledgers = [reopen() for _ in range(2)]
        begin(ledgers[0].runs, "r-1")

        def write(thread: int) -> int:
            return sum(
                _passes(lambda number=number: step(ledgers[thread % 2].runs, "r-1", number))  # type: ignore[misc]
                for number in range(20, 0, -2)
            )

        assert sum(race(write)) == 10
        assert [line.sequence for line in ledgers[0].runs.logs("r-1")] == list(range(2, 21, 2))

    def test_of_racing_finishes_the_last_one_holds_and_no_line_is_lost(
        self, reopen: Callable[..., Ledger]
    ) -> None:
        ledgers = [reopen() for _ in range(2)]
        begin(ledgers[0].runs, "r-1")

        def write(thread: int) -> None:
            runs = ledgers[thread % 2].runs
            for number in range(5):
                step(runs, "r-1", None, {"thread": thread})
                runs.finish("r-1", RunStats("ok", f"{thread} {number}", tool_calls=thread))

        race(write)
        runs = ledgers[1].runs
        assert Counter(line.payload["thread"] for line in runs.logs("r-1")) == dict.fromkeys(range(THREADS), 5)
        events = ledgers[0].storage.runs.events("run:r-1", 0, 1_000)
        finishes = [event for event in events if isinstance(event, RunFinished)]
        assert len(finishes) == THREADS * 5
        found = runs.get("r-1")
        assert (found.output, found.tool_calls_count) == (finishes[-1].output, finishes[-1].tool_calls)
        assert ledgers[0].rebuild().differences == ()

    def test_racing_purges_count_each_run_once(self, reopen: Callable[..., Ledger]) -> None:
        ledgers = [reopen() for _ in range(2)]
        for at in range(20):
            begin(ledgers[0].runs, f"r-{at:02}", at)
        purged = race(lambda thread: ledgers[thread % 2].runs.purge_older_than(moment(15)))
        assert sum(purged) == 15
        runs = ledgers[0].runs
        assert ids(runs.filtered()) == [f"r-{at}" for at in range(19, 14, -1)]
        assert sum(each.runs for each in runs.purges()) == 15
        assert len(runs.purges()) == sum(bool(count) for count in purged)
        assert ledgers[1].rebuild().differences == ()

    def test_a_line_that_races_with_a_purge_is_written_and_gone_or_refused(
        self, reopen: Callable[..., Ledger]
    ) -> None:
        ledgers = [reopen() for _ in range(2)]
        for at in range(8):
            begin(ledgers[0].runs, f"r-{at}", at)

        def write_or_purge(thread: int) -> int:
            runs = ledgers[thread % 2].runs
            if thread == 0:
                return runs.purge_older_than(moment(100))
            return sum(_passes(lambda at=at: step(runs, f"r-{at}")) for at in range(8))  # type: ignore[misc]

        assert race(write_or_purge)[0] == 8
        for at in range(8):
            with pytest.raises(RunNotFoundError, match="was purged"):
                ledgers[1].runs.logs(f"r-{at}")
        assert ledgers[0].rebuild().differences == ()

    # --------------------------------------------------------------------------- forced interleavings

    def test_a_line_that_came_in_between_pushes_the_number_up(
        self, reopen: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, two = reopen(), reopen()
        begin(one.runs, "r-1")
        step(one.runs, "r-1")
        _overtake(one, monkeypatch, lambda: step(two.runs, "r-1", 9))
        assert step(one.runs, "r-1").sequence == 10
        assert [line.sequence for line in two.runs.logs("r-1")] == [1, 9, 10]

    def test_a_number_that_was_taken_in_between_is_refused(
        self, reopen: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, two = reopen(), reopen()
        begin(one.runs, "r-1")
        _overtake(one, monkeypatch, lambda: step(two.runs, "r-1", 5))
        with pytest.raises(DuplicateSequenceError):
            step(one.runs, "r-1", 5)
        assert len(one.runs.logs("r-1")) == 1

    def test_a_run_that_was_purged_in_between_is_not_found(
        self, reopen: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, two = reopen(), reopen()
        begin(one.runs, "r-1", 0)
        _overtake(one, monkeypatch, lambda: two.runs.purge_older_than(moment(1)))
        with pytest.raises(RunNotFoundError, match="was purged"):
            step(one.runs, "r-1")
        assert one.rebuild().differences == ()

    def test_a_finish_that_another_process_said_in_between_is_not_said_again(
        self, reopen: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch, clock: ManualClock
    ) -> None:
        one, two = reopen(clock=clock), reopen(clock=clock)
        begun = begin(one.runs, "r-1")
        stats = RunStats("ok", "done")

        def finish() -> None:
            two.runs.finish("r-1", stats)
            clock.advance(5)

        _overtake(one, monkeypatch, finish)
        one.runs.finish("r-1", stats)
        assert one.runs.get("r-1").finished_at == begun.started_at
        assert len(one.storage.runs.events("run:r-1", 0, 100)) == 2

    def test_a_line_whose_commit_took_place_unheard_is_not_written_again(
        self, reopen: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, two = reopen(), reopen()
        begin(one.runs, "r-1")

        def unheard(commit: RunCommit, write: Callable[[RunCommit], None]) -> None:
            write(commit)
            step(two.runs, "r-1", None, {"n": 2})
            raise HeadMovedError(unknown=True)

        _at_the_next_commit(one, monkeypatch, unheard)
        assert step(one.runs, "r-1", None, {"n": 1}).sequence == 1
        assert step(one.runs, "r-1", None, {"n": 3}).sequence == 3
        assert [line.payload for line in two.runs.logs("r-1")] == [{"n": 1}, {"n": 2}, {"n": 3}]

    def test_a_line_whose_commit_did_not_take_place_is_written(
        self, reopen: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, two = reopen(), reopen()
        begin(one.runs, "r-1")

        def lost(commit: RunCommit, _: Callable[[RunCommit], None]) -> None:
            step(two.runs, "r-1", None, {"n": commit.expected})
            raise HeadMovedError(unknown=True)

        _at_the_next_commit(one, monkeypatch, lost)
        assert step(one.runs, "r-1", None, {"n": 2}).sequence == 2
        assert [line.payload for line in two.runs.logs("r-1")] == [{"n": 1}, {"n": 2}]

    def test_a_commit_of_which_nobody_can_say_whether_it_took_place_says_so(
        self, reopen: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, two = reopen(), reopen()
        begin(one.runs, "r-1")

        def unheard(commit: RunCommit, write: Callable[[RunCommit], None]) -> None:
            write(commit)
            monkeypatch.setattr(one.storage.runs, "exclusive", unavailable)
            raise HeadMovedError(unknown=True)

        def unavailable(_: str) -> NoReturn:
            raise StorageUnavailableError("gone")

        _at_the_next_commit(one, monkeypatch, unheard)
        with pytest.raises(OutcomeUnknownError, match=r"run:r-1' .* committed; read before"):
            step(one.runs, "r-1")
        assert len(two.runs.logs("r-1")) == 1


def _at_the_next_commit(
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    step: Callable[[RunCommit, Callable[[RunCommit], None]], object],
) -> None:
    """Do ``step`` in the place of the ledger's next optimistic commit of a run."""
    commit = ledger.storage.runs.commit

    def instead(what: RunCommit) -> None:
        monkeypatch.setattr(ledger.storage.runs, "commit", commit)
        step(what, commit)

    monkeypatch.setattr(ledger.storage.runs, "commit", instead)


def _overtake(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, step: Callable[[], object]) -> None:
    """Do ``step`` just before the ledger's next optimistic commit of a run."""

    def overtaken(commit: RunCommit, write: Callable[[RunCommit], None]) -> None:
        step()
        write(commit)

    _at_the_next_commit(ledger, monkeypatch, overtaken)


def _passes(write: Callable[[], object]) -> bool:
    try:
        write()
    except (DuplicateSequenceError, RunNotFoundError):
        return False
    return True
