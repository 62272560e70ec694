"""The commands on runs. What runs do is tested on every adapter, by the contract."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import keyledger
from keyledger import Ledger, RunInfo, RunLog, RunStats
from keyledger.adapters.clock import SystemClock
from keyledger.adapters.conformance.clock import START, ManualClock
from tests.e2e.cli import SCRIPT, Ended, Run

LONG_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
FARES = "the fares did not answer within 60 s, and neither did the ones of the other provider"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def ledger(new_ledger: Path, clock: ManualClock) -> Iterator[Ledger]:
    with keyledger.open(f"sqlite:///{new_ledger}", clock=clock) as ledger:
        yield ledger


@pytest.fixture
def dispatched(ledger: Ledger, clock: ManualClock) -> Ledger:
    """Runs, two seconds from one start to the next: r-0 calls r-1 and r-2, which calls r-3; s-1 is alone."""
    runs = ledger.runs
    runs.start(RunInfo("r-0", "planner", "ada", "slack", {"nights": 2}))
    runs.append_log(RunLog("r-0", "step", {"text": "ask the workers"}))
    clock.advance(2)
    runs.start(RunInfo("r-1", "weather", "ada", parent_run_id="r-0"))
    kv = ledger.partition("weather", actor="ada", run_id="r-1", root_run_id="r-0")
    kv.set("rome", {"sky": "sun"})
    kv.set("seen", True, scope="root_run:r-0")
    runs.finish("r-1", RunStats("ok", "sun", "", 2, 1.5, 1_200, 300, 65))
    clock.advance(2)
    runs.start(RunInfo("r-2", "fares", "ada", parent_run_id="r-0"))
    runs.append_log(RunLog("r-2", "tool_call", {"tool": "search", "args": {"to": "rome" * 40}}))
    clock.advance(65)
    runs.append_log(RunLog("r-2", "error", {"message": FARES}))
    runs.finish("r-2", RunStats("timeout", "", FARES))
    runs.start(RunInfo("r-3", "fares", "ada", parent_run_id="r-2"))
    runs.finish("r-3", RunStats("dry_run"))
    clock.advance(2)
    runs.start(RunInfo("s-1", "billing", "bo", "mail"))
    return ledger


def rows(done: Ended) -> list[list[str]]:
    assert (done.status, done.err) == (0, "")
    return [line.split() for line in done.out.splitlines()]


def listed(done: Ended) -> list[str]:
    assert (done.status, done.err) == (0, "")
    return [each["id"] for each in done.json["runs"]]


# ---------------------------------------------------------------------------------------------- list


@pytest.mark.usefixtures("dispatched")
def test_list_shows_the_newest_runs_with_what_they_used(run: Run) -> None:
    shown = rows(run("runs", "list", COLUMNS="200"))
    assert shown[0] == ["id", "skill", "caller", "status", "started", "time", "tokens", "calls"]
    assert [row[0] for row in shown[2:]] == ["s-1", "r-2", "r-1", "r-0"]
    assert shown[3] == ["r-2", "fares", "ada", "timeout", "2026-01-01", "00:00:04", "1", "m", "05", "s", "0", "0"]
    assert shown[4] == ["r-1", "weather", "ada", "ok", "2026-01-01", "00:00:02", "1.50", "s", "1,565", "2"]
    assert shown[5][:4] == ["r-0", "planner", "ada", "running"]


@pytest.mark.usefixtures("dispatched")
def test_a_narrow_terminal_shows_the_same_in_less_room(run: Run, ledger: Ledger) -> None:
    assert "r-1  weather  ada     ok" in run("runs", "list").out
    ledger.runs.start(RunInfo(LONG_ID, "billing-helper-for-enterprises", "bo.the.builder@example.com"))
    out = run("runs", "list").out
    assert max(map(len, out.splitlines())) <= 80
    assert "r-1  " in out
    assert "  weather, for ada" in out
    assert LONG_ID in "".join(line.split(" ")[0] for line in out.splitlines())


@pytest.mark.usefixtures("dispatched")
@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ([], ["s-1", "r-2", "r-1", "r-0"]),
        (["--include-dry-run"], ["s-1", "r-3", "r-2", "r-1", "r-0"]),
        (["--status", "dry_run"], ["r-3"]),
        (["--status", "running"], ["s-1", "r-0"]),
        (["--skill", "fares"], ["r-2"]),
        (["--caller", "bo"], ["s-1"]),
        (["--channel", "slack"], ["r-0"]),
        (["--top-level"], ["s-1", "r-0"]),
        (["--since", "2026-01-01T00:00:02Z", "--until", "2026-01-01T01:01:09+01:00"], ["r-2", "r-1"]),
        (["--since", "1h"], []),
        (["--until", "1h", "--limit", "1"], ["s-1"]),
        (["--limit", "2", "--offset", "1"], ["r-2", "r-1"]),
        (["--skill", "nobody"], []),
    ],
)
def test_list_shows_what_every_filter_lets_through(run: Run, options: list[str], ids: list[str]) -> None:
    assert listed(run("runs", "list", "--json", *options)) == ids


@pytest.mark.usefixtures("dispatched")
def test_a_list_that_goes_on_says_how_and_how_many_there_are(run: Run) -> None:
    assert run("runs", "list", "--limit", "3").out.endswith("1 to 3 of 4; go on with --offset 3\n")
    page = run("runs", "list", "--limit", "3", "--json").json
    assert (page["total"], page["next"]) == (4, 3)
    page = run("runs", "list", "--limit", "3", "--offset", "3", "--json").json
    assert (len(page["runs"]), page["total"], page["next"]) == (1, 4, None)
    assert run("runs", "list", "--skill", "nobody").out == "no such runs\n"


@pytest.mark.usefixtures("dispatched")
def test_a_listed_run_is_whole_in_json(run: Run, ledger: Ledger) -> None:
    found = run("runs", "list", "--skill", "weather", "--json").json["runs"][0]
    assert found["inputs"] == {}
    assert found["started_at"] == "2026-01-01T00:00:02Z"
    of_the_ledger = ledger.runs.get("r-1")
    assert set(found) == set(of_the_ledger.__slots__)
    assert all(found[name] == getattr(of_the_ledger, name) for name in found if not name.endswith("_at"))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--since", "yesterday"], "since: got 'yesterday'; allowed is a time with an offset"),
        (["--until", "2026-01-01T00:00:00"], "until: got '2026-01-01T00:00:00'; allowed is a time with an offset"),
        (["--status", "done"], "status: got 'done'; allowed is running, ok, error"),
        (["--limit", "501"], "limit: got 501; allowed is an integer from 1 to 500"),
        (["--offset", "-1"], "offset: got -1; allowed is"),
    ],
)
def test_a_filter_that_is_not_of_its_form_says_what_is_allowed(run: Run, options: list[str], told: str) -> None:
    done = run("runs", "list", *options)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"error: {told}")


@pytest.mark.usefixtures("dispatched")
def test_a_status_has_its_colour(run: Run) -> None:
    out = run("runs", "list", COLUMNS="200", FORCE_COLOR="1").out
    for coloured in ("\x1b[32mok", "\x1b[1;31mtimeout", "\x1b[36mrunning"):
        assert coloured in out


# ------------------------------------------------------------------------------------ show, tree


@pytest.mark.usefixtures("dispatched")
def test_show_tells_a_run_and_its_log_as_a_trace(run: Run) -> None:
    out = run("runs", "show", "r-2").out
    summary, _, log = out.partition("\n\n")
    assert [line.split()[0] for line in summary.splitlines()][:7] == [
        *("run", "skill", "called", "tree", "started", "did", "inputs")
    ]
    for told in ("r-2  timeout", "fares, for ada", "00:00:04 UTC, took 1 m 05 s", "0 tool calls, 0 writes"):
        assert told in summary
    assert FARES in " ".join(summary.split())
    lines = log.splitlines()
    assert lines[0].split() == ["seq", "after", "what", "payload"]
    assert lines[2].split()[:4] == ["1", "0.00", "s", "tool_call"]
    assert lines[2].rstrip().endswith("…")
    assert lines[3].split()[:5] == ["2", "1", "m", "05", "s"]
    assert f'{{"message":"{FARES}"}}' in " ".join(" ".join(lines[3:]).split()[6:]), "an error is never shortened"
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.usefixtures("dispatched")
def test_show_full_shortens_nothing(run: Run) -> None:
    assert "rome" * 40 in "".join(run("runs", "show", "r-2", "--full").out.split())


@pytest.mark.usefixtures("dispatched")
def test_show_tells_the_output_and_what_was_used(run: Run) -> None:
    summary = rows(run("runs", "show", "r-1"))
    assert ["tokens", "1,200", "in,", "300", "out,", "65", "thinking"] in summary
    assert ["did", "2", "tool", "calls,", "2", "writes"] in summary
    assert ["output", "sun"] in summary
    assert ["called", "by", "r-0"] in summary


def test_show_of_a_run_that_goes_on_tells_since_when(run: Run, ledger: Ledger, clock: ManualClock) -> None:
    clock.advance((SystemClock().now() - START).total_seconds() - 7_250)
    ledger.runs.start(RunInfo("r-1", "weather"))
    assert "UTC, 2 h 00 m ago, and has not finished" in run("runs", "show", "r-1").out


@pytest.mark.usefixtures("dispatched")
def test_show_names_all_callers_of_a_run(run: Run) -> None:
    assert ["called", "by", "r-0", ">", "r-2"] in rows(run("runs", "show", "r-3"))


@pytest.mark.usefixtures("dispatched")
def test_show_as_json_is_the_run_and_its_log(run: Run) -> None:
    document = run("runs", "show", "r-2", "--json").json
    assert (document["run"]["id"], document["run"]["status"]) == ("r-2", "timeout")
    assert [(log["sequence"], log["event_type"]) for log in document["logs"]] == [(1, "tool_call"), (2, "error")]
    assert document["logs"][1] == {
        "run_id": "r-2",
        "event_type": "error",
        "payload": {"message": FARES},
        "sequence": 2,
        "created_at": "2026-01-01T00:01:09Z",
    }


@pytest.mark.usefixtures("dispatched")
def test_tree_draws_who_called_whom_with_status_time_tokens_and_writes(run: Run) -> None:
    lines = run("runs", "tree", "r-1").out.splitlines()
    assert lines[0].startswith("r-0  planner  running  ")
    assert lines[1] == "├── r-1  weather  ok  1.50 s  1,565 tokens  2 writes"
    assert lines[2] == "└── r-2  fares  timeout  1 m 05 s"
    assert lines[3] == f"    {FARES}"
    assert lines[4] == "    └── r-3  fares  dry_run  0.00 s"


@pytest.mark.usefixtures("dispatched")
def test_tree_as_json_lists_the_runs_with_their_depth_and_writes(run: Run) -> None:
    document = run("runs", "tree", "r-3", "--json").json
    assert document["root_run_id"] == "r-0"
    shape = [(each["id"], each["parent_run_id"], each["depth"], each["writes"]) for each in document["runs"]]
    assert shape == [("r-0", "", 0, 0), ("r-1", "r-0", 1, 2), ("r-2", "r-0", 1, 0), ("r-3", "r-2", 2, 0)]


def test_a_tree_whose_root_was_never_started_says_so_and_a_circle_ends(run: Run, ledger: Ledger) -> None:
    for run_id, caller in (("a", "b"), ("b", "a")):
        ledger.runs.start(RunInfo(run_id, "weather", parent_run_id=caller, root_run_id="gone"))
    lines = run("runs", "tree", "a").out.splitlines()
    assert lines[0] == "gone  is not in the ledger"
    assert [line.split("  weather")[0] for line in lines[1:]] == ["└── a", "    └── b"]


# ----------------------------------------------------------------------------------- writes, reads


@pytest.mark.usefixtures("dispatched")
def test_writes_lists_the_versions_of_a_run_page_by_page(run: Run) -> None:
    shown = rows(run("runs", "writes", "r-1"))
    assert [row[0] for row in shown if "set" in row] == ["__root_run__", "weather"]
    first = run("runs", "writes", "r-1", "--limit", "1", "--json").json
    assert [each["version"]["key"] for each in first["writes"]] == ["seen"]
    rest = run("runs", "writes", "r-1", "--after", first["next"], "--json").json
    assert [(each["partition_id"], each["version"]["value"]) for each in rest["writes"]] == [
        ("weather", {"sky": "sun"})
    ]
    assert rest["next"] is None
    everything = run("runs", "writes", "r-1", "--all", "--json").json
    assert everything["writes"] == first["writes"] + rest["writes"]


@pytest.mark.usefixtures("dispatched")
def test_a_page_of_writes_says_how_to_go_on(run: Run, shell: Any) -> None:
    last = run("runs", "writes", "r-1", "--limit", "1").out.splitlines()[-1]
    assert last.startswith("there are more: --after ")
    going_on = shell(f"$keyledger runs writes r-1 {last.removeprefix('there are more: ')}")
    assert (going_on.returncode, going_on.stderr) == (0, "")
    assert "rome" in going_on.stdout


def test_writes_knows_runs_that_were_never_started(run: Run) -> None:
    run("set", "k", "1", "--run-id", "r-9")
    assert run("runs", "writes", "r-9", "--json").json["writes"][0]["version"]["run_id"] == "r-9"


@pytest.mark.usefixtures("dispatched")
def test_a_run_that_wrote_or_read_nothing_says_so(run: Run) -> None:
    assert run("runs", "writes", "r-0").out == "no writes\n"
    assert run("runs", "writes", "r-0", "--all").out == "no writes\n"
    assert run("runs", "reads", "r-0").out == "no reads\n"
    assert run("runs", "reads", "r-0", "--json").json == {"reads": [], "next": None}


def test_reads_lists_what_a_run_saw(run: Run, ledger: Ledger) -> None:
    ledger.runs.start(RunInfo("r-1", "weather"))
    kv = ledger.partition("weather", run_id="r-1", record_reads=True)
    kv.set("rome", 1)
    kv.get("rome")
    kv.get("oslo")
    ledger.runs.finish("r-1", RunStats("ok"))
    shown = rows(run("runs", "reads", "r-1"))
    assert [row[:4] for row in shown[2:]] == [
        ["weather", "skill", "oslo", "nothing"],
        ["weather", "skill", "rome", "1"],
    ]


# ----------------------------------------------------------------------------------------- unknown


def test_readers_lists_the_runs_that_saw_a_version(run: Run, ledger: Ledger) -> None:
    for name in ("r-1", "r-2"):
        ledger.runs.start(RunInfo(name, "desk"))
        kv = ledger.partition("weather", run_id=name, record_reads=True)
        kv.get("units")
        revision = kv.set("units", name).revision
        kv.get("units")
    assert run("runs", "readers", "units", "0", "-p", "weather").out.split()[-3] == "r-1"
    shown = run("runs", "readers", "units", str(revision), "-p", "weather", "--json").json
    assert [each["run_id"] for each in shown["readers"]] == ["r-2"]
    assert run("runs", "readers", "units", "7", "-p", "weather").out == "no readers\n"


@pytest.mark.parametrize("command", ["show", "tree", "writes", "reads", "tail --run"])
def test_a_run_that_is_not_known_is_exit_status_1(run: Run, command: str) -> None:
    done = run("runs", *command.split(), "nobody")
    assert (done.status, done.out, done.err) == (1, "", "error: skill run not found: 'nobody'\n")
    done = run("runs", *command.split(), "nobody", "--json")
    assert (done.status, done.error["error"]) == (1, "run_not_found")


@pytest.mark.usefixtures("dispatched")
@pytest.mark.parametrize("command", ["show", "tree", "reads"])
def test_a_purged_run_says_that_it_was(run: Run, ledger: Ledger, clock: ManualClock, command: str) -> None:
    ledger.runs.purge_older_than(clock.now())
    done = run("runs", command, "r-2")
    assert (done.status, done.err) == (1, "error: skill run not found: 'r-2' was purged\n")


def test_runs_alone_shows_what_there_is(run: Run) -> None:
    done = run("runs")
    assert (done.status, done.err) == (0, "")
    assert all(f"│ {name} " in done.out for name in ("list", "show", "tree", "writes", "reads", "readers", "tail"))
    assert run("runs", "bogus").status == 2


def test_what_came_from_outside_cannot_play_tricks_on_a_terminal(run: Run, ledger: Ledger) -> None:
    evil = "\x1b[31m[bold]\x9b"
    ledger.runs.start(RunInfo(evil, evil, evil, evil, {evil: evil}))
    ledger.runs.append_log(RunLog(evil, "step", {evil: evil}))
    ledger.runs.append_log(RunLog(evil, "error", {evil: evil}))
    ledger.partition(evil, run_id=evil).set(evil, evil)
    ledger.runs.finish(evil, RunStats("error", evil, evil))
    for command in ("list", "show", "tree", "writes"):
        out = run("runs", *(["list"] if command == "list" else [command, "--", evil]), COLUMNS="200").out
        assert "\\x1b[31m[bold]" in out, command
        assert not {"\x1b", "\x9b"} & set(out), command


# -------------------------------------------------------------------------------------------- tail


@pytest.fixture
def tail(new_ledger: Path) -> Iterator[Any]:
    """Starts ``runs tail`` in a process of its own, which has no wish to see what was before it."""
    started: list[subprocess.Popen[str]] = []

    def follow(*options: str) -> subprocess.Popen[str]:
        command = [SCRIPT, "runs", "tail", "--url", f"sqlite:///{new_ledger}", *options]
        started.append(
            subprocess.Popen(
                command,
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_tail_tells_what_other_processes_write_until_it_is_stopped(
    tail: Any, ledger: Ledger, number: signal.Signals
) -> None:
    following = tail("--since", START.isoformat(), "--json")
    runs = ledger.runs
    runs.start(RunInfo("r-1", "weather", "ada", inputs={"city": "rome"}))
    started = json.loads(following.stdout.readline())
    assert (started["change"], started["run_id"], started["skill_id"]) == ("started", "r-1", "weather")
    assert (started["inputs"], started["recorded_at"]) == ({"city": "rome"}, "2026-01-01T00:00:00Z")
    runs.append_log(RunLog("r-1", "step", {"n": 1.0}))
    logged = json.loads(following.stdout.readline())
    assert (logged["change"], logged["sequence"], logged["payload"]) == ("logged", 1, {"n": 1.0})
    runs.finish("r-1", RunStats("ok", tool_calls=3))
    finished = json.loads(following.stdout.readline())
    assert (finished["change"], finished["status"], finished["tool_calls"]) == ("finished", "ok", 3)
    following.send_signal(number)
    assert following.wait(60) == 0
    assert (following.stdout.read(), following.stderr.read()) == ("", "")


def test_tail_of_one_run_tells_of_no_other(tail: Any, dispatched: Ledger) -> None:
    following = tail("--since", START.isoformat(), "--run", "r-2")
    lines = [following.stdout.readline() for _ in range(4)]
    assert [line.split()[2] for line in lines] == ["r-2"] * 4
    assert lines[0] == "2026-01-01 00:00:04  r-2  started  fares, for ada, called by r-0\n"
    assert lines[1].startswith('2026-01-01 00:00:04  r-2  #1 tool_call  {"tool":"search"')
    assert lines[1].endswith('rome"}}\n')
    assert lines[3] == f"2026-01-01 00:01:09  r-2  timeout  {FARES}\n"
    dispatched.runs.purge_older_than(START + timedelta(days=1), actor="mia")
    assert following.stdout.readline() == "2026-01-01 00:01:11  r-2  purged  by mia\n"


def test_tail_ends_when_nobody_reads_it_any_more(tail: Any, ledger: Ledger) -> None:
    following = tail("--since", START.isoformat())
    ledger.runs.start(RunInfo("r-1", "weather"))
    following.stdout.readline()
    following.stdout.close()
    assert following.wait(60) == 141
    assert following.stderr.read() == ""


def test_tail_takes_no_time_without_an_offset(run: Run) -> None:
    assert run("runs", "tail", "--since", "2026-01-01T00:00:00").status == 2
