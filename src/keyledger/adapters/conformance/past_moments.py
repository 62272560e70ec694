"""Moments: revisions, times, tokens and runs, and what is none of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from keyledger.adapters.conformance.clock import START, ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.adapters.conformance.past import held
from keyledger.adapters.conformance.run_steps import begin
from keyledger.domain.audit.records import RunStats
from keyledger.domain.audit.runs import Runs
from keyledger.domain.errors import InvalidArgumentError, RevisionNotFoundError, RunNotFoundError
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger
from keyledger.domain.values import MAX_INTEGER

_NAMES = ["weather@41", "a@1~2026-01-01T00:00:00Z", "~", "@", "x@", "@1", "a~b@2~c", "a\nb", "é @1~", "p:q/r"]
_MALFORMED = [
    "",
    "weather",
    "@1",
    "weather@",
    "weather@x",
    "weather@-1",
    "weather@1.5",
    "weather@ 1",
    "weather@\u0661",
    "weather@1~",
    "weather@1~now",
    "weather@1~2026-01-01",
    "weather@1~2026-01-01T00:00:00",
    "weather@1~2026-13-01T00:00:00Z",
    "weather@1~0001-01-01T00:00:00+23:59",
    "weather@1~2026-01-01T00:00:00Z ",
    "weather@9999999999999999999",
    "weather@99999999999999999999",
    "\0@1",
    "a\0b@1",
    "\ud800@1",
    "__root_run__@1",
    "__root_run__:@1",
    "__root_run__x@1",
    f"{'x' * 257}@1",
]


def _asks(kv: Partition) -> list[tuple[Callable[[Any], object], str]]:
    """What takes a moment, and the name of the argument."""
    return [
        (kv.at, "moment"),
        (kv.diff, "before"),
        (lambda to: kv.restore("a", to), "to"),
        (kv.restore_all, "to"),
        (lambda at: kv.fork("new", at), "at"),
        (lambda after: kv.bisect("a", bool, after=after), "after"),
    ]


class MomentContract(Fixtures):
    """How a moment is named."""

    # -------------------------------------------------------------------------------------- tokens

    def test_a_view_prints_as_a_token_that_gives_it_again(self, kv: Partition, clock: ManualClock) -> None:
        kv.set("a", 1, ttl=10)
        clock.advance(5)
        assert str(kv.at(1)) == "weather@1"
        assert str(kv.at(0)) == "weather@0"
        assert str(kv.at(START + timedelta(seconds=1.5))) == "weather@1~2026-01-01T00:00:01.500000Z"
        assert str(kv.at()) == "weather@1~2026-01-01T00:00:05.000000Z"
        clock.advance(60)
        for moment in (0, 1, START, START + timedelta(seconds=9.999999), START + timedelta(seconds=10), None):
            view = kv.at(moment)
            again = kv.at(str(view))
            assert (str(again), again.revision, again.instant) == (str(view), view.revision, view.instant)
            assert again.list() == view.list()

    def test_a_view_is_a_moment_itself(self, kv: Partition, clock: ManualClock) -> None:
        kv.set("a", 1)
        view = kv.at()
        clock.advance(1)
        kv.set("a", 2)
        assert str(kv.at(view)) == str(view)
        assert held(kv.at(view).list()) == {"a": 1}

    @pytest.mark.parametrize("name", _NAMES)
    def test_a_partition_of_any_name_has_tokens(self, ledger: Ledger, clock: ManualClock, name: str) -> None:
        kv = ledger.partition(name)
        kv.set("a", 1)
        clock.advance(1)
        kv.set("a", 2)
        for view in (kv.at(1), kv.at(clock.now()), kv.at(START)):
            assert str(kv.at(str(view))) == str(view)
            assert kv.at(str(view)).list() == view.list()
        (change,) = ledger.partition("other").diff(str(kv.at(1)), str(kv.at(2)))
        assert (change.before and change.before.value, change.after and change.after.value) == (1, 2)

    def test_a_tree_has_tokens(self, kv: Partition) -> None:
        kv.set("a", 1, scope="root_run:x@1~y")
        view = kv.at(scope="root_run:x@1~y")
        again = kv.at(str(view), scope="root_run:x@1~y")
        assert (str(again), held(again.list())) == (str(view), {"a": 1})
        with pytest.raises(InvalidArgumentError, match="__root_run__:other"):
            kv.at(str(view), scope="root_run:other")

    @pytest.mark.parametrize("token", _MALFORMED)
    def test_what_is_no_token_is_refused(self, kv: Partition, token: str) -> None:
        kv.set("a", 1)
        for ask, field in _asks(kv):
            with pytest.raises(InvalidArgumentError) as caught:
                ask(token)
            assert caught.value.field == field
            assert str(caught.value.got) in token

    @pytest.mark.parametrize("token", ["fares@1", "fares@0", "Weather@1", "weather@1@1", "__root_run__:r-0@1"])
    def test_a_token_of_another_partition_is_refused(self, ledger: Ledger, kv: Partition, token: str) -> None:
        kv.set("a", 1)
        ledger.partition("fares").set("a", 1)
        for ask, field in _asks(kv):
            if field != "before":  # a diff may be with another partition
                with pytest.raises(InvalidArgumentError, match="'weather'") as caught:
                    ask(token)
                assert (caught.value.field, caught.value.got) == (field, token)

    def test_a_view_of_another_partition_is_refused(self, ledger: Ledger, kv: Partition) -> None:
        kv.set("a", 1)
        other = ledger.partition("fares").at()
        with pytest.raises(InvalidArgumentError, match="moment"):
            kv.at(other)
        with pytest.raises(InvalidArgumentError, match="to: "):
            kv.restore_all(other)

    def test_a_token_of_a_revision_that_is_not_reached_is_told_as_such(self, kv: Partition) -> None:
        kv.set("a", 1)
        with pytest.raises(RevisionNotFoundError) as caught:
            kv.at("weather@2")
        assert (caught.value.partition, caught.value.revision, caught.value.head) == ("weather", 2, 1)

    @pytest.mark.parametrize("instant", ["2025-12-31T23:59:59.999999Z", "2026-01-01T00:00:10.000001Z"])
    def test_a_token_whose_time_lies_before_its_revision_or_ahead_is_refused(
        self, kv: Partition, clock: ManualClock, instant: str
    ) -> None:
        kv.set("a", 1)
        clock.advance(5)
        with pytest.raises(InvalidArgumentError, match="moment"):
            kv.at(f"weather@1~{instant}")

    def test_a_view_and_its_token_hold_for_a_clock_that_is_somewhat_behind(
        self, kv: Partition, clock: ManualClock
    ) -> None:
        kv.set("a", 1)
        clock.advance(5)
        view = kv.at()
        kv.set("a", 2)
        clock.advance(-5)
        assert [str(kv.at(moment)) for moment in (view, str(view))] == [str(view)] * 2
        restored = kv.restore("a", view)
        assert restored is not None
        assert restored.value == 1

    def test_a_tokens_time_may_have_any_offset(self, kv: Partition, clock: ManualClock) -> None:
        kv.set("a", 1)
        clock.advance(5)
        assert kv.at("weather@1~2026-01-01T02:00:03+02:00").instant == START + timedelta(seconds=3)

    # ------------------------------------------------------------------------- revisions and times

    def test_a_revision_beyond_the_head_is_told_with_the_head(self, kv: Partition) -> None:
        kv.set("a", 1)
        for revision in (2, 99, MAX_INTEGER):
            for ask in (
                kv.at,
                kv.diff,
                lambda to: kv.restore("a", to),
                kv.restore_all,
                lambda to: kv.fork("f", to),
            ):
                with pytest.raises(RevisionNotFoundError, match="its last is 1") as caught:
                    ask(revision)
                assert (caught.value.partition, caught.value.revision, caught.value.head) == (
                    "weather",
                    revision,
                    1,
                )
        with pytest.raises(RevisionNotFoundError, match="its last is 0"):
            kv.at(1, scope="root_run:r-0")

    @pytest.mark.parametrize(
        "moment", [-1, MAX_INTEGER + 1, True, False, 1.0, b"weather@1", (1,), object(), timedelta(0), START.date()]
    )
    def test_what_is_no_moment_is_refused(self, kv: Partition, moment: Any) -> None:
        kv.set("a", 1)
        for ask, field in _asks(kv):
            with pytest.raises(InvalidArgumentError) as caught:
                ask(moment)
            assert caught.value.field == field

    def test_a_time_without_an_offset_is_refused(self, kv: Partition) -> None:
        kv.set("a", 1)
        with pytest.raises(InvalidArgumentError, match="aware datetime") as caught:
            kv.at(START.replace(tzinfo=None))
        assert caught.value.field == "moment"

    def test_a_time_beyond_the_years_in_utc_is_refused(self, kv: Partition) -> None:
        with pytest.raises(InvalidArgumentError, match="years 1 to 9999"):
            kv.at(datetime.min.replace(tzinfo=timezone(timedelta(hours=5))))

    def test_a_time_that_has_not_come_is_refused(self, kv: Partition, clock: ManualClock) -> None:
        kv.set("a", 1)
        for ahead in (0.000001, 1e9):
            with pytest.raises(InvalidArgumentError, match="a time that has come") as caught:
                kv.at(clock.now() + timedelta(seconds=ahead))
            assert caught.value.field == "moment"
        with pytest.raises(InvalidArgumentError, match="a time that has come"):
            kv.at(datetime.max.replace(tzinfo=UTC))
        assert kv.at(clock.now()).revision == 1

    def test_a_time_may_have_any_offset(self, kv: Partition) -> None:
        kv.set("a", 1)
        there = START.astimezone(timezone(timedelta(hours=-7)))
        assert (kv.at(there).revision, kv.at(there).instant, kv.at(there).instant.tzinfo) == (1, START, UTC)

    @pytest.mark.parametrize(
        ("field", "arguments"),
        [
            ("moment", {"moment": 1, "run": "r-1"}),
            ("end", {"end": True}),
            ("end", {"moment": 1, "end": True}),
            ("end", {"run": "r-1", "end": 1}),
            ("run", {"run": ""}),
            ("run", {"run": 7}),
            ("run", {"run": "__root_run__"}),
            ("scope", {"scope": "skills"}),
            ("scope", {"scope": "root_run:"}),
        ],
    )
    def test_at_takes_one_moment_or_one_run(self, kv: Partition, field: str, arguments: dict[str, Any]) -> None:
        kv.set("a", 1)
        with pytest.raises(InvalidArgumentError) as caught:
            kv.at(**arguments)
        assert caught.value.field == field

    # ---------------------------------------------------------------------------------------- runs

    def test_a_run_that_wrote_here_started_from_the_head_before_its_first_write_and_ended_with_its_last(
        self, ledger: Ledger, kv: Partition
    ) -> None:
        kv.set("a", 0)
        mine, yours = (ledger.partition("weather", run_id=run) for run in ("r-mine", "r-yours"))
        mine.set("a", 1)
        yours.set("a", 2)
        mine.set("b", 3)
        kv.set("c", 4)
        yours.delete("a")
        assert held(kv.at(run="r-mine").list()) == {"a": 0}
        assert held(kv.at(run="r-mine", end=True).list()) == {"a": 2, "b": 3}
        assert held(kv.at(run="r-yours").list()) == {"a": 1}
        assert held(kv.at(run="r-yours", end=True).list()) == {"b": 3, "c": 4}
        assert str(kv.at(run="r-yours", end=True)) == "weather@6"
        assert (kv.at(run="r-mine").revision, kv.at(run="r-yours").revision) == (1, 2)

    def test_a_run_that_wrote_nothing_here_saw_what_stood_when_it_started(
        self, runs: Runs, kv: Partition, clock: ManualClock
    ) -> None:
        kv.set("a", 1, ttl=10)
        clock.advance(5)
        begin(runs, "r-reader", at=86_400 + 5)
        clock.advance(60)
        kv.set("a", 2)
        for end in (False, True):
            view = kv.at(run="r-reader", end=end)
            entry = view.get("a")
            assert entry is not None
            assert (entry.value, entry.ttl_seconds, view.instant) == (1, 5, START + timedelta(seconds=5))

    def test_a_run_that_started_before_anything_was_written_saw_nothing(self, runs: Runs, kv: Partition) -> None:
        begin(runs, "r-early", at=0)
        kv.set("a", 1)
        view = kv.at(run="r-early")
        assert (view.revision, view.list().items) == (0, ())
        assert kv.at(str(view)).revision == 0

    def test_what_a_run_started_from_is_judged_when_it_started(
        self, ledger: Ledger, runs: Runs, kv: Partition, clock: ManualClock
    ) -> None:
        kv.set("a", 1, ttl=10)
        clock.advance(5)
        begin(runs, "r-slow", at=86_400 + 5)
        clock.advance(60)
        ledger.partition("weather", run_id="r-slow").set("b", 1)
        entry = kv.at(run="r-slow").get("a")
        assert entry is not None
        assert (entry.ttl_seconds, kv.at(run="r-slow").revision) == (5, 1)
        assert held(kv.at(run="r-slow", end=True).list()) == {"b": 1}

    def test_what_was_ended_as_expired_after_a_run_had_started_was_there_when_it_did(
        self, ledger: Ledger, runs: Runs, kv: Partition, clock: ManualClock
    ) -> None:
        with kv.batch() as batch:
            for number in range(40):
                batch.set(f"short-{number:02}", number, ttl=10)
        kv.set("later", 1, ttl=20)
        clock.advance(5)
        begin(runs, "r-slow", at=86_400 + 5)
        clock.advance(10)
        ledger.sweep()
        clock.advance(10)
        ledger.partition("weather", run_id="r-slow").set("later", 2)
        view = kv.at(run="r-slow")
        assert (view.revision, view.instant) == (41, START + timedelta(seconds=5))
        assert [entry.ttl_seconds for entry in view.list()] == [15] + 40 * [5]

    def test_what_was_ended_as_expired_before_a_run_had_started_was_not(
        self, ledger: Ledger, runs: Runs, kv: Partition, clock: ManualClock
    ) -> None:
        kv.set("a", 1, ttl=10)
        clock.advance(10)
        ledger.sweep()
        clock.advance(5)
        begin(runs, "r-slow", at=86_400 + 15)
        ledger.partition("weather", run_id="r-slow").set("b", 1)
        assert str(kv.at(run="r-slow")) == "weather@2~2026-01-01T00:00:15.000000Z"

    def test_what_was_written_between_a_runs_start_and_its_first_write_is_in_what_it_started_from(
        self, ledger: Ledger, runs: Runs, kv: Partition, clock: ManualClock
    ) -> None:
        begin(runs, "r-late", at=86_400)
        clock.advance(5)
        kv.set("a", 1)
        clock.advance(5)
        ledger.partition("weather", run_id="r-late").set("a", 2)
        view = kv.at(run="r-late")
        assert (view.revision, view.instant, held(view.list())) == (1, START + timedelta(seconds=5), {"a": 1})

    def test_a_run_of_which_only_the_history_knows_started_with_its_first_write(
        self, ledger: Ledger, kv: Partition, clock: ManualClock
    ) -> None:
        kv.set("a", 1, ttl=10)
        clock.advance(9)
        ledger.partition("weather", run_id="r-untold").set("b", 1)
        view = kv.at(run="r-untold")
        assert (view.revision, view.instant, held(view.list())) == (1, START + timedelta(seconds=9), {"a": 1})
        clock.advance(9)
        ledger.partition("weather", run_id="r-untold-2").set("b", 2)
        assert held(kv.at(run="r-untold-2").list()) == {"b": 1}

    def test_a_run_that_only_deleted_or_ended_the_whole_partition_wrote_here_too(
        self, ledger: Ledger, kv: Partition
    ) -> None:
        kv.set("a", 1)
        ledger.partition("weather", run_id="r-deletes").delete("a")
        kv.set("b", 1)
        ledger.delete_partition("weather", run_id="r-ends")
        assert (held(kv.at(run="r-deletes").list()), held(kv.at(run="r-deletes", end=True).list())) == (
            {"a": 1},
            {},
        )
        assert (held(kv.at(run="r-ends").list()), held(kv.at(run="r-ends", end=True).list())) == ({"b": 1}, {})

    def test_a_run_has_a_start_in_each_stream(self, ledger: Ledger, kv: Partition) -> None:
        fares = ledger.partition("fares", run_id="r-1")
        kv.set("a", 1)
        kv.set("plan", 1, scope="root_run:r-0")
        fares.set("x", 1)
        kv.set("a", 2)
        assert [str(each.at(run="r-1", end=True)) for each in (kv, fares)] == ["weather@2", "fares@1"]
        assert str(kv.at(run="r-1", end=True, scope="root_run:r-0")) == "__root_run__:r-0@1"

    def test_an_unknown_run_is_told_as_such(self, kv: Partition) -> None:
        kv.set("a", 1)
        for end in (False, True):
            with pytest.raises(RunNotFoundError, match="'r-9'") as caught:
                kv.at(run="r-9", end=end)
            assert caught.value.run_id == "r-9"

    def test_a_run_that_was_purged_is_known_by_what_it_wrote_alone(
        self, ledger: Ledger, runs: Runs, kv: Partition, clock: ManualClock
    ) -> None:
        for run_id in ("r-wrote", "r-read"):
            begin(runs, run_id)
        ledger.partition("weather", run_id="r-wrote").set("a", 1)
        for run_id in ("r-wrote", "r-read"):
            runs.finish(run_id, RunStats("ok"))
        clock.advance(1)
        assert runs.purge_older_than(clock.now()) == 2
        assert held(kv.at(run="r-wrote", end=True).list()) == {"a": 1}
        with pytest.raises(RunNotFoundError, match="was purged"):
            kv.at(run="r-read")
