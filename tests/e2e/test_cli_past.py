"""The commands that look at the past, and the way back."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import keyledger
from tests.e2e.cli import Ended, Run

RED, GREEN = "\x1b[31m", "\x1b[32m"
LONG = "run-2026-11-21-weather-desk-7f3a9c52-4f0e-4a6e-9d5e-0b1d6a4c8e21"


@pytest.fixture
def told(run: Run) -> Run:
    """A ledger in which two runs have changed the partition w: six revisions."""
    ada, bo = ("--actor", "ada", "--run-id", "r-1"), ("--actor", "bo", "--run-id", "r-2")
    for command in (
        ("incr", "calls", "12", *ada),
        ("set", "units", '{"t":"C","cities":["oslo"]}', *ada),
        ("set", "cache", "[1]", "--ttl", "3600"),
        ("set", "units", '{"t":"F","cities":["oslo","rome"]}', *bo),
        ("set", "calls", "1", *bo),
        ("delete", "cache", *bo),
    ):
        assert run(*command, "-p", "w").status == 0
    return run


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def words(ended: Ended) -> list[list[str]]:
    return [line.split() for line in ended.out.splitlines()]


# ------------------------------------------------------------------------------------------------- at


def test_at_with_a_key_prints_what_it_held_and_nothing_else(told: Run) -> None:
    assert told("at", "4", "calls", "-p", "w").out == "12\n"
    assert told("at", "5", "calls", "-p", "w").out == "1\n"


def test_at_lists_what_stood_under_the_token_of_the_moment(told: Run) -> None:
    rows = words(told("at", "3", "-p", "w"))
    assert rows[0][0] == "w@3"
    assert [row[:2] for row in rows[3:]] == [
        ["cache", "[1]"],
        ["calls", "12"],
        ["units", '{"t":"C","cities":["oslo"]}'],
    ]


def test_at_as_json_begins_with_the_pin(told: Run) -> None:
    document = told("at", "3", "-p", "w", "--prefix", "c", "--limit", "1", "--json").json
    assert (document["at"], document["revision"], document["next"]) == ("w@3", 3, "cache")
    assert [(entry["key"], entry["ttl_seconds"]) for entry in document["entries"]] == [("cache", 3600)]
    assert document["instant"].endswith("Z")
    assert told("at", "3", "calls", "-p", "w", "--json").json["entry"]["revision"] == 1


def test_at_with_all_is_one_document_too(told: Run) -> None:
    document = told("at", "3", "-p", "w", "--all", "--json").json
    assert (document["at"], len(document["entries"]), document["next"]) == ("w@3", 3, None)


def test_now_is_pinned_and_its_token_means_the_same_later(told: Run) -> None:
    token = told("at", "-p", "w", "--json").json["at"]
    assert re.fullmatch(r"w@6~\d{4}-\d\d-\d\dT[\d:.]+Z", token)
    told("set", "calls", "99", "-p", "w")
    assert told("at", token, "calls").out == "1\n"
    assert told("at", "now", "calls", "-p", "w").out == "99\n"


def test_a_token_says_which_partition_is_meant_to_every_command(told: Run) -> None:
    assert told("get", "calls", "--at", "w@4").out == "12\n"
    assert [entry["key"] for entry in told("list", "--at", "w@2", "--json").json["entries"]] == ["calls", "units"]
    assert told("list", "--at", "w@0").out == "no keys in scope skill of w@0\n"
    assert told("usage", "--at", "w@3").out.startswith("w@3: 32 bytes of 1,048,576, 3 keys\n")
    assert told("usage", "--at", "w@3", "--json").json["used_bytes"] == 32
    assert [row["revision"] for row in told("blame", "--at", "w@2", "--json").json["versions"]] == [1, 2]
    assert told("diff", "w@5", "w@6", "--json").json["changes"][0]["key"] == "cache"
    assert told("bisect", "calls", "@ == `1`", "--after", "w@2", "--json").json["at"] == "w@5"


def test_a_time_is_a_moment(told: Run) -> None:
    when = told("at", "4", "-p", "w", "--json").json["instant"]
    document = told("at", when, "-p", "w", "--json").json
    assert (document["revision"], document["instant"]) == (4, when)
    assert document["at"] == f"w@4~{when}"


def test_an_age_from_before_the_first_event_is_an_empty_past(told: Run) -> None:
    document = told("at", "2h", "-p", "w", "--json").json
    assert (document["revision"], document["entries"]) == (0, [])


def test_a_run_is_a_moment_at_its_start_and_at_its_end(told: Run) -> None:
    assert told("at", "--run", "r-2", "calls", "-p", "w").out == "12\n"
    assert told("at", "--run", "r-2", "--end", "calls", "-p", "w").out == "1\n"
    assert told("at", "--run", "r-2", "-p", "w", "--json").json["revision"] == 3


def test_a_token_of_a_dispatch_tree_says_which_scope_is_meant(run: Run) -> None:
    run("set", "plan", '"bus"', "--scope", "root_run:t-1")
    token = run("at", "--scope", "root_run:t-1", "--json").json["at"]
    run("set", "plan", '"train"', "--scope", "root_run:t-1")
    assert token.startswith("__root_run__:t-1@1~")
    assert run("at", token, "plan").out == run("get", "plan", "--at", token).out == '"bus"\n'
    assert '- "bus"\n  + "train"' in run("diff", token).out
    assert run("restore", "plan", "--to", token).out.startswith("plan: as it was at __root_run__:t-1@1~")
    assert run("get", "plan", "--scope", "root_run:t-1").out == '"bus"\n'
    undo = run("restore", "--all", "--to", "__root_run__:t-1@2").out.splitlines()[1]
    assert run("get", "plan", "--scope", "root_run:t-1").out == '"train"\n'
    assert run(*shlex.split(undo.removeprefix("undo it with: "))[1:]).out.startswith(
        "1 key restored to __root_run__"
    )
    assert run("get", "plan", "--scope", "root_run:t-1").out == '"bus"\n'


def test_a_key_that_was_not_there_then_is_not_found(told: Run) -> None:
    ended = told("at", "1", "units", "-p", "w", "--json")
    assert (ended.status, ended.error["error"]) == (1, "not_found")
    assert ended.error["message"] == "no key 'units' in scope 'skill' at w@1"
    assert told("get", "units", "--at", "w@1").err == "error: no key 'units' in scope 'skill' at w@1\n"


MOMENTS = (
    "a revision, a time with an offset as 2026-11-21T14:00:00Z, an age (a number and a unit: 90s, 15m, 2h, 7d or "
    "4w), a token as weather@41, or now"
)


@pytest.mark.parametrize(
    ("moment", "status", "error"),
    [
        (("7",), 1, "'w' has no revision 7; its last is 6"),
        (("w@7",), 1, "'w' has no revision 7; its last is 6"),
        (("--run", "r-9"), 1, "skill run not found: 'r-9'"),
        (("yesterday",), 2, f"moment: got 'yesterday'; allowed is {MOMENTS}"),
        (("2026-11-21T14:00:00",), 2, f"moment: got '2026-11-21T14:00:00'; allowed is {MOMENTS}"),
        (("3", "--end"), 2, "end: got True; allowed is given with --run only"),
        (("3", "calls", "--run", "r-1"), 2, "moment: got '3'; allowed is given without --run only"),
        (("3", "--run", "r-1"), 2, "moment: got '3'; allowed is given without --run only"),
        (("w@3", "--run", "r-1"), 2, "moment: got 'w@3'; allowed is given without --run only"),
        (("2h", "--run", "r-1"), 2, "moment: got '2h'; allowed is given without --run only"),
        (("v@1",), 2, "moment: got 'v@1'; allowed is a token of 'w'"),
        (("w@x",), 2, "moment: got 'w@x'; allowed is a token as weather@41 or weather@41~2026-01-31T12:00:00Z"),
    ],
)
def test_a_moment_that_is_none_is_refused(told: Run, moment: tuple[str, ...], status: int, error: str) -> None:
    ended = told("at", *moment, "-p", "w")
    assert (ended.status, ended.err) == (status, f"error: {error}\n")


def test_a_time_that_has_not_come_is_refused(told: Run) -> None:
    ended = told("at", "2999-01-01T00:00:00Z", "-p", "w")
    assert ended.status == 2
    assert ended.err.startswith("error: moment: got '2999-01-01T00:00:00+00:00'; allowed is a time that has come")


# ----------------------------------------------------------------------------------------------- diff


def test_diff_tells_what_was_added_removed_and_changed_and_by_whom(told: Run) -> None:
    assert (
        told("diff", "2", "3", "-p", "w").out == "w@2 → w@3  1 key differs\nadded   cache  last: rev 3\n  + [1]\n"
    )
    assert told("diff", "3", "6", "-p", "w").out == (
        "w@3 → w@6  3 keys differ\n"
        "removed cache  last: rev 6, by bo, in run r-2\n"
        "  - [1]\n"
        "changed calls  last: rev 5, by bo, in run r-2\n"
        "  - 12\n"
        "  + 1\n"
        "changed units  last: rev 4, by bo, in run r-2\n"
        '  - {"t":"C","cities":["oslo"]}\n'
        '  + {"t":"F","cities":["oslo","rome"]}\n'
        '    replace /t "F"\n'
        '    add /cities/1 "rome"\n'
    )


def test_diff_shows_the_old_value_in_red_and_the_new_one_in_green(told: Run) -> None:
    out = told("diff", "4", "5", "-p", "w", FORCE_COLOR="1").out
    assert f"{RED}  - 12" in out
    assert f"{GREEN}  + 1" in out


def test_diff_as_json_has_both_tokens_and_the_patch(told: Run) -> None:
    document = told("diff", "3", "4", "-p", "w", "--json").json
    (change,) = document["changes"]
    assert (document["before"], document["after"], change["kind"], change["key"]) == (
        "w@3",
        "w@4",
        "changed",
        "units",
    )
    assert change["before"]["value"] == {"t": "C", "cities": ["oslo"]}
    assert (change["by"]["operation"], change["by"]["revision"], change["by"]["run_id"]) == ("set", 4, "r-2")
    assert change["patch"] == [
        {"op": "replace", "path": "/t", "value": "F"},
        {"op": "add", "path": "/cities/1", "value": "rome"},
    ]


def test_diff_of_one_moment_is_up_to_now(told: Run) -> None:
    assert words(told("diff", "5", "-p", "w"))[1][:2] == ["removed", "cache"]
    assert told("diff", "6", "-p", "w").out.endswith("  nothing differs\n")


def test_diff_of_a_run_is_from_its_start_to_its_end(told: Run) -> None:
    document = told("diff", "--run", "r-1", "-p", "w", "--json").json
    assert [(change["kind"], change["key"]) for change in document["changes"]] == [
        ("added", "calls"),
        ("added", "units"),
    ]


def test_diff_compares_two_partitions_by_their_tokens(told: Run) -> None:
    told("set", "calls", "12", "-p", "v")
    document = told("diff", "w@1", "v@1", "--json").json
    assert (document["before"], document["after"], document["changes"]) == ("w@1", "v@1", [])
    assert [change["key"] for change in told("diff", "v@1", "w@2", "--json").json["changes"]] == ["units"]


def test_diff_of_all_scopes_names_those_that_are_not_skill(told: Run) -> None:
    told("set", "seat", '"aisle"', "-p", "w", "--scope", "user:ada")
    assert words(told("diff", "6", "-p", "w"))[1][:3] == ["added", "user:ada", "seat"]
    assert told("diff", "6", "-p", "w", "--scope", "skill").out.endswith("  nothing differs\n")
    assert words(told("diff", "6", "-p", "w", "--prefix", "s"))[1][:3] == ["added", "user:ada", "seat"]


def test_diff_says_until_when_a_value_lives_where_only_that_changed(run: Run) -> None:
    run("set", "k", "1", "--ttl", "3600")
    run("set", "k", "1")
    before, after = run("diff", "1", "2").out.splitlines()[2:]
    assert re.fullmatch(r"  - 1  until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", before)
    assert after == "  + 1  for good"


def test_diff_shortens_a_value_only_where_a_patch_says_the_rest(run: Run) -> None:
    run("set", "inside", f'{{"a":"{"x" * 100}","b":1}}')
    run("set", "inside", f'{{"a":"{"x" * 100}","b":2}}')
    run("set", "whole", f'"{"y" * 100}1"')
    run("set", "whole", f'"{"y" * 100}2"')
    seen = plain(run("diff", "1", "2", FORCE_COLOR="1").out).splitlines()
    assert (len(seen[2]), seen[2][-1], seen[4]) == (80, "…", "    replace /b 2")
    assert f'  + "{"y" * 100}2"' in plain(run("diff", "3", "4", FORCE_COLOR="1").out).splitlines()
    assert "…" not in run("diff", "1", "2").out


def test_diff_without_a_moment_asks_for_one(told: Run) -> None:
    ended = told("diff", "-p", "w")
    assert (ended.status, ended.err) == (2, "error: moment: got None; allowed is a moment A, or --run ID\n")
    ended = told("diff", "3", "--run", "r-1", "-p", "w")
    assert (ended.status, ended.err) == (2, "error: moment: got '3'; allowed is given without --run only\n")


# ---------------------------------------------------------------------------------------------- blame


def test_blame_names_who_last_set_each_key(told: Run) -> None:
    rows = words(told("blame", "-p", "w"))
    assert rows[0] == ["key", "value", "rev", "when", "(UTC)", "what", "by", "run"]
    assert [(row[0], row[2], row[5:]) for row in rows[2:]] == [
        ("calls", "5", ["set", "bo", "r-2"]),
        ("units", "4", ["set", "bo", "r-2"]),
    ]


def test_blame_of_a_moment_names_who_had_set_it_then(told: Run) -> None:
    document = told("blame", "3", "-p", "w", "--prefix", "c", "--limit", "1", "--json").json
    assert (document["at"], document["next"]) == ("w@3", "cache")
    (rest,) = told("blame", "3", "-p", "w", "--prefix", "c", "--after", "cache", "--json").json["versions"]
    assert (rest["key"], rest["operation"], rest["changed_by"], rest["run_id"]) == (
        "calls",
        "increment",
        "ada",
        "r-1",
    )
    assert told("blame", "3", "-p", "w", "--limit", "1").out.endswith("there are more: --after cache\n")


def test_blame_shows_the_tool_where_there_was_one(told: Run, tmp_path: Path) -> None:
    with keyledger.open(f"sqlite:///{tmp_path}/keyledger.db") as ledger:
        ledger.partition("w", actor="cy", run_id="r-3", tool="kv_set").set("seen", 1)
    rows = words(told("blame", "-p", "w"))
    assert rows[0][-1] == "tool"
    assert rows[3][-3:] == ["cy", "r-3", "kv_set"]


def test_blame_of_all_is_one_document_and_ends_with_nothing_more(told: Run) -> None:
    document = told("blame", "3", "-p", "w", "--all", "--limit", "1", "--json").json
    assert (document["at"], len(document["versions"]), document["next"]) == ("w@3", 3, None)
    assert [row[0] for row in words(told("blame", "3", "-p", "w", "--all", "--after", "cache"))[2:]] == [
        "calls",
        "units",
    ]
    assert told("blame", "0", "-p", "w", "--all").out == "no keys in scope skill of w@0\n"


def test_blame_of_nothing_says_so(told: Run) -> None:
    assert told("blame", "0", "-p", "w").out == "no keys in scope skill of w@0\n"
    ended = told("blame", "3", "--at", "3", "-p", "w")
    assert (ended.status, ended.err) == (2, "error: at: got '3'; allowed is given without MOMENT only\n")


# -------------------------------------------------------------------------------------------- restore


def test_restore_gives_a_key_back_by_a_new_change(told: Run) -> None:
    done = told("restore", "calls", "--to", "4", "-p", "w", "--actor", "ada", "--run-id", "r-5")
    restored, undo = done.out.splitlines()
    assert restored == "calls: as it was at w@4: revision 7, 2 bytes, by ada, in run r-5"
    assert undo.startswith("undo it with: keyledger restore calls --to 'w@6~")
    assert words(told("history", "calls", "-p", "w"))[2][3:] == ["restore", "from", "4", "12", "ada", "r-5"]
    again = told("restore", "calls", "--to", "w@4", "--json").json
    assert (again["to"], again["changed"], again["undo"], again["entry"]["revision"]) == ("w@4", False, None, 7)
    assert told("restore", "calls", "--to", "w@4").out == "calls: is as it was at w@4, nothing to do\n"


def test_restore_deletes_what_was_not_there(told: Run) -> None:
    assert told("restore", "units", "--to", "w@1").out.startswith("units: deleted, as it was not there at w@1\n")
    assert told("get", "units", "-p", "w").status == 1
    gone = words(told("history", "units", "-p", "w"))[2]
    assert gone[3:] == ["restore", "from", "1"]
    assert told("restore", "units", "--to", "w@1", "--json").json == {
        "to": "w@1",
        "changed": False,
        "undo": None,
        "entry": None,
    }


@pytest.mark.parametrize("scope", ["skill", "user:ada"])
def test_a_restore_of_a_key_says_how_to_undo_it(told: Run, scope: str) -> None:
    for value in ("1", "2"):
        told("set", "-p", "v", "--scope", scope, "--", "-odd key", value)
    undo = told("restore", "--to", "v@1", "--scope", scope, "--", "-odd key").out.splitlines()[1]
    assert told("get", "-p", "v", "--scope", scope, "--", "-odd key").out == "1\n"
    told("set", "other", "1", "-p", "v")
    done = told(*shlex.split(undo.removeprefix("undo it with: "))[1:])
    assert done.out.startswith("-odd key: as it was at v@2~")
    assert told("get", "-p", "v", "--scope", scope, "--", "-odd key").out == "2\n"


def test_what_undoes_a_restore_is_in_its_document(told: Run) -> None:
    undo = told("restore", "calls", "--to", "w@4", "--json").json["undo"]
    assert undo.startswith("w@6~")
    undo = told("restore", "--all", "--to", undo, "--json").json["undo"]
    assert undo.startswith("w@7~")
    assert told("restore", "--all", "--to", "now", "-p", "w", "--json").json["undo"] is None


def test_a_restore_of_a_run_is_to_what_it_started_from_or_left(told: Run) -> None:
    assert told("restore", "calls", "--run", "r-2").out.startswith("calls: as it was at w@3~")
    assert told("get", "calls", "-p", "w").out == "12\n"
    assert told("restore", "--all", "--run", "r-2", "--end", "--json").json["to"] == "w@6"
    assert told("get", "calls", "-p", "w").out == "1\n"


def test_restore_all_is_one_step_and_says_how_to_undo_it(told: Run) -> None:
    done = told("restore", "--all", "--to", "w@3")
    restored, undo = done.out.splitlines()
    assert restored == "3 keys restored to w@3"
    assert (
        told("diff", "w@3", "--scope", "skill", "--json").json["changes"][0]["key"] == "cache"
    )  # its time runs anew
    assert told("get", "calls", "-p", "w").out == "12\n"
    _, *command = shlex.split(undo.removeprefix("undo it with: "))
    assert told(*command, "--json").json["changed"] == 3
    assert told("diff", "w@6", "--json").json["changes"] == []
    assert told(*command).out.startswith("all is as it was at w@6~")


def test_restore_all_stays_under_its_prefix_and_scope(told: Run) -> None:
    told("set", "calls", "5", "-p", "w", "--scope", "user:ada")
    done = told("restore", "--all", "--to", "w@3", "--prefix", "ca", "--scope", "skill")
    assert done.out.endswith(" --prefix ca --scope skill\n")
    assert told("get", "units", "-p", "w").out == '{"t":"F","cities":["oslo","rome"]}\n'
    assert told("get", "calls", "-p", "w", "--scope", "user:ada").out == "5\n"
    assert told("restore", "--all", "--to", "w@3", "--json").json["changed"] == 3  # cache's time runs anew


def test_a_repeated_restore_with_its_request_id_does_it_once(told: Run) -> None:
    once = ("restore", "--all", "--to", "w@3", "--request-id", "q-1")
    told(*once)
    told("set", "calls", "7", "-p", "w")
    assert told(*once).status == 0
    assert told("get", "calls", "-p", "w").out == "7\n"


@pytest.mark.parametrize(
    ("arguments", "status", "error"),
    [
        (("calls", "--to", "4", "--if-revision", "4"), 3, "'calls' is at revision 5, not 4"),
        (("calls", "--to", "9"), 1, "'w' has no revision 9; its last is 6"),
        (("--to", "4"), 2, "key: got None; allowed is KEY or --all, one of the two"),
        (("calls", "--all", "--to", "4"), 2, "key: got 'calls'; allowed is KEY or --all, one of the two"),
        (("--all", "--to", "4", "--if-revision", "4"), 2, "if_revision: got 4; allowed is given with KEY only"),
        (("calls", "--to", "4", "--prefix", "c"), 2, "prefix: got 'c'; allowed is given with --all only"),
        (("calls",), 2, "to: got None; allowed is a moment, or --run ID"),
        (("calls", "--to", "4", "--run", "r-1"), 2, "moment: got '4'; allowed is given without --run only"),
        (("--all", "--to", "4", "--end"), 2, "end: got True; allowed is given with --run only"),
        (("calsl", "--to", "4"), 1, "no key 'calsl' in scope 'skill'"),
        (("calls", "--to", "4", "--scope", "user:ada"), 1, "no key 'calls' in scope 'user:ada'"),
    ],
)
def test_a_restore_that_cannot_be_is_refused(
    told: Run, arguments: tuple[str, ...], status: int, error: str
) -> None:
    ended = told("restore", *arguments, "-p", "w")
    assert ended.status == status
    assert ended.err.startswith(f"error: {error}")


# --------------------------------------------------------------------------------------------- bisect


def test_bisect_tells_the_change_with_what_was_before_and_after(told: Run) -> None:
    ended = told("bisect", "calls", "@ < `12`", "--after", "1", "-p", "w")
    assert ended.status == 0
    lines = [line.rstrip() for line in ended.out.splitlines()]
    assert re.fullmatch(r"when    \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", lines.pop(5))
    assert lines == [
        "turned true at w@5  asked at 5 of 6 revisions",
        "key     calls",
        "before  12",
        "after   1",
        "what    set",
        "by      bo",
        "run     r-2",
        "look further:",
        "  keyledger history calls -p w --before 6",
        "  keyledger diff w@4 w@5",
        "  keyledger runs writes r-2",
    ]


def test_what_bisect_tells_to_go_on_with_runs(told: Run, tmp_path: Path) -> None:
    with (
        keyledger.open(f"sqlite:///{tmp_path}/keyledger.db") as ledger,
        ledger.runs.record("desk", run_id="r 7") as desk,
    ):
        desk.partition("w").set("ca'lls", -1, scope="user:ada")
    ended = told("bisect", "ca'lls", "@ < `0`", "-p", "w", "--scope", "user:ada")
    commands = [shlex.split(line) for line in ended.out.splitlines() if line.startswith("  keyledger")]
    assert [command[1:3] for command in commands] == [["history", "ca'lls"], ["diff", "w@6"], ["runs", "show"]]
    assert [told(*command[1:]).status for command in commands] == [0, 0, 0]


def test_bisect_as_json_is_the_change_with_both_entries(told: Run) -> None:
    document = told("bisect", "units", "t == 'F'", "-p", "w", "--json").json
    assert (document["at"], document["change"]["revision"], document["change"]["changed_by"]) == ("w@4", 4, "bo")
    assert (document["before"]["value"]["t"], document["after"]["value"]["t"]) == ("C", "F")


def test_bisect_without_a_key_asks_of_all_keys_of_the_scope(told: Run) -> None:
    document = told("bisect", "cache && calls", "--before", "5", "-p", "w", "--json").json
    assert (document["at"], document["change"]["key"], document["before"]) == ("w@3", "cache", None)
    assert told("bisect", "length(keys(@)) > `1`", "-p", "w", "--json").json["at"] == "w@2"


def test_to_bisect_null_false_and_empty_are_false_and_0_is_true(run: Run) -> None:
    for value in ("null", "false", '""', "[]", "{}", "0", "1"):
        run("set", "k", value)
    assert run("bisect", "k", "@", "--json").json["change"]["revision"] == 6


def test_bisect_of_what_did_not_turn_true_ends_with_1(told: Run) -> None:
    nothing = "it did not turn true: it is false at w@0 and at w@6\n"
    mended = "if it was true in between and was mended since: --before MOMENT, at which it was true\n"
    quotes = "in JMESPath strings stand in single quotes, numbers in backticks\n"
    ended = told("bisect", "calls", "@ > `12`", "-p", "w")
    assert (ended.status, ended.out) == (1, nothing + mended)
    assert told("bisect", "calls", "@ > `12`", "-p", "w", "--before", "6").out == nothing
    assert told("bisect", "units", 't == `"K"`', "-p", "w").out == nothing + mended
    assert told("bisect", "units", "u == 'K' || t == \"K\" && u", "-p", "w").out == nothing + mended + quotes
    ended = told("bisect", "calls", "@ == `1`", "--before", "w@4", "--json")
    assert (ended.status, ended.json) == (1, {"at": None, "change": None, "before": None, "after": None})


def test_bisect_shows_a_key_that_went_with_the_partition(told: Run, tmp_path: Path) -> None:
    with keyledger.open(f"sqlite:///{tmp_path}/keyledger.db") as ledger:
        ledger.delete_partition("w", actor="root")
    out = told("bisect", "calls", "@ == `null`", "--after", "1", "-p", "w").out
    assert "after   nothing" in out
    assert "what    partition_deleted" in out
    assert "look further:\n  keyledger history calls -p w --before 8\n  keyledger diff w@6 w@7\n" in out


@pytest.mark.parametrize(
    ("arguments", "status", "error"),
    [
        (("calls", "@ >"), 2, "expression: got '@ >'; allowed is JMESPath (Invalid jmespath expression: "),
        (("calls", "foo("), 2, "expression: got 'foo('; allowed is JMESPath ("),
        ((), 2, "expression: got None; allowed is JMESPath ("),
        (
            ("calls", "@ == `null`", "--after", "0"),
            2,
            (
                "expression: got '@ == `null`'; allowed is one that is false at w@0; it is true of null, and "
                "'calls' was not there: --after 1 begins with the change that made it (in JMESPath strings"
            ),
        ),
        (
            ("calls", "@ != `9`"),
            2,
            "expression: got '@ != `9`'; allowed is one that is false at w@1; it was true from the beginning (in",
        ),
        (
            ("calls", "@ == `12`", "--after", "3"),
            2,
            "expression: got '@ == `12`'; allowed is one that is false at w@3; begin earlier, with --after (in JM",
        ),
        (
            ("!calls || calls",),
            2,
            "expression: got '!calls || calls'; allowed is one that is false at w@0; it was",
        ),
        (("clals", "@"), 1, "no key 'clals' in scope 'skill'"),
        (
            ("calls", "length(@)", "--after", "1"),
            2,
            "the predicate failed at revision 1: JMESPathTypeError: In funct",
        ),
        (("calls", "@", "--after", "7"), 1, "'w' has no revision 7; its last is 6"),
    ],
)
def test_a_bisect_that_cannot_be_is_refused(
    told: Run, arguments: tuple[str, ...], status: int, error: str
) -> None:
    ended = told("bisect", *arguments, "-p", "w")
    assert ended.status == status
    assert ended.err.startswith(f"error: {error}")


@pytest.mark.parametrize(
    ("expression", "at"),
    [("@ < `2` || @ == null", "w@5"), ("abs(@) < `2`", "w@5"), ("t == 'F'", None), ("@", "w@1")],
)
def test_bisect_begins_where_the_key_began_if_it_holds_of_null_or_fails_on_it(
    told: Run, expression: str, at: str | None
) -> None:
    assert told("bisect", "calls", expression, "-p", "w", "--json").json["at"] == at


def test_bisect_begins_with_the_first_life_of_a_key_of_many_versions(run: Run) -> None:
    for value in ("other", "k", "k", "other", "k", "k", "k"):
        run("incr", value)
    run("delete", "k")
    assert run("bisect", "k", "!@", "--json").json["change"]["operation"] == "delete"
    assert "of 7 revisions" in run("bisect", "k", "!@").out


# -------------------------------------------------------------------------------------------- history


@pytest.mark.parametrize(
    ("filters", "revisions"),
    [
        (("--operation", "increment"), [1]),
        (("--actor", "bo"), [5]),
        (("--run-id", "r-1"), [1]),
        (("--actor", "bo", "--run-id", "r-1"), []),
        (("--since", "1h"), [5, 1]),
        (("--until", "1h"), []),
    ],
)
def test_history_shows_what_its_filters_let_through(
    told: Run, filters: tuple[str, ...], revisions: list[int]
) -> None:
    for more in ((), ("--all",)):
        page = told("history", "calls", "-p", "w", *filters, *more, "--json").json
        assert [version["revision"] for version in page["versions"]] == revisions
    told_so = told("history", "calls", "-p", "w", *filters)
    assert told_so.status == 0
    assert (told_so.out == "no such versions\n") == (not revisions)


def test_history_of_a_key_that_never_was_is_not_found_whatever_is_asked(told: Run) -> None:
    assert told("history", "nix", "-p", "w", "--actor", "bo").status == 1
    assert told("history", "calls", "-p", "w", "--operation", "sett").status == 2


# --------------------------------------------------------------------------------------------- places


@pytest.mark.parametrize(
    "command",
    [
        ("at",),
        ("at", "--run", "r-9", "--end"),
        ("diff", "0"),
        ("blame",),
        ("bisect", "keys(@)"),
        ("watch", "--no-follow"),
    ],
)
def test_a_partition_that_was_never_used_is_pointed_out(
    told: Run, command: tuple[str, ...], tmp_path: Path
) -> None:
    with keyledger.open(f"sqlite:///{tmp_path}/keyledger.db") as ledger, ledger.runs.record("desk", run_id="r-9"):
        pass
    where = ("-p", "agnet")
    ended = told(*command, *where)
    assert "partition 'agnet' was never used\n" in ended.err
    assert ended.status == (1 if command[0] == "bisect" else 0)
    assert told(*command, *where, "--json").err == ""
    assert "was never used" not in told(*command, "-p", "w").err


def test_a_tree_that_was_never_used_is_pointed_out_by_its_scope(told: Run) -> None:
    assert told("at", "--scope", "root_run:t-1").err == "scope 'root_run:t-1' was never used\n"
    assert told("diff", "w@1", "agnet@0").err == "partition 'agnet' was never used\n"


@pytest.mark.parametrize("what", [("calls",), ("--all",)])
def test_a_restore_in_a_partition_that_was_never_used_is_an_error(told: Run, what: tuple[str, ...]) -> None:
    ended = told("restore", *what, "--to", "0", "-p", "agnet")
    assert (ended.status, ended.err) == (1, "error: partition 'agnet' was never used\n")
    assert told("restore", *what, "--to", "0", "-p", "agnet", "--json").error["error"] == "not_found"
    assert told("at", "-p", "agnet", "--json").json["revision"] == 0


def test_of_a_run_the_partition_is_the_one_that_it_wrote_in(told: Run) -> None:
    assert told("at", "--run", "r-2", "calls").out == "12\n"
    assert told("diff", "--run", "r-1", "--json").json["after"] == "w@2"
    assert [row["key"] for row in told("blame", "--run", "r-2", "--end", "--json").json["versions"]] == [
        "calls",
        "units",
    ]
    assert told("fork", "copy", "--run", "r-2", "--end", "--json").json["source"].startswith("w@6~")
    told("set", "plan", "1", "--scope", "root_run:t-1", "--run-id", "r-3")
    assert told("diff", "--run", "r-3", "--json").json["after"] == "__root_run__:t-1@1"


def test_of_a_run_that_wrote_in_several_partitions_one_has_to_be_named(told: Run) -> None:
    told("set", "calls", "1", "-p", "v", "--run-id", "r-2")
    ended = told("diff", "--run", "r-2")
    assert (ended.status, ended.err) == (
        2,
        "error: partition: got None; allowed is one that 'r-2' wrote in: partition 'v', partition 'w'\n",
    )
    ended = told("at", "--run", "r-2", "calls", "-p", "w")
    assert (ended.out, ended.err) == ("12\n", "'r-2' wrote in partition 'v' too\n")


def test_of_a_run_that_wrote_in_its_tree_too_the_partition_is_meant(told: Run) -> None:
    told("set", "plan", "1", "--scope", "root_run:t-1", "--run-id", "r-2")
    ended = told("at", "--run", "r-2", "calls")
    assert (ended.out, ended.err) == ("12\n", "'r-2' wrote in scope 'root_run:t-1' too\n")
    assert told("at", "--run", "r-2", "--end", "plan", "--scope", "root_run:t-1").out == "1\n"


def test_where_else_a_run_wrote_is_said_of_a_partition_in_which_it_did_not(told: Run, tmp_path: Path) -> None:
    with keyledger.open(f"sqlite:///{tmp_path}/keyledger.db") as ledger:
        with ledger.runs.record("desk", run_id="r-9") as run:
            run.partition("v").set("k", 1)
        with ledger.runs.record("desk", run_id="r-10"):
            pass
    assert (
        told("at", "--run", "r-9", "-p", "w").err == "'r-9' wrote nothing in partition 'w', but in partition 'v'\n"
    )
    assert told("at", "--run", "r-10", "-p", "w").err == "'r-10' wrote nothing; this is partition 'w'\n"


def test_a_run_that_wrote_in_many_partitions_does_not_fill_the_screen(told: Run) -> None:
    for number in range(12):
        told("set", "k", "1", "-p", f"p{number:02}", "--run-id", "r-9")
    assert told("diff", "--run", "r-9").err.endswith("partition 'p09' and 2 more\n")


# --------------------------------------------------------------------------------------------- layout


@pytest.mark.parametrize("width", ["40", "200"])
@pytest.mark.parametrize("colour", [{}, {"FORCE_COLOR": "1"}])
def test_an_id_is_never_broken_however_narrow_it_is(run: Run, width: str, colour: dict[str, str]) -> None:
    run("set", f"forecast:{LONG}", '{"t":"C"}', "--actor", f"agent-{LONG}", "--run-id", LONG, "-p", LONG)
    run("set", f"forecast:{LONG}", '{"t":"F"}', "--actor", f"agent-{LONG}", "--run-id", LONG, "-p", LONG)
    for command in (
        ("at", "1", "-p", LONG),
        ("list", "-p", LONG),
        ("blame", "-p", LONG),
        ("history", f"forecast:{LONG}", "-p", LONG),
        ("diff", "1", "-p", LONG),
        ("bisect", f"forecast:{LONG}", "t == 'F'", "-p", LONG),
        ("restore", f"forecast:{LONG}", "--to", "1", "-p", LONG),
    ):
        out = plain(run(*command, COLUMNS=width, **colour).out)
        assert LONG in out, command
        assert re.search(r"\w*" + re.escape(LONG[-12:]), out)
        assert out.count(LONG[:12]) == out.count(LONG), command


def test_a_terminal_too_narrow_for_a_table_gets_a_paragraph_for_each_row(run: Run) -> None:
    run("set", "units", f'{{"t":"{"C" * 60}"}}', "--actor", "ada", "--run-id", LONG)
    head, value = plain(run("list", COLUMNS="40", FORCE_COLOR="1").out).splitlines()
    assert head == f"units  rev 1  by ada  run {LONG}"
    assert (len(value), value[:9], value[-1]) == (40, '  {"t":"C', "…")
