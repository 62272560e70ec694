"""keyledger sweep: once, and at an interval until a signal ends it."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import keyledger
from keyledger.adapters.cli.following import signals_end_the_wait
from keyledger.adapters.cli.sweeping import sweep_for_ever
from keyledger.adapters.conformance.clock import ManualClock
from tests.e2e.cli import SCRIPT, Run

URL = "sqlite:///keyledger.db"
NOTHING = keyledger.SweepReport(0, 0, 0, 0, 0, 0, complete=True)
EXPIRED = keyledger.SweepReport(3, 0, 0, 0, 0, 0, complete=True)
MORE = keyledger.SweepReport(5, 0, 0, 0, 0, 0, complete=False)


def written(url: str = URL, *, days_ago: float = 1 / 24) -> None:
    """Three entries that have expired, and a run with a key, that finished when they were written."""
    long_ago = ManualClock(datetime.now(UTC) - timedelta(days=days_ago))
    with keyledger.open(url, clock=long_ago) as ledger:
        for key in "abc":
            ledger.partition("p").set(key, 1, ttl=60)
        ledger.partition("p").set("k", 1, scope="run:r-1")
        ledger.runs.start(keyledger.RunInfo("r-1", "weather"))
        ledger.runs.finish("r-1", keyledger.RunStats("ok"))


# --------------------------------------------------------------------------------------------- once


def test_it_ends_what_has_expired_up_to_its_limit(run: Run) -> None:
    written()
    assert run("sweep", "--limit", "1").out == "ended 1 expired entry\nthere are more: sweep again\n"
    assert run("sweep", "--json").json == {
        "expired": 2,
        "run_keys": 0,
        "runs_purged": 0,
        "requests_forgotten": 0,
        "bytes_returned": 0,
        "grants_carried": 0,
        "complete": True,
    }
    assert run("sweep").out == "nothing was due\n"


def test_keys_of_finished_runs_go_after_seven_days_or_the_age_that_is_given(run: Run) -> None:
    written(days_ago=6.9)
    assert run("sweep", "--json").json["run_keys"] == 0
    assert run("sweep", "--run-keys-after", "never", "--json").json["run_keys"] == 0
    assert run("sweep", "--run-keys-after", "165h").out == "deleted 1 key of finished runs\n"
    versions = run("history", "k", "-p", "p", "--scope", "run:r-1", "--json").json["versions"]
    assert (versions[0]["operation"], versions[0]["changed_by"]) == ("delete", "system:retention")


def test_runs_are_purged_only_after_an_age_that_is_given(run: Run) -> None:
    written(days_ago=91)
    assert run("sweep", "--json").json["runs_purged"] == 0
    assert run("sweep", "--runs-after", "92d").out == "nothing was due\n"
    assert run("sweep", "--runs-after", "90d").out == "purged 1 run\n"


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--run-keys-after", "7"),
        ("--run-keys-after", "7 days"),
        ("--run-keys-after", ""),
        ("--runs-after", "-1d"),
        ("--runs-after", "999999999w"),
        ("--every", "never"),
        ("--every", "0s"),
        ("--every", "366d"),
    ],
)
def test_a_duration_is_a_number_and_a_unit(run: Run, option: str, text: str) -> None:
    done = run("sweep", f"{option}={text}")
    assert done.status == 2
    assert done.err.startswith(f"error: {option}: got {text!r}; allowed is ")


def test_an_age_of_nothing_is_refused(run: Run) -> None:
    done = run("sweep", "--runs-after", "0s")
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("error: runs_after: got 0.0; allowed is ")


# --------------------------------------------------------------------------------- at an interval


class Turns:
    """Waits that are over at once, as many as are wanted before the end; and sweeps that find what is given."""

    def __init__(self, *found: keyledger.SweepReport | Exception, waits: int) -> None:
        self._found, self._left = iter(found), waits
        self.waited: list[float] = []

    def sweep(self) -> keyledger.SweepReport:
        found = next(self._found)
        if isinstance(found, Exception):
            raise found
        return found

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        self._left -= 1
        return self._left < 0

    def run(self, *, as_json: bool = False) -> None:
        sweep_for_ever(self.sweep, 300, self.wait, as_json=as_json)
        with pytest.raises(StopIteration):
            next(self._found)


def test_a_line_is_printed_for_each_sweep_that_did_something(capsys: pytest.CaptureFixture[str]) -> None:
    turns = Turns(EXPIRED, NOTHING, EXPIRED, waits=2)
    turns.run()
    assert capsys.readouterr().out == "ended 3 expired entries\n" * 2
    assert turns.waited == [300, 300, 300]


def test_for_programs_the_line_is_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    Turns(EXPIRED, NOTHING, waits=1).run(as_json=True)
    assert json.loads(capsys.readouterr().out)["expired"] == 3


def test_a_turn_goes_on_until_nothing_is_due(capsys: pytest.CaptureFixture[str]) -> None:
    turns = Turns(MORE, MORE, EXPIRED, waits=2)
    turns.run()
    assert turns.waited == [0, 0, 300]
    assert capsys.readouterr().out.splitlines() == [*["ended 5 expired entries"] * 2, "ended 3 expired entries"]


def test_an_end_that_is_wanted_comes_before_the_next_batch() -> None:
    turns = Turns(MORE, waits=0)
    turns.run()
    assert turns.waited == [0]


@pytest.mark.parametrize(
    "error",
    [
        keyledger.StorageUnavailableError("the server is away"),
        keyledger.LedgerBusyError("partition:p", 5.0),
        keyledger.OutcomeUnknownError("partition:p"),
    ],
)
def test_a_storage_in_the_way_is_reported_and_the_next_turn_tries_again(
    error: keyledger.StorageError, capsys: pytest.CaptureFixture[str]
) -> None:
    turns = Turns(error, EXPIRED, waits=1)
    turns.run()
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("ended 3 expired entries\n", f"error: {error}\n")
    assert turns.waited == [300, 300]


def test_a_ledger_that_cannot_be_read_ends_it() -> None:
    with pytest.raises(keyledger.UnreadableError):
        Turns(keyledger.UnreadableError("partition:p", "another key"), waits=9).run()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_a_sweep_is_kept_until_the_next_wait(number: signal.Signals) -> None:
    former = signal.getsignal(number)
    with signals_end_the_wait() as wait:
        assert wait(0) is False
        signal.raise_signal(number)
        assert signal.getsignal(number) is former
        assert wait(3_600) is True
        assert wait(0) is True
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == [
        signal.default_int_handler,
        signal.SIG_DFL,
    ]


# --------------------------------------------------------------------------------- a real process


@pytest.fixture
def sweeping(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts ``keyledger sweep`` as a process of its own, which does not outlive the test."""
    processes: list[subprocess.Popen[bytes]] = []

    def started(*options: str) -> subprocess.Popen[bytes]:
        command = [SCRIPT, "--url", f"sqlite:///{tmp_path}/keyledger.db", "sweep", *options]
        process = subprocess.Popen(
            command,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - a shell may have ignored it
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        processes.append(process)
        return process

    yield started
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_process_with_0(
    tmp_path: Path, sweeping: Callable[..., subprocess.Popen[bytes]], number: signal.Signals
) -> None:
    written(f"sqlite:///{tmp_path}/keyledger.db")
    process = sweeping("--every", "1h", "--run-keys-after", "30m", "--json")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline()) == {
        "expired": 3,
        "run_keys": 1,
        "runs_purged": 0,
        "requests_forgotten": 0,
        "bytes_returned": 0,
        "grants_carried": 0,
        "complete": True,
    }
    process.send_signal(number)
    assert process.communicate(timeout=60) == (b"", b"")
    assert process.returncode == 0


def test_what_cannot_be_opened_at_first_ends_it_with_4(sweeping: Callable[..., subprocess.Popen[bytes]]) -> None:
    process = sweeping("--every", "1h")
    _, told = process.communicate(timeout=60)
    assert process.returncode == 4
    assert b"there is no ledger at" in told
