"""keyledger project: a table of summaries that follows the ledger's runs."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest

import keyledger
from keyledger import RunInfo, RunStats
from tests.e2e.cli import SCRIPT, Run

PROJECT = ("project", "run_audit", "--into", "audit_copy")


@pytest.fixture
def runs(new_ledger: Path) -> Path:
    """The default ledger with three runs of five events."""
    with keyledger.open(f"sqlite:///{new_ledger}") as ledger:
        for name in ("a", "b", "c"):
            ledger.runs.start(RunInfo(name, "weather"))
        ledger.runs.finish("a", RunStats("ok"))
        ledger.runs.finish("b", RunStats("error", error="no network"))
    return new_ledger


def rows(path: Path, table: str = "audit_copy") -> list[tuple[str, str]]:
    with sqlite3.connect(path) as connection:
        found = connection.execute(f"SELECT run_id, status FROM {table} ORDER BY run_id").fetchall()
    connection.close()
    return found


def test_a_table_is_made_and_brought_up_to_date(run: Run, runs: Path) -> None:
    assert re.fullmatch(r"audit_copy: read 5 events in [\d.]+ s \([\d,]+ events/s\)\n", run(*PROJECT).out)
    assert rows(runs) == [("run:a", "ok"), ("run:b", "error"), ("run:c", "running")]
    ended = run(*PROJECT, "--json")
    assert ended.json == {
        "into": "audit_copy",
        "events": 0,
        "seconds": ended.json["seconds"],
        "events_per_second": 0,
    }


def test_a_rebuild_says_that_the_table_was_right(run: Run, runs: Path) -> None:
    run(*PROJECT)
    out = run(*PROJECT, "--rebuild").out
    first, stood, rebuilt, last = out.splitlines()
    assert first.startswith("audit_copy: rebuilt from 5 events in ")
    assert first.endswith("compared 3 rows, swapped")
    assert stood.split()[0] == "stood"
    assert stood.split()[1:] == rebuilt.split()[1:]
    assert last == "equal: the table was what the events say"
    assert rows(runs) == rows(runs, "runs")


def test_a_rebuild_says_which_runs_differed_and_that_it_is_so_by_its_status(run: Run, runs: Path) -> None:
    run(*PROJECT)
    tampered = sqlite3.connect(runs)
    tampered.execute("UPDATE audit_copy SET status = 'ok' WHERE run_id = 'run:b'")
    tampered.commit()
    tampered.close()
    ended = run(*PROJECT, "--rebuild")
    assert ended.status == 1
    assert "ATTENTION: THE TABLE DIFFERED" in ended.out
    assert ended.out.endswith("\n  b\n")
    assert rows(runs) == rows(runs, "runs")
    assert run(*PROJECT, "--rebuild").status == 0


def test_a_rebuild_as_json(run: Run, runs: Path) -> None:
    run(*PROJECT)
    with keyledger.open(f"sqlite:///{runs}") as ledger:
        ledger.runs.finish("c", RunStats("ok"))
    ended = run(*PROJECT, "--rebuild", "--json")
    found = ended.json
    assert ended.status == 0
    assert (found["equal"], found["rows"], found["events"], found["in_motion"]) == (True, 3, 6, 0)
    assert found["former_hash"] == found["hash"]
    assert found["differing"] == []


@pytest.mark.usefixtures("runs")
def test_a_rebuild_that_had_nothing_to_compare_does_not_say_equal(run: Run) -> None:
    ended = run(*PROJECT, "--rebuild")
    assert ended.status == 0
    assert ended.out.splitlines()[0].endswith("compared 0 rows, swapped")
    assert "3 runs in motion left out" in ended.out
    assert ended.out.splitlines()[-1] == "nothing was compared, so nothing is known of what stood"
    assert "equal" not in ended.out
    found = run(*PROJECT[:-1], "another", "--rebuild", "--json").json
    assert (found["equal"], found["rows"], found["in_motion"]) == (None, 0, 3)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_following_goes_on_until_a_signal(runs: Path, number: signal.Signals) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KEYLEDGER_")}
    command = [SCRIPT, "--url", f"sqlite:///{runs}", *PROJECT, "--follow", "--every", "0.01s", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["events"] == 5
    with keyledger.open(f"sqlite:///{runs}") as ledger:
        ledger.runs.start(RunInfo("late", "weather"))
    while ("run:late", "running") not in rows(runs):
        assert process.poll() is None
    process.send_signal(number)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert json.loads(out)["events"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("project", "runs", "--into", "t"), "PROJECTION: got 'runs'; allowed is run_audit"),
        (("project", "run_audit", "--into", "Audit"), "into: got 'Audit'"),
        (("project", "run_audit", "--into", "runs"), "into: got 'runs'"),
        (("project", "run_audit"), "Missing option '--into'"),
        ((*PROJECT, "--follow", "--every", "0s"), "--every: got '0s'"),
        ((*PROJECT, "--follow", "--every", "soon"), "--every: got 'soon'"),
    ],
)
def test_what_makes_no_sense_is_refused(run: Run, arguments: tuple[str, ...], message: str) -> None:
    ended = run(*arguments)
    assert ended.status == 2
    assert message in ended.err


def test_a_ledger_in_memory_has_no_place_for_the_table(run: Run) -> None:
    ended = run(*PROJECT, "--url", "memory://")
    assert ended.status == 4
    assert "SQLite or PostgreSQL" in ended.err


def test_no_ledger_is_made_by_a_mistyped_name(run: Run, tmp_path: Path) -> None:
    assert run(*PROJECT, "--url", "sqlite:///typo.db").status == 4
    assert not (tmp_path / "typo.db").exists()
