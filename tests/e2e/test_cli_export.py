"""Reading everything: export, and list and history with --all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import keyledger
from tests.e2e.cli import Run, Shell

MANY = 250


@pytest.fixture
def filled(new_ledger: Path) -> Path:
    """The default ledger, with two partitions."""
    with keyledger.open(f"sqlite:///{new_ledger}") as ledger:
        with ledger.partition("default", actor="ada", run_id="r-1").batch() as batch:
            for number in range(MANY):
                batch.set(f"k{number:03}", number)
            batch.increment("n", 3)
            batch.delete("k000")
        ledger.partition("other").set("k", "x")
    return new_ledger


@pytest.mark.usefixtures("filled")
def test_what_is_exported_imports_into_another_ledger(run: Run) -> None:
    lines = run("export").out
    assert (
        run("import", "-", "--name", "n", "--url", "sqlite:///copy.db", stdin=lines).out == "imported 253 lines\n"
    )
    assert run("export", "--url", "sqlite:///copy.db").out.replace('"tool":"import",', "") == lines
    assert (
        run("history", "n", "--url", "sqlite:///copy.db", "--json").json["versions"][0]["operation"] == "increment"
    )


@pytest.mark.usefixtures("filled")
def test_an_export_goes_to_a_file_and_says_how_much(run: Run, tmp_path: Path) -> None:
    assert run("export", "out.jsonl", "-p", "other").out == "exported 1 line to out.jsonl\n"
    (line,) = (tmp_path / "out.jsonl").read_text().splitlines()
    told = json.loads(line)
    assert told.pop("recorded_at")
    assert told == {"partition": "other", "scope": "skill", "key": "k", "op": "set", "value": "x"}
    done = run("export", "out.jsonl", "-p", "default", "--current", "--json")
    assert done.json == {"exported": MANY}
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert [json.loads(line)["key"] for line in lines] == [*(f"k{n:03}" for n in range(1, MANY)), "n"]


def test_an_export_of_nothing_is_empty(run: Run) -> None:
    assert (run("export").out, run("export", "-p", "never").out) == ("", "")


def test_an_export_to_where_no_file_can_be_says_so(run: Run, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    done = run("export", "folder")
    assert done.status == 2
    assert "file: got 'folder'; allowed is a file that can be written" in done.err


@pytest.mark.usefixtures("filled")
def test_a_full_list_is_one_document(run: Run) -> None:
    told = run("list", "--all", "--json").json
    assert [entry["key"] for entry in told["entries"]] == [*(f"k{n:03}" for n in range(1, MANY)), "n"]
    assert told["next"] is None
    assert run("list", "--limit", "1000", "--json").json == told
    assert run("list", "--all", "--prefix", "k24", "--after", "k247", "--json").json["entries"][0]["key"] == "k248"
    assert run("list", "--all", "--prefix", "none", "--json").json == {"entries": [], "next": None}


@pytest.mark.usefixtures("filled")
def test_a_full_list_is_tables_for_people(run: Run) -> None:
    shown = run("list", "--all").out
    assert "there are more" not in shown
    assert [line.split()[0] for line in shown.splitlines() if line.startswith("k") and "key" not in line] == [
        f"k{n:03}" for n in range(1, MANY)
    ]
    assert run("list", "--all", "-p", "never").out == "no keys in scope skill of partition never\n"


def test_a_full_history_is_one_document(run: Run, new_ledger: Path) -> None:
    with keyledger.open(f"sqlite:///{new_ledger}") as ledger, ledger.partition("default").batch() as batch:
        for number in range(MANY):
            batch.set("k", number)
    told = run("history", "k", "--all", "--json").json
    assert [version["value"] for version in told["versions"]] == list(reversed(range(MANY)))
    assert len(run("history", "k", "--all").out.splitlines()) > MANY
    assert run("history", "k", "--all", "--before", "3", "--json").json["versions"][0]["revision"] == 2
    assert run("history", "never", "--all", "--json").status == 1


def test_whoever_reads_an_export_may_go(shell: Shell, filled: Path) -> None:
    assert filled.exists()
    done = shell("set -o pipefail; $keyledger export | head -n 1")
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
