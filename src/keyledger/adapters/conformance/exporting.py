"""Streaming reads, and exports that an import reads back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from keyledger.adapters.conformance.clock import ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger

MANY = 250
"""More than two pages."""


def fields_of(lines: Iterator[str]) -> list[dict[str, Any]]:
    """Lines, parsed."""
    return [json.loads(line) for line in lines]


class ExportContract(Fixtures):
    """What is read bit by bit."""

    def test_a_scan_gives_every_live_entry_under_a_prefix_in_order(
        self, kv: Partition, clock: ManualClock
    ) -> None:
        with kv.batch() as batch:
            for number in range(MANY):
                batch.set(f"k{number:03}", number)
            batch.set("other", 1)
            batch.set("k-gone", 1, ttl=1)
        clock.advance(1)
        assert [entry.value for entry in kv.scan(prefix="k")] == list(range(MANY))
        assert [entry.key for entry in kv.scan(prefix="o")] == ["other"]
        assert list(kv.scan(scope="user:ada")) == []
        assert next(iter(kv.scan())) == kv.get("k000")

    def test_a_scan_while_others_write_gives_each_key_at_most_once(self, kv: Partition) -> None:
        with kv.batch() as batch:
            for number in range(MANY):
                batch.set(f"k{number:03}", "old")
        seen = {}
        for entry in kv.scan():
            assert entry.key not in seen
            seen[entry.key] = entry.value
            if entry.key == "k050":
                kv.set("k010", "new")
                kv.set("k240", "new")
                kv.delete("k241")
                kv.set("a", "new")
        assert (seen["k010"], seen["k240"]) == ("old", "new")
        assert len(seen) == MANY - 1

    def test_a_scanned_history_is_the_whole_one_newest_first(self, kv: Partition) -> None:
        with kv.batch() as batch:
            for number in range(MANY):
                batch.set("k", number)
        scanned = kv.scan_history("k")
        assert next(scanned).value == MANY - 1
        kv.set("k", "later")
        assert [version.value for version in scanned] == list(reversed(range(MANY - 1)))
        assert list(kv.scan_history("never")) == []

    def test_scans_refuse_bad_arguments_at_once(self, kv: Partition) -> None:
        for scan in (lambda: kv.scan(scope="nobody"), lambda: kv.scan(prefix="\0"), lambda: kv.scan_history("")):
            with pytest.raises(InvalidArgumentError):
                scan()

    def test_an_export_has_a_line_for_each_change_of_every_partition(
        self, ledger: Ledger, kv: Partition, clock: ManualClock
    ) -> None:
        kv.set("a", [1.50], ttl=5)
        kv.increment("n", 2)
        clock.advance(5)
        ledger.sweep()
        kv.delete("n")
        kv.set_quota(99)
        ledger.delete_partition("weather", actor="root")
        kv.set("t", "x", scope="root_run:r-0")
        ledger.partition("another").set("k", 1)
        lines = list(ledger.export_lines())
        told = [(each.get("partition"), each["op"]) for each in fields_of(iter(lines))]
        operations = ["set", "increment", "expire", "delete", "quota", "delete_partition"]
        assert sorted(told, key=lambda each: each[0] or "") == [
            (None, "set"),
            ("another", "set"),
            *(("weather", operation) for operation in operations),
        ]
        assert [each["op"] for each in fields_of(ledger.export_lines("weather"))] == operations
        assert list(ledger.export_lines("never")) == []
        with pytest.raises(InvalidArgumentError):
            ledger.export_lines("__root_run__")

    def test_an_export_of_what_is_current_has_a_line_for_each_live_entry(
        self, ledger: Ledger, kv: Partition, clock: ManualClock
    ) -> None:
        with kv.batch() as batch:
            for number in range(MANY):
                batch.set(f"k{number % 10}", number)
        kv.set("gone", 1, ttl=1)
        kv.set("stays", 1, ttl=9)
        kv.increment("n", 4)
        kv.increment("n", 4)
        kv.delete("k3")
        kv.set_quota(5_000)
        clock.advance(1)
        told = fields_of(ledger.export_lines("weather", current=True))
        assert [(each["op"], each.get("key")) for each in told] == [
            *(("set", f"k{number}") for number in range(10) if number != 3),
            ("set", "stays"),
            ("set", "n"),
            ("quota", None),
        ]
        assert told[-2]["value"] == 8
        ledger.delete_partition("weather")
        assert list(ledger.export_lines("weather", current=True)) == []

    @pytest.mark.parametrize("current", [False, True])
    def test_an_export_is_of_the_moment_at_which_it_begins(
        self, ledger: Ledger, kv: Partition, *, current: bool
    ) -> None:
        with kv.batch() as batch:
            for number in range(MANY):
                batch.set(f"k{number:03}", number)
        lines = ledger.export_lines("weather", current=current)
        first = next(lines)
        kv.set("k200", "later")
        kv.delete("k201")
        ledger.delete_partition("weather")
        kv.set("k202", "later")
        assert [each["value"] for each in fields_of(iter([first, *lines]))] == list(range(MANY))
