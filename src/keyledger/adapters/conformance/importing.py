"""Importing lines of a history from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.domain.errors import InvalidArgumentError, KeyledgerError
from keyledger.domain.ledger import Ledger
from keyledger.domain.records import ImportReport


def line(**fields: Any) -> str:
    """A line with a partition and a key."""
    return json.dumps({"partition": "p", "key": "k", **fields})


class ImportContract(Fixtures):
    """What an import does with its lines."""

    def test_lines_become_events_with_their_own_times_actors_and_runs(self, ledger: Ledger) -> None:
        lines = [
            line(value={"a": 1}, actor="ada", run_id="r-1", recorded_at="2020-05-01T10:00:00+02:00"),
            line(op="delete", recorded_at="2020-05-02T00:00:00Z"),
            line(value=[1], scope="user:ada", ttl=1e9, recorded_at="2020-05-02T00:00:00Z"),
        ]
        assert ledger.import_lines(lines, source="old") == ImportReport(3, 0, 0)
        newest, first = ledger.partition("p").history("k")
        assert (first.value, first.changed_by, first.run_id, first.tool) == ({"a": 1}, "ada", "r-1", "import")
        assert first.recorded_at == datetime(2020, 5, 1, 8, tzinfo=UTC)
        assert (newest.operation, newest.revision) == ("delete", 2)
        assert ledger.partition("p").get("k", scope="user:ada") is not None

    def test_an_import_that_is_run_again_repeats_nothing(self, ledger: Ledger) -> None:
        lines = [line(key=f"k{number % 7}", value=number) for number in range(1_200)]

        def interrupted() -> Iterator[str]:
            yield from lines[:700]
            raise ConnectionError

        with pytest.raises(ConnectionError):
            ledger.import_lines(interrupted(), source="file")
        assert ledger.import_lines(lines, source="file") == ImportReport(700, 500, 0)
        assert ledger.import_lines([*lines, line(value=1)], source="file") == ImportReport(1, 1_200, 0)
        assert ledger.import_lines(lines[:1], source="another file").imported == 1
        assert len(ledger.partition("p").history("k0", limit=1000)) == 1 + (1_200 + 6) // 7

    def test_a_bad_line_is_told_with_its_number_and_the_rest_goes_on(self, ledger: Ledger) -> None:
        told: dict[int, KeyledgerError] = {}
        lines = [
            "not json",
            line(value=1),
            "",
            line(),
            '{"partition": "p", "key": "k", "value": 1, "value": 2}',
            line(value=1, extra=2),
            line(value=1, op="put"),
            line(value=1, scope="nobody"),
            line(value=1, ttl=-1),
            line(value="x" * 70_000),
            line(value=1, recorded_at="2020-01-01T00:00:00"),
            line(value=1, recorded_at="2020-01-01T00:00:00Z"),
            line(value=1, recorded_at="2126-01-01T00:00:00Z"),
            line(op="delete", value=1),
            json.dumps({"key": "k", "value": 1}),
            "[1]",
            line(value=2),
        ]
        report = ledger.import_lines(lines, source="bad", on_error=told.__setitem__)
        assert (report.imported, report.failed) == (2, 14)
        assert sorted(told) == [1, *range(4, 17)]
        assert "before the partition's last event" in str(told[12])
        assert "ahead of the clock" in str(told[13])
        found = ledger.partition("p").get("k")
        assert found is not None
        assert found.value == 2

    @pytest.mark.parametrize("bad", ["not json", line(value="x" * 70_000)])
    def test_an_import_told_to_stop_does_nothing_after_a_bad_line(self, ledger: Ledger, bad: str) -> None:
        told: list[int] = []
        lines = [
            line(key="a", value=1),
            line(partition="q", value=1),
            bad,
            line(partition="q", key="b", value=1),
            line(key="b", value=1),
            "also bad",
        ]
        report = ledger.import_lines(lines, source="s", stop=True, on_error=lambda number, _: told.append(number))
        assert (report, told) == (ImportReport(2, 0, 1), [3])
        assert ledger.partition("p").get("a") is not None
        assert ledger.partition("p").get("b") is None
        assert ledger.partition("q").get("b") is None

    def test_an_import_of_every_operation_repeats_nothing_either(self, ledger: Ledger) -> None:
        lines = [
            json.dumps({"partition": "p", "op": "quota", "max_bytes": 500, "recorded_at": "2019-12-31T00:00Z"}),
            line(value=1, expires_at="2020-01-01T00:00:05Z", recorded_at="2020-01-01T00:00:00Z"),
            line(op="increment", value=7, delta=3, recorded_at="2020-01-01T00:00:01Z", key="n"),
            line(op="increment", value=8, recorded_at="2020-01-01T00:00:01Z", key="n"),
            line(op="expire", recorded_at="2020-01-01T00:00:05Z"),
            json.dumps({"partition": "p", "op": "delete_partition", "recorded_at": "2020-01-01T00:00:06Z"}),
            line(value=2, recorded_at="2020-01-01T00:00:07Z", root_run_id="r-0", tool="kv_set"),
            json.dumps({"key": "t", "scope": "root_run:r-0", "value": 3}),
        ]
        assert ledger.import_lines(lines, source="s") == ImportReport(8, 0, 0)
        assert ledger.import_lines(lines, source="s") == ImportReport(0, 8, 0)
        kv = ledger.partition("p")
        told = [(each.revision, each.operation, each.value, each.tool) for each in kv.scan_history("k")]
        assert told == [(7, "set", 2, "kv_set"), (5, "expire", None, None), (2, "set", 1, "import")]
        told = [(each.revision, each.operation, each.value, each.tool) for each in kv.scan_history("n")]
        assert told == [
            (6, "partition_deleted", None, "import"),
            (4, "increment", 8, "import"),
            (3, "increment", 7, "import"),
        ]
        assert kv.usage().max_bytes == 500
        assert kv.get("t", scope="root_run:r-0") is not None

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"op": "quota", "max_bytes": -1}, "max_bytes"),
            ({"op": "quota", "max_bytes": 1, "key": "k"}, "key"),
            ({"op": "delete_partition", "scope": "skill"}, "scope"),
            ({"op": ["set"], "key": "k", "value": 1}, "op"),
            ({"op": "increment", "key": "k"}, "value"),
            ({"op": "increment", "key": "k", "value": 1.0}, "value"),
            ({"op": "increment", "key": "k", "value": 1, "delta": "2"}, "delta"),
            ({"op": "increment", "key": "k", "value": -(2**63), "delta": 1}, "value less delta"),
            ({"key": "k", "value": 1, "delta": 1}, "delta"),
            ({"key": "k", "value": 1, "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
            (
                {"key": "k", "value": 1, "expires_at": "2020-01-01T00:00Z", "recorded_at": "2020-01-01T00:00Z"},
                "expires_at",
            ),
            (
                {
                    "key": "k",
                    "value": 1,
                    "ttl": 1,
                    "expires_at": "2020-01-02T00:00Z",
                    "recorded_at": "2020-01-01T00:00Z",
                },
                "ttl",
            ),
            ({"key": "k", "value": 1, "actor": "system:expiry"}, "actor"),
            ({"key": "k", "value": 1, "root_run_id": ""}, "root_run_id"),
            ({"key": "k", "value": 1, "tool": 1}, "tool"),
        ],
    )
    def test_a_line_that_is_not_of_its_form_names_the_field(
        self, ledger: Ledger, fields: dict[str, Any], field: str
    ) -> None:
        told: list[KeyledgerError] = []
        text = json.dumps({"partition": "p", **fields})
        report = ledger.import_lines([text], source="s", on_error=lambda _, error: told.append(error))
        assert report == ImportReport(0, 0, 1)
        assert isinstance(told[0], InvalidArgumentError)
        assert told[0].field == field
        assert ledger.partitions().items == ()
