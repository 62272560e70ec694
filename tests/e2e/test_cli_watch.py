"""The watch command. What a watch gives is tested on every adapter, by the contract."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

import keyledger
from keyledger import Ledger
from keyledger.adapters.conformance.clock import ManualClock
from tests.e2e.cli import SCRIPT, Run

Follow: TypeAlias = Callable[..., Any]


@pytest.fixture
def ledger(new_ledger: Path) -> Iterator[Ledger]:
    with keyledger.open(f"sqlite:///{new_ledger}", clock=ManualClock()) as ledger:
        yield ledger


@pytest.fixture
def written(ledger: Ledger) -> Ledger:
    kv = ledger.partition("default", actor="ada", run_id="r-1")
    kv.set("units", {"t": "C"})
    kv.increment("calls")
    ledger.partition("default").set("units", 1, scope="user:ada", ttl=60)
    ledger.partition("default", actor="bo").delete("calls")
    ledger.delete_partition("default")
    return ledger


@pytest.fixture
def follow(new_ledger: Path) -> Iterator[Follow]:
    """Starts ``watch`` in a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def follow(*options: str) -> subprocess.Popen[str]:
        started.append(
            subprocess.Popen(
                [SCRIPT, "watch", "--url", f"sqlite:///{new_ledger}", *options],
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - a shell may have ignored it
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield follow
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.usefixtures("written")
def test_a_change_is_a_line(run: Run) -> None:
    done = run("watch", "--after", "0", "--no-follow")
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines() == [
        '1  2026-01-01 00:00:00  set  units  by ada, in run r-1  {"t":"C"}',
        "2  2026-01-01 00:00:00  increment  calls  by ada, in run r-1  1",
        "3  2026-01-01 00:00:00  set  user:ada  units  1",
        "4  2026-01-01 00:00:00  delete  calls  by bo",
        "5  2026-01-01 00:00:00  partition_deleted",
    ]


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize(
    ("options", "revisions"),
    [
        (["--after", "3"], [4, 5]),
        (["u", "--after", "0"], [1, 3, 5]),
        (["--after", "0", "--scope", "user:ada"], [3, 5]),
        (["--after", "0", "--limit", "2"], [1, 2]),
        (["--after", "0", "--partition", "other"], []),
        ([], []),
    ],
)
def test_only_what_is_asked_for_is_shown(run: Run, options: list[str], revisions: list[int]) -> None:
    done = run("watch", *options, "--no-follow", "--json")
    assert [json.loads(line)["revision"] for line in done.out.splitlines()] == revisions
    assert done.status == 0


def test_as_json_a_change_is_a_document_on_a_line(run: Run, written: Ledger) -> None:
    (first, *_) = run("watch", "--after", "0", "--no-follow", "--json").out.splitlines()
    shown = run("history", "units", "--json").json["versions"][-1]
    assert json.loads(first) == shown
    assert json.loads(first)["value"] == {"t": "C"}
    assert written


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_tells_what_other_processes_write_until_it_is_stopped(
    follow: Follow, ledger: Ledger, number: signal.Signals
) -> None:
    watching = follow("--after", "0", "--json")
    kv = ledger.partition("default")
    for value in range(1, 4):
        kv.set("a", value)
        assert json.loads(watching.stdout.readline())["value"] == value
    watching.send_signal(number)
    assert watching.wait(60) == 0
    assert (watching.stdout.read(), watching.stderr.read()) == ("", "")


def test_with_a_limit_it_ends_by_itself(follow: Follow, ledger: Ledger) -> None:
    watching = follow("n", "--after", "0", "--limit", "2", "--json")
    kv = ledger.partition("default")
    kv.increment("n")
    assert json.loads(watching.stdout.readline())["value"] == 1
    kv.set("other", 1)
    kv.increment("n")
    assert json.loads(watching.stdout.readline())["value"] == 2
    assert watching.wait(60) == 0


def test_it_ends_when_nobody_reads_it_any_more(follow: Follow, ledger: Ledger) -> None:
    watching = follow("--after", "0")
    ledger.partition("default").set("a", 1)
    watching.stdout.readline()
    watching.stdout.close()
    assert watching.wait(60) == 141
    assert watching.stderr.read() == ""


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--after", "9"], 1, "'default' has no revision 9; its last is 5"),
        (["--after", "-1"], 2, "after: got -1"),
        (["--limit", "0"], 2, "--limit: got 0"),
        (["--scope", "nobody"], 2, "scope: got 'nobody'"),
        (["a\0"], 2, "prefix: got 'a\\x00'"),
        (["--url", "sqlite:///typo.db"], 4, "there is no ledger at 'typo.db'"),
    ],
)
def test_what_cannot_be_watched_is_refused(run: Run, options: list[str], status: int, message: str) -> None:
    done = run("watch", "--no-follow", *options)
    assert (done.status, done.out) == (status, "")
    assert message in done.err


def test_what_came_from_outside_cannot_play_tricks_on_a_terminal(run: Run, ledger: Ledger) -> None:
    evil = "\x1b[31m[bold]\x9b"
    kv = ledger.partition("default", actor=evil, run_id=evil)
    kv.set(evil, evil, scope=f"user:{evil}")
    out = run("watch", "--after", "0", "--no-follow", COLUMNS="300").out
    assert out.count("\\x1b[31m[bold]") == 4
    assert not {"\x1b", "\x9b"} & set(out)
