"""Lists of runs: of a skill, of a caller, by a filter; finished ones, the last of each skill."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import combinations
from typing import Any

import pytest

from keyledger.adapters.conformance.clock import START, ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.adapters.conformance.run_steps import begin, begin_and_end, ids, moment
from keyledger.domain.audit.records import Run, RunFilter, RunInfo, RunStats
from keyledger.domain.audit.runs import Runs
from keyledger.domain.ledger import Ledger
from keyledger.domain.run import STATUSES, TERMINAL

TIED = ["b", "a", "é", "Z", "\U0001f600", "\uffff", "a1", "aa"]


FILTERS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["child", "late", "bob", "slack", "error", "ok"]),
    ({"include_dry_run": True}, ["child", "late", "dry", "bob", "slack", "error", "ok"]),
    ({"status": "ok"}, ["bob", "slack", "ok"]),
    ({"status": "ok", "include_dry_run": True}, ["bob", "slack", "ok"]),
    ({"status": "running"}, ["child", "late"]),
    ({"status": "dry_run"}, ["dry"]),
    ({"status": "dry_run", "include_dry_run": True}, ["dry"]),
    ({"status": "timeout"}, []),
    ({"skill_id": "news"}, ["late"]),
    ({"skill_id": "new"}, []),
    ({"caller_id": "bob"}, ["bob"]),
    ({"channel_id": "slack"}, ["slack"]),
    ({"status": "running", "top_level_only": True}, ["late"]),
    ({"top_level_only": True}, ["late", "bob", "slack", "error", "ok"]),
    ({"since": moment(1)}, ["child", "late", "bob", "slack", "error"]),
    ({"until": moment(2)}, ["error", "ok"]),
    ({"since": moment(1), "until": moment(2)}, ["error"]),
    ({"since": moment(1), "until": moment(1)}, []),
    ({"since": moment(2), "until": moment(1)}, []),
    ({"since": moment(0.000001), "until": moment(2.000001)}, ["slack", "error"]),
    ({"status": "ok", "skill_id": "weather", "channel_id": "slack", "top_level_only": True}, ["slack"]),
    ({"status": "ok", "caller_id": "bob", "channel_id": "slack"}, []),
    ({"caller_id": "ada", "since": moment(4), "include_dry_run": True}, ["child", "late", "dry"]),
]

HOLDS: dict[str, tuple[Any, Callable[[Run], bool]]] = {
    "status": ("ok", lambda run: run.status == "ok"),
    "skill_id": ("s1", lambda run: run.skill_id == "s1"),
    "caller_id": ("c1", lambda run: run.caller_id == "c1"),
    "channel_id": ("h1", lambda run: run.channel_id == "h1"),
    "top_level_only": (True, lambda run: not run.parent_run_id),
    "since": (moment(2), lambda run: run.started_at >= moment(2)),
    "until": (moment(5), lambda run: run.started_at < moment(5)),
}


class RunListingContract(Fixtures):
    """What lists of runs hold, and in which order."""

    # ----------------------------------------------------------------------------- skills and callers

    def test_a_skills_runs_are_listed_newest_first_without_dry_ones(self, runs: Runs) -> None:
        for at, status in enumerate(["ok", "dry_run", "error"]):
            begin_and_end(runs, f"r-{at}", at, status)
        begin(runs, "r-running", 1.5)
        begin(runs, "r-other", 9, "other")
        assert ids(runs.by_skill("weather")) == ["r-2", "r-running", "r-0"]
        assert ids(runs.by_skill("weather", include_dry_run=True)) == ["r-2", "r-running", "r-1", "r-0"]
        assert (runs.count_by_skill("weather"), runs.count_by_skill("weather", include_dry_run=True)) == (3, 4)
        assert (ids(runs.by_skill("never")), runs.count_by_skill("never")) == ([], 0)

    def test_a_skills_runs_come_in_pages(self, runs: Runs) -> None:
        for at in range(7):
            begin_and_end(runs, f"r-{at}", at, "dry_run" if at == 3 else "ok")
        assert ids(runs.by_skill("weather", 2)) == ["r-6", "r-5"]
        assert ids(runs.by_skill("weather", 2, offset=2)) == ["r-4", "r-2"]
        assert ids(runs.by_skill("weather", 3, offset=2, include_dry_run=True)) == ["r-4", "r-3", "r-2"]
        assert ids(runs.by_skill("weather", 5, offset=5)) == ["r-0"]
        assert ids(runs.by_skill("weather", 5, offset=6)) == []
        assert ids(runs.by_skill("weather", 5, offset=2**63 - 1)) == []

    def test_a_callers_runs_are_listed_newest_first_with_dry_ones(self, runs: Runs) -> None:
        for at, status in enumerate(["ok", "dry_run", "error"]):
            begin_and_end(runs, f"r-{at}", at, status, caller_id="ada", skill_id=f"s-{at}")
        begin(runs, "r-bob", 1, caller_id="bob")
        begin(runs, "r-nobody", 1)
        assert ids(runs.by_caller("ada")) == ["r-2", "r-1", "r-0"]
        assert ids(runs.by_caller("ada", 2)) == ["r-2", "r-1"]
        assert ids(runs.by_caller("eve")) == []

    def test_of_one_time_ids_decide_by_their_bytes(self, runs: Runs) -> None:
        for run_id in TIED:
            begin_and_end(runs, run_id, 0, parent_run_id="r-0", caller_id="ada")
        begin(runs, "older", -0.000001, parent_run_id="r-0", caller_id="ada")
        rising = ["older", *sorted(TIED, key=str.encode)]
        assert ids(runs.by_skill("weather")) == rising[::-1]
        assert ids(runs.by_caller("ada")) == rising[::-1]
        assert ids(runs.filtered()) == rising[::-1]
        assert ids(runs.filtered(limit=3, offset=2)) == rising[::-1][2:5]
        assert ids(runs.children("r-0")) == rising
        assert ids(runs.tree("a")) == rising
        assert ids(runs.finished_before(START + timedelta(seconds=1), 100)) == rising[1:]

    # ------------------------------------------------------------------------------------- filtered

    def test_a_filter_finds_the_runs_for_which_all_of_it_holds(self, runs: Runs) -> None:
        ada = {"caller_id": "ada", "channel_id": "cli"}
        begin_and_end(runs, "ok", 0, **ada)
        begin_and_end(runs, "error", 1, "error", **ada)
        begin_and_end(runs, "slack", 2, **ada | {"channel_id": "slack"})
        begin_and_end(runs, "bob", 3, **ada | {"caller_id": "bob"})
        begin_and_end(runs, "dry", 4, "dry_run", **ada)
        begin(runs, "late", 5, "news", **ada)
        begin(runs, "child", 6, parent_run_id="ok", **ada)
        for fields, expected in FILTERS:
            wanted = RunFilter(**fields)
            assert ids(runs.filtered(wanted)) == expected, wanted
            assert ids(runs.filtered(wanted, 1, 2)) == expected[1:3], wanted
            assert runs.count_filtered(wanted) == len(expected), wanted

    def test_every_combination_of_what_a_filter_names_holds(self, runs: Runs) -> None:
        for number in range(32):
            skill, caller, channel, parent, status = (int(bit) for bit in f"{number:05b}")
            fields = {"caller_id": f"c{caller}", "channel_id": f"h{channel}", "parent_run_id": "p" * parent}
            begin(runs, f"r-{number}", number % 7, f"s{skill}", **fields)
            if status:
                runs.finish(f"r-{number}", RunStats("ok"))
        every = runs.filtered(None, 0, 500)
        for count in range(1, len(HOLDS) + 1):
            for names in combinations(HOLDS, count):
                wanted = RunFilter(**{name: HOLDS[name][0] for name in names})
                expected = [run for run in every if all(HOLDS[name][1](run) for name in names)]
                assert list(runs.filtered(wanted, 0, 500)) == expected, wanted
                assert runs.count_filtered(wanted) == len(expected), wanted

    def test_without_a_filter_come_the_newest_runs_of_every_surface(self, runs: Runs) -> None:
        for at, channel in enumerate(["", "cli", "slack"]):
            begin(runs, f"r-{at}", at, f"s-{at}", channel_id=channel)
        begin_and_end(runs, "dry", 9, "dry_run")
        for zero in ((), (None,), (RunFilter(),)):
            assert ids(runs.filtered(*zero)) == ["r-2", "r-1", "r-0"]
            assert runs.count_filtered(*zero) == 3

    def test_all_years_are_times(self, runs: Runs) -> None:
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        starts = [datetime.min.replace(tzinfo=UTC), epoch - timedelta(microseconds=1), epoch]
        for number, started_at in enumerate(starts):
            assert runs.start(RunInfo(f"r-{number}", "weather", started_at=started_at)).started_at == started_at
        assert [run.started_at for run in runs.filtered()] == starts[::-1]
        assert ids(runs.filtered(RunFilter(since=epoch))) == ["r-2"]
        assert ids(runs.filtered(RunFilter(until=epoch))) == ["r-1", "r-0"]
        assert runs.count_filtered(RunFilter(until=epoch)) == 2
        assert runs.count_filtered(RunFilter(since=epoch, until=epoch)) == 0
        assert runs.count_filtered(RunFilter(since=starts[0], until=datetime.max.replace(tzinfo=UTC))) == 3
        assert runs.finished_before(epoch, 9) == ()
        runs.finish("r-1", RunStats("ok"))
        assert ids(runs.finished_before(datetime.max.replace(tzinfo=UTC), 9)) == ["r-1"]
        assert runs.last_by_skills(["weather"]) == {"weather": starts[1]}
        assert runs.purge_older_than(starts[0]) == 0
        assert runs.purge_older_than(epoch) == 2

    def test_a_status_finds_its_runs_alone(self, runs: Runs) -> None:
        begin(runs, "running", 0)
        for at, ended in enumerate(TERMINAL, 1):
            begin_and_end(runs, ended, at, ended)
        for status in STATUSES:
            assert ids(runs.filtered(RunFilter(status=status))) == [status]
            assert runs.count_filtered(RunFilter(status=status)) == 1

    def test_a_run_is_found_by_how_it_ended_last(self, runs: Runs) -> None:
        begin_and_end(runs, "r-1", 0, "dry_run")
        assert ids(runs.filtered()) == []
        runs.finish("r-1", RunStats("ok"))
        assert ids(runs.filtered()) == ids(runs.filtered(RunFilter("ok"))) == ["r-1"]
        assert runs.count_filtered(RunFilter("dry_run")) == 0

    def test_a_limit_that_is_no_number_from_1_to_500_becomes_50(self, runs: Runs) -> None:
        for at in range(52):
            begin(runs, f"r-{at:02}", at, caller_id="ada")
        newest = [f"r-{at:02}" for at in range(51, -1, -1)]
        shown = {1: 1, 51: 51, 500: 52} | dict.fromkeys((-(2**63), -1, 0, 501, 2**63 - 1), 50)
        lists: list[Callable[..., tuple[Run, ...]]] = [
            runs.filtered,
            partial(runs.by_skill, "weather"),
            partial(runs.by_caller, "ada"),
        ]
        for listed in lists:
            assert {limit: ids(listed(limit=limit)) for limit in shown} == {
                limit: newest[:count] for limit, count in shown.items()
            }
            assert ids(listed()) == newest[:50]

    # ---------------------------------------------------------------------------------- last_by_skills

    def test_the_last_start_of_each_skill_counts_runs_that_ended_well(self, runs: Runs) -> None:
        for skill in ("a", "b", "c", "d"):
            begin_and_end(runs, f"{skill}-0", 0, skill_id=skill)
        begin_and_end(runs, "a-1", 2, skill_id="a")
        begin_and_end(runs, "a-2", 1, skill_id="a")
        begin(runs, "b-1", 3, "b")
        begin_and_end(runs, "c-1", 4, "dry_run", skill_id="c")
        begin_and_end(runs, "d-1", 5, "error", skill_id="d")
        begin_and_end(runs, "e-1", 6, "error", skill_id="e")
        asked = ["a", "b", "c", "d", "e", "never"]
        well = {"a": moment(2), "b": moment(0), "c": moment(0), "d": moment(0)}
        assert runs.last_by_skills(asked) == well
        assert runs.last_by_skills(asked, include_failed=True) == well | {"d": moment(5), "e": moment(6)}
        assert runs.last_by_skills(iter(["a", "a"])) == {"a": moment(2)}

    def test_failed_runs_count_only_if_asked_for_and_dry_and_running_ones_never(self, runs: Runs) -> None:
        begin(runs, "running", 0, "running")
        for status in TERMINAL:
            begin_and_end(runs, status, 0, status, skill_id=status)
        failed = set(STATUSES) - {"running", "dry_run", "ok"}
        assert runs.last_by_skills(STATUSES) == {"ok": moment(0)}
        assert runs.last_by_skills(STATUSES, include_failed=True) == dict.fromkeys({"ok", *failed}, moment(0))

    def test_no_skills_never_touch_the_database(
        self, ledger: Ledger, runs: Runs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[object] = []

        def last_started(*args: object) -> dict[str, object]:
            asked.append(args)
            return {}

        monkeypatch.setattr(ledger.storage.runs, "last_started", last_started)
        assert runs.last_by_skills([]) == runs.last_by_skills(iter(()), include_failed=True) == {}
        assert asked == []
        runs.last_by_skills(["a"])
        assert len(asked) == 1

    # --------------------------------------------------------------------------------- finished_before

    def test_finished_runs_are_those_that_ended_strictly_before_oldest_end_first(
        self, reopen: Callable[..., Ledger], runs: Runs, clock: ManualClock
    ) -> None:
        for run_id in ("r-1", "r-2", "r-3", "r-running"):
            begin(runs, run_id, 0)
        for run_id, status in (("r-2", "error"), ("r-3", "dry_run"), ("r-1", "ok")):
            clock.advance(1)
            reopen(clock=clock).runs.finish(run_id, RunStats(status))
        ends = START + timedelta(seconds=3)
        assert ids(runs.finished_before(ends, 10)) == ["r-2", "r-3"]
        assert ids(runs.finished_before(ends + timedelta(microseconds=1), 10)) == ["r-2", "r-3", "r-1"]
        assert ids(runs.finished_before(ends + timedelta(days=9), 2)) == ["r-2", "r-3"]
        assert ids(runs.finished_before(START + timedelta(seconds=1), 10)) == []
        assert runs.finished_before(ends, 1) == (runs.get("r-2"),)

    def test_a_limit_of_0_or_less_finds_no_finished_runs(self, runs: Runs) -> None:
        begin_and_end(runs, "r-1", 0)
        for limit in (0, -1, -(2**63)):
            assert runs.finished_before(START + timedelta(days=1), limit) == ()
        assert len(runs.finished_before(START + timedelta(days=1), 2**63 - 1)) == 1

    def test_a_run_is_finished_when_it_was_finished_last(self, runs: Runs, clock: ManualClock) -> None:
        begin_and_end(runs, "r-1", 0)
        clock.advance(10)
        runs.finish("r-1", RunStats("error"))
        assert runs.finished_before(START + timedelta(seconds=10), 9) == ()
        assert ids(runs.finished_before(START + timedelta(seconds=11), 9)) == ["r-1"]
