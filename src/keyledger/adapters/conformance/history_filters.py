"""The history of a key, narrowed: by what was done, by whom, in which run, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from keyledger.adapters.conformance.clock import START, ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger
from keyledger.domain.past.history import OPERATIONS


def revisions(kv: Partition, **filters: Any) -> list[int]:
    """Of the versions of the key ``a`` that are found, by page and by scan alike."""
    scanned = [version.revision for version in kv.scan_history("a", **filters)]
    page = kv.history("a", **filters)
    assert [version.revision for version in page] == scanned
    assert page.next is None
    return scanned


class HistoryFilterContract(Fixtures):
    """What narrows a history."""

    @pytest.fixture
    def used(self, ledger: Ledger, kv: Partition, clock: ManualClock) -> Partition:
        """A partition with a change of the key ``a`` in each hour, by ada and bob in turn, beside other keys."""
        other = ledger.partition("weather", actor="bob", run_id="r-2")
        kv.set("a", 1)  # 1, at 0:00
        other.set("b", 1)
        clock.advance(3600)
        other.increment("a")  # 3, at 1:00
        clock.advance(3600)
        kv.delete("a")  # 4, at 2:00
        clock.advance(3600)
        other.restore("a", 3, request_id="q-1")  # 5, at 3:00
        other.set("b", 2)
        clock.advance(3600)
        kv.set("a", 3, ttl=60)  # 7, at 4:00
        clock.advance(3600)
        other.set("a", 4)  # 8 expires it and 9 sets it, at 5:00
        kv.set("a", 5, scope="user:ada")
        return kv

    @pytest.mark.parametrize(
        ("operation", "found"),
        [
            ("set", [9, 7, 1]),
            ("increment", [3]),
            ("delete", [4]),
            ("expire", [8]),
            ("restore", [5]),
            ("copy", []),
            ("partition_deleted", []),
        ],
    )
    def test_by_what_was_done(self, used: Partition, operation: str, found: list[int]) -> None:
        assert revisions(used, operation=operation) == found

    def test_the_end_of_a_partition_and_a_fork_are_found(self, ledger: Ledger, used: Partition) -> None:
        ledger.delete_partition("weather", actor="eve")
        assert revisions(used, operation="partition_deleted", actor="eve") == [11]
        assert revisions(used.fork("sandbox", 9), operation="copy") == [2]

    def test_by_whom_and_in_which_run(self, used: Partition) -> None:
        assert revisions(used, actor="bob") == [9, 5, 3]
        assert revisions(used, actor="ada") == revisions(used, run_id="r-1") == [7, 4, 1]
        assert revisions(used, actor="system:expiry") == [8]
        assert revisions(used, run_id="r-2", operation="set") == [9]
        assert revisions(used, actor="ada", run_id="r-2") == []
        assert revisions(used, actor="eve") == revisions(used, run_id="r-9") == []

    @pytest.mark.parametrize(
        ("since", "until", "found"),
        [
            (None, None, [9, 8, 7, 5, 4, 3, 1]),
            (2, None, [9, 8, 7, 5, 4]),
            (2.01, None, [9, 8, 7, 5]),
            (None, 2, [3, 1]),
            (None, 2.01, [4, 3, 1]),
            (1, 4, [5, 4, 3]),
            (0, 0.01, [1]),
            (5, 9, [9, 8]),
            (4, 1, []),
            (9, None, []),
            (None, 0, []),
            (-1, 99, [9, 8, 7, 5, 4, 3, 1]),
        ],
    )
    def test_by_when(self, used: Partition, since: float | None, until: float | None, found: list[int]) -> None:
        span = {
            name: START + timedelta(hours=hour)
            for name, hour in (("since", since), ("until", until))
            if hour is not None
        }
        assert revisions(used, **span) == found
        if span:
            elsewhere = {name: time.astimezone(timezone(timedelta(hours=-9))) for name, time in span.items()}
            assert revisions(used, **elsewhere) == found

    def test_all_of_time_is_a_span_of_time(self, used: Partition) -> None:
        ends = {"since": datetime.min.replace(tzinfo=UTC), "until": datetime.max.replace(tzinfo=UTC)}
        assert len(revisions(used, **ends)) == 7

    def test_all_at_once(self, used: Partition) -> None:
        since, until = START, START + timedelta(hours=9)
        asked = {"operation": "set", "actor": "ada", "run_id": "r-1", "since": since, "until": until}
        assert revisions(used, **asked) == [7, 1]
        assert revisions(used, **asked, before=7) == [1]

    def test_of_one_scope(self, used: Partition) -> None:
        assert revisions(used, scope="user:ada", run_id="r-1") == [10]
        assert revisions(used, scope="root_run:r-0", run_id="r-1", since=START) == []

    def test_pages_continue_what_is_narrowed(self, kv: Partition) -> None:
        for number in range(230):
            (kv.set if number % 2 else kv.increment)("a", number)
        asked: dict[str, Any] = {"operation": "set", "run_id": "r-1", "since": START}
        page = kv.history("a", **asked, limit=50)
        found = [version.revision for version in page]
        while isinstance(page.next, int):
            assert len(page) == 50
            page = kv.history("a", **asked, limit=50, before=page.next)
            found += [version.revision for version in page]
        assert found == list(range(230, 0, -2))
        assert [version.revision for version in kv.scan_history("a", **asked)] == found

    def test_an_absent_key_has_no_history_however_narrowed(self, kv: Partition) -> None:
        assert revisions(kv, since=START, until=START, run_id="r-1", operation="set", actor="ada") == []

    @pytest.mark.parametrize(
        ("field", "bad", "allowed"),
        [
            ("operation", "created", ", ".join(OPERATIONS)),
            ("operation", "", "set"),
            ("operation", ["set"], "set"),
            ("actor", "", "one character"),
            ("actor", 7, "a str"),
            ("run_id", "", "one character"),
            ("since", datetime(2026, 1, 1), "aware"),  # noqa: DTZ001 - naive is what is refused
            ("until", "2026-01-01", "aware"),
            ("until", datetime.min.replace(tzinfo=timezone(timedelta(hours=9))), "years 1 to 9999"),
        ],
    )
    def test_what_is_not_of_its_form_is_refused(self, kv: Partition, field: str, bad: Any, allowed: str) -> None:
        for read in (kv.history, kv.scan_history):
            with pytest.raises(InvalidArgumentError, match=allowed) as caught:
                read("a", **{field: bad})
            assert caught.value.field == field
