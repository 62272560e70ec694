"""What happens when another process comes in between: request ids, rebuilds, sweeps."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread

import pytest

from keyledger.adapters.conformance.clock import ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.adapters.conformance.importing import line
from keyledger.domain.errors import GlobalQuotaExceededError, KeyledgerError, RequestIdReusedError
from keyledger.domain.ledger import Ledger
from keyledger.domain.ports import Commit
from keyledger.domain.records import ImportReport


class RaceContract(Fixtures):
    """Interleavings, forced where they are rare."""

    def test_a_request_id_that_another_process_used_meanwhile_is_not_taken_for_our_own(
        self, reopen: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, two = reopen(), reopen()
        kv, other = one.partition("p"), two.partition("p")
        kv.set("n", 0)
        _before_commit(one, monkeypatch, lambda: other.increment("n", request_id="r"))
        with pytest.raises(RequestIdReusedError):
            kv.increment("n", 5, request_id="r")
        assert kv.increment("n").value == 2
        assert [version.value for version in other.history("n")] == [2, 1, 0]

    def test_a_request_id_recorded_between_two_reads_answers_with_its_result(
        self, reopen: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, two = reopen(), reopen()
        one.partition("p").set("n", 1)
        load = one.storage.load

        def stale(stream: str, keys: tuple[tuple[str, str], ...], request_ids: tuple[str, ...] = ()) -> object:
            monkeypatch.setattr(one.storage, "load", load)
            before = load(stream, keys)
            two.partition("p").increment("n", request_id="r")
            return before._replace(requests=load(stream, keys, request_ids).requests)

        monkeypatch.setattr(one.storage, "load", stale)
        assert one.partition("p").increment("n", request_id="r").value == 2
        assert len(two.partition("p").history("n")) == 2

    def test_what_ends_during_a_rebuild_stays_ended(
        self, reopen: Callable[..., Ledger], clock: ManualClock
    ) -> None:
        ledger, other = reopen(clock=clock), reopen(clock=clock)
        kv = ledger.partition("p")
        for key in ("a", "b", "c"):
            kv.set(key, 1)
        deleter = Thread(target=other.partition("p").delete, args=("a",))
        assert ledger.rebuild(progress=lambda _, __: deleter.start()).differences == ()
        deleter.join(30)
        assert [entry.key for entry in kv.list()] == ["b", "c"]
        assert kv.usage().live_keys == 2
        assert ledger.rebuild().differences == ()

    def test_a_writer_that_cached_the_former_rows_reads_again_after_a_rebuild(
        self, reopen: Callable[..., Ledger]
    ) -> None:
        ledger, other = reopen(), reopen()
        kv = ledger.partition("p")
        kv.set("a", 1)
        version = ledger.storage.load("partition:p", ()).leases.version
        other.rebuild()
        assert ledger.storage.load("partition:p", ()).leases.version == version + 1
        assert kv.set("a", 12).revision == 2
        assert other.rebuild().differences == ()

    def test_an_import_is_recognised_after_a_sweep(self, reopen: Callable[..., Ledger]) -> None:
        ledger = reopen()
        lines = [line(value=number, recorded_at="2020-01-01T00:00:00Z") for number in range(5)]
        assert ledger.import_lines(lines[:3], source="s").imported == 3
        assert ledger.sweep().requests_forgotten == 0
        assert ledger.import_lines(lines, source="s") == ImportReport(2, 3, 0)

    def test_an_import_stops_at_a_refusal_by_the_global_quota(self, reopen: Callable[..., Ledger]) -> None:
        ledger = reopen(global_quota=50)
        lines = [line(key="a", value=1), line(key="b", value="x" * 60), line(key="c", value=1)]
        told: list[KeyledgerError] = []
        report = ledger.import_lines(lines, source="s", stop=True, on_error=lambda _, error: told.append(error))
        assert (report.imported, report.failed) == (1, 1)
        assert isinstance(told[0], GlobalQuotaExceededError)
        assert ledger.partition("p").get("c") is None

    def test_room_is_made_in_turn_whatever_the_writer_has_cached(
        self, reopen: Callable[..., Ledger], clock: ManualClock
    ) -> None:
        one, two = reopen(clock=clock), reopen(clock=clock)
        two.partition("p").set_quota(60)
        two.partition("p").set("old", "x" * 18, ttl=1)
        kv = one.partition("p")
        kv.set("young", "x" * 18, ttl=2)
        clock.advance(5)
        kv.set("big", "x" * 30)
        assert kv.history("old")[0].operation == "expire"
        assert kv.history("young")[0].operation == "set"

    def test_60_and_60_point_0_are_one_ttl(self, reopen: Callable[..., Ledger]) -> None:
        kv = reopen().partition("p")
        assert kv.set("a", 1, ttl=60, request_id="q") == kv.set("a", 1, ttl=60.0, request_id="q")


def _before_commit(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, step: Callable[[], object]) -> None:
    """Do ``step`` just before the ledger's next optimistic commit."""
    commit = ledger.storage.commit

    def overtaken(what: Commit) -> None:
        monkeypatch.setattr(ledger.storage, "commit", commit)
        step()
        commit(what)

    monkeypatch.setattr(ledger.storage, "commit", overtaken)
