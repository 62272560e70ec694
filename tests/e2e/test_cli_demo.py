"""The recorded session."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from keyledger.adapters.cli.demo import recorded_chapters
from keyledger.adapters.cli.demo_runs import ASKED
from keyledger.adapters.cli.demo_story import CHAPTERS, TRY_NEXT
from tests.e2e.cli import Run


def test_the_demo_tells_its_story_in_80_columns(run: Run) -> None:
    done = run("demo")
    assert (done.status, done.err) == (0, "")
    for told in (
        "1. The weather desk does its round",
        "nothing there",  # the forecast has expired
        "access_denied",
        "revision_conflict",
        "quota_exceeded — 328/400 bytes used; ask admin for higher quota",
        "system:expiry",
        "└── r-202  fare-scout  ok  3 m 00 s  2,890 tokens  4 writes",
        "billing-helper       6     3    230        400",
        "export KEYLEDGER_URL=sqlite:///keyledger-demo.db",
    ):
        assert told in done.out
    assert max(len(line.rstrip()) for line in done.out.splitlines()) <= 80


def test_what_the_demo_tells_to_try_works(run: Run) -> None:
    told = run("demo").out.splitlines()
    url = told[-1 - len(TRY_NEXT)].partition("=")[2]
    for command in told[-len(TRY_NEXT) :]:
        done = run(*shlex.split(command)[1:], KEYLEDGER_URL=url)
        assert done.status == 0
        assert done.out


def test_the_demos_content_is_the_same_every_time(run: Run) -> None:
    def content(name: str) -> list[Any]:
        calls = run("demo", "--into", name, "--json").json["calls"]
        return [(made["tool"], made["args"], made["invocation"], made["answer"]) for made in calls]

    first = content("one.db")
    assert first == content("two.db")
    refused = [answer["error"] for *_, answer in first if not answer["ok"]]
    assert refused == ["access_denied", "access_denied", "revision_conflict", "quota_exceeded"]


def test_the_runs_of_the_demo_are_audited_with_their_calls(run: Run) -> None:
    run("demo")
    url = ("--url", "sqlite:///keyledger-demo.db")
    runs = run("runs", "list", *url, "--json").json["runs"]
    assert {each["id"]: each["status"] for each in runs} == dict.fromkeys(ASKED, "ok") | {"r-310": "error"}
    assert {each["id"]: each["parent_run_id"] for each in runs if each["parent_run_id"]} == {
        "r-201": "r-200",
        "r-202": "r-200",
    }
    logs = run("runs", "show", "r-310", *url, "--json").json["logs"]
    assert [log["payload"].get("error") for log in logs] == [None, "access_denied"] * 2


def test_the_session_is_a_file_that_exec_takes_as_it_is(run: Run) -> None:
    session = b"\n\n".join(b"\n".join(chapter) for chapter in recorded_chapters())
    answers = [json.loads(line) for line in run("exec", "-", stdin=session).out.splitlines()]
    refused = [answer["error"] for answer in answers if not answer["ok"]]
    assert len(answers) == sum(map(len, recorded_chapters()))
    assert refused == ["access_denied", "access_denied", "revision_conflict"]  # here nobody gave a quota


def test_every_chapter_of_the_session_is_told() -> None:
    assert len(recorded_chapters()) == len(CHAPTERS)


def test_the_demo_leaves_a_ledger_that_rebuilds_to_itself(run: Run) -> None:
    run("demo")
    assert run("rebuild", "--url", "sqlite:///keyledger-demo.db", "--json").json["differences"] == []


def test_the_demo_replaces_no_file_unless_forced_and_nothing_but_a_database(run: Run, tmp_path: Path) -> None:
    assert run("demo").status == 0
    again = run("demo")
    assert again.status == 2
    assert again.err.endswith("allowed is a file that does not exist yet; --force replaces it\n")
    assert run("demo", "--force").status == 0
    (tmp_path / "thesis.txt").write_text("ten years of work")
    assert run("demo", "--into", "thesis.txt", "--force").status == 2
    assert (tmp_path / "thesis.txt").read_text() == "ten years of work"
