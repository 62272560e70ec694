"""A Hypothesis state machine that compares the audit of runs with plain dicts, whatever stores it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from keyledger.adapters.conformance.clock import START, ManualClock
from keyledger.adapters.conformance.run_model import RefusedByModelError, RunModel
from keyledger.domain.audit.records import RunFilter, RunInfo, RunLog, RunStats
from keyledger.domain.errors import KeyledgerError
from keyledger.domain.ledger import Ledger
from keyledger.domain.run import STATUSES, TERMINAL, RunState, fold

_RUNS = ["a", "b", "c", "é", "Z"]
_FAILED = set(TERMINAL) - {"dry_run"}
_WHO = st.integers(0, 1)
_IDS = st.sampled_from(_RUNS)
_AGES = st.none() | st.integers(-5, 40)
_STATS = st.builds(
    RunStats, st.sampled_from(["ok", "ok", "error", "dry_run", "timeout"]), st.sampled_from(["", "x"])
)
_FILTERS = st.builds(
    RunFilter,
    st.sampled_from(["", "", *STATUSES]),
    st.sampled_from(["", "s", "t"]),
    top_level_only=st.booleans(),
    include_dry_run=st.booleans(),
    since=st.none() | st.integers(-40, 10).map(lambda seconds: START + timedelta(seconds=seconds)),
)


class RunMachine(RuleBasedStateMachine):
    """Writes a few runs through two ledgers, as two processes would, and reads them through the other."""

    open_ledger: ClassVar[Callable[[], Callable[..., Ledger]]]

    @initialize()
    def open(self) -> None:
        """Open the ledger twice, on one clock."""
        self.clock, self.model = ManualClock(), RunModel()
        reopen = type(self).open_ledger()
        self.ledgers = [reopen(clock=self.clock), reopen(clock=self.clock)]

    def teardown(self) -> None:
        """Check once more that replay and rebuild give what stands, and close."""
        if hasattr(self, "ledgers"):
            self.replay_equals_the_heads()
            self.rebuild(0)
            for run_id in _RUNS:
                self._read(1, run_id)
            for ledger in self.ledgers:
                ledger.close()

    # -------------------------------------------------------------------------------------- writing

    @rule(who=_WHO, run_id=_IDS, skill=st.sampled_from("st"), parent=st.sampled_from(["", *_RUNS]), age=_AGES)
    def start(self, who: int, run_id: str, skill: str, parent: str, age: int | None) -> None:
        """A run, which may say that it started a while ago, or a little ahead of the clock."""
        if parent != run_id:
            started_at = None if age is None else self.clock.now() - timedelta(seconds=age)
            info = RunInfo(run_id, skill, inputs={"n": age}, parent_run_id=parent, started_at=started_at)
            self._compare(
                lambda: self.model.start(info, self.clock.now()), lambda: self.ledgers[who].runs.start(info)
            )
            self._read(1 - who, run_id)

    @rule(who=_WHO, run_id=_IDS, number=st.none() | st.none() | st.integers(0, 12))
    def log(self, who: int, run_id: str, number: int | None) -> None:
        """A line of a run's log, numbered or not."""
        log = RunLog(run_id, "step", {}, number)
        self._compare(
            lambda: self.model.log(run_id, number, self.clock.now()),
            lambda: self.ledgers[who].runs.append_log(log),
        )
        self._read(1 - who, run_id)

    @rule(who=_WHO, run_id=_IDS, stats=_STATS)
    def finish(self, who: int, run_id: str, stats: RunStats) -> None:
        """The end of a run, or another one."""
        self._compare(
            lambda: self.model.finish(run_id, stats, self.clock.now()),
            lambda: self.ledgers[who].runs.finish(run_id, stats),
        )
        self._read(1 - who, run_id)

    @rule(who=_WHO, age=st.integers(20, 40))
    def purge(self, who: int, age: int) -> None:
        """Whatever started long ago."""
        before, now = self.clock.now() - timedelta(seconds=age), self.clock.now()
        purged = self.ledgers[who].runs.purge_older_than(before, actor="eve")
        assert purged == self.model.purge(before, "eve", now)
        assert list(self.ledgers[1 - who].runs.purges()) == self.model.purges

    def _compare(self, expect: Callable[[], Any], do: Callable[[], Any]) -> None:
        try:
            expected, refusal = expect(), ""
        except RefusedByModelError as refused_by_model:
            expected, refusal = None, refused_by_model.kind
        if not refusal:
            assert do() == expected
            return
        with pytest.raises(KeyledgerError) as refused:
            do()
        assert refused.value.code == refusal

    @rule(seconds=st.integers(-5, 15))
    def move_the_clock(self, seconds: int) -> None:
        """Forward, and sometimes back."""
        self.clock.advance(seconds)

    @rule(who=_WHO)
    def rebuild(self, who: int) -> None:
        """Drop and rebuild the read models."""
        assert self.ledgers[who].rebuild().differences == ()

    # -------------------------------------------------------------------------------------- reading

    def _read(self, who: int, run_id: str) -> None:
        runs, known = self.ledgers[who].runs, self.model.runs.get(run_id)
        if known is not None:
            assert runs.get(run_id) == known.summary()
            assert list(runs.logs(run_id)) == [known.log[number] for number in sorted(known.log)]
            return
        for ask in (runs.get, runs.logs):
            with pytest.raises(KeyledgerError, match="skill run not found") as refused:
                ask(run_id)
            assert vars(refused.value)["purged"] is (run_id in self.model.purged)

    @rule(who=_WHO, run_id=_IDS, wanted=_FILTERS)
    def lists_equal_the_model(self, who: int, run_id: str, wanted: RunFilter) -> None:
        """Every list."""
        runs, model = self.ledgers[who].runs, self.model
        matching = model.listed(wanted)
        assert list(runs.filtered(wanted)) == matching[::-1]
        assert list(runs.filtered(wanted, 1, 2)) == matching[::-1][1:3]
        assert runs.count_filtered(wanted) == len(matching)
        assert list(runs.children(run_id)) == [run for run in model.listed() if run.parent_run_id == run_id]
        if run_id in model.runs:
            root = model.runs[run_id].root
            assert list(runs.tree(run_id)) == [run for run in model.listed() if run.root_run_id == root]
        cutoff = self.clock.now()
        assert list(runs.finished_before(cutoff, 99)) == model.finished_before(cutoff)
        assert runs.last_by_skills(["s", "t"]) == model.last_starts({"ok"})
        assert runs.last_by_skills(["s", "t"], include_failed=True) == model.last_starts(_FAILED)

    @rule()
    def replay_equals_the_heads(self) -> None:
        """Fold every event, and compare with the heads; no revision is missing."""
        storage = self.ledgers[0].storage.runs
        for run_id in _RUNS:
            stream = f"run:{run_id}"
            events = storage.events(stream, 0, 10**9)
            assert fold(RunState(stream), events) == storage.load(stream)
            assert [event.originator_version for event in events] == list(range(1, len(events) + 1))


def run_machine(open_ledger: Callable[[], Callable[..., Ledger]]) -> type[RunMachine]:
    """The machine for an adapter; ``open_ledger()`` makes an empty ledger and returns what opens it.

    Use it as ``TestMachine = run_machine(…).TestCase``.
    """
    return type("AdapterRunMachine", (RunMachine,), {"open_ledger": staticmethod(open_ledger)})
