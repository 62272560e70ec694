"""The commands on partitions, and import."""

from __future__ import annotations

from pathlib import Path

import pytest

import keyledger
from tests.e2e.cli import Run, record


def test_usage_is_shown_against_the_quota(run: Run) -> None:
    run("set", "k", "12345")
    assert run("usage").out.startswith("default: 5 bytes of 1,048,576, 1 key\n")
    assert run("usage", "--json").json == {
        "partition": "default",
        "scope": "skill",
        "used_bytes": 5,
        "live_keys": 1,
        "max_bytes": 1_048_576,
        "forked_from": None,
    }


def test_usage_of_a_dispatch_tree_is_its_own(run: Run) -> None:
    run("set", "k", "12345", "--scope", "root_run:r-1")
    assert run("usage").out.startswith("default: 0 bytes")
    assert run("usage", "--scope", "root_run:r-1").out.startswith("root_run:r-1: 5 bytes of 16,777,216")


def test_partitions_are_listed_with_their_usage(run: Run) -> None:
    assert run("partitions").out == "no partitions\n"
    run("set", "k", "12345", "-p", "a")
    run("set", "k", "1", "-p", "b")
    assert run("partitions", "--limit", "1").out.endswith("there are more: --after a\n")
    listed = run("partitions", "--after", "a", "--json").json
    assert [partition["id"] for partition in listed["partitions"]] == ["b"]
    assert listed["partitions"][0]["usage"] == {"used_bytes": 1, "live_keys": 1, "max_bytes": 1_048_576}


def test_rebuild_says_that_nothing_differed(run: Run) -> None:
    run("set", "k", "1")
    assert run("rebuild").out == (
        "rebuilt 1 stream from 1 event\nnothing differed: the read models were what the events say\n"
    )
    assert run("rebuild", "--json").json == {
        "partitions": 1,
        "runs": 0,
        "skills": 0,
        "events": 1,
        "differences": [],
    }


def test_rebuild_says_loudly_what_differed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    report = keyledger.RebuildReport(2, 0, 0, 9, ("partition:p: one row", "partition:p: another"))
    monkeypatch.setattr(keyledger.Ledger, "rebuild", lambda *_, **__: report)
    done = run("rebuild")
    assert done.status == 0
    assert "ATTENTION: 2 rows DIFFERED from the events, now put right:\n  partition:p: one row\n" in done.out
    assert run("rebuild", "--json").json["differences"] == list(report.differences)


def test_import_reads_a_file_and_knows_it_again(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    file.write_text(f"\ufeff{record()}\r\n\r\n{record(value=2, actor='git', run_id='r-1')}\n", encoding="utf-8")
    assert run("import", "history.jsonl").out == "imported 2 lines\n"
    assert run("history", "k", "-p", "p", "--json").json["versions"][0]["changed_by"] == "git"
    again = run("import", str(file), "--json")
    assert (again.status, again.json) == (0, {"imported": 0, "repeated": 2, "failed": 0})
    assert run("import", "history.jsonl", "--name", "other").out == "imported 2 lines\n"


BAD_LINES = b"\n".join(
    [
        record().encode(),
        b"",
        b"nope",
        record(key="\xff").encode("latin-1").replace(b"\\u00ff", b"\xff"),
        record(key="last").encode(),
    ]
)


def test_a_bad_line_is_shown_with_its_number_and_skipped(run: Run) -> None:
    done = run("import", "-", "--name", "n", stdin=BAD_LINES)
    assert done.status == 2
    assert done.out == "imported 2 lines\n2 lines could not be imported\n"
    third, fourth = done.err.splitlines()
    assert third.startswith("line 3: line: got 'nope")
    assert fourth.startswith("line 4: ")
    assert run("get", "last", "-p", "p").status == 0


def test_with_stop_the_first_bad_line_ends_the_import(run: Run) -> None:
    done = run("import", "-", "--name", "n", "--on-error", "stop", "--json", stdin=BAD_LINES)
    assert (done.status, done.json) == (2, {"imported": 1, "repeated": 0, "failed": 1})
    assert (done.error["error"], done.error["line"]) == ("invalid_value", 3)
    assert run("get", "last", "-p", "p").status == 1


def test_an_import_from_standard_input_needs_a_name(run: Run) -> None:
    done = run("import", "-", stdin="")
    assert done.status == 2
    assert done.err.startswith("error: --name: got None; allowed is a name")
