"""The commands on keys."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from tests.e2e.cli import Run


def test_set_says_what_was_written(run: Run) -> None:
    done = run("set", "units", '{"t":"C"}', "--actor", "ada", "--run-id", "r-17", "--ttl", "60")
    assert (done.status, done.err) == (0, "")
    assert done.out == "units: revision 1, 9 bytes, by ada, in run r-17, 60 s left\n"


def test_set_as_json_is_the_entry(run: Run) -> None:
    entry = run("set", "units", '{"t":"C"}', "--actor", "ada", "--ttl", "60", "--json").json
    assert (entry["scope"], entry["key"], entry["value"], entry["revision"]) == ("skill", "units", {"t": "C"}, 1)
    assert (entry["size"], entry["ttl_seconds"], entry["changed_by"], entry["run_id"]) == (9, 60, "ada", None)
    assert entry["created_at"].endswith("Z")
    assert datetime.fromisoformat(entry["expires_at"]) - datetime.fromisoformat(entry["created_at"]) == timedelta(
        seconds=60
    )


@pytest.mark.parametrize(
    "text", ["1.0", "-0.0", "5e-324", "-9223372036854775808", '"\\u0000é😀"', '{"b":[],"a":{}}', "null"]
)
def test_get_prints_the_values_json_text_and_nothing_else(run: Run, text: str) -> None:
    run("set", "k", text)
    assert run("get", "k").out == json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":")) + "\n"


def test_get_as_json_is_the_entry_with_its_exact_value(run: Run) -> None:
    run("set", "k", "1.0")
    done = run("get", "k", "--json")
    assert '"value":1.0,' in done.out
    assert done.json["revision"] == 1


def test_json_may_stand_before_the_command_too(run: Run) -> None:
    run("set", "k", "1")
    assert run("--json", "get", "k").json["value"] == run("get", "k", "--json").json["value"] == 1


def test_a_negative_number_is_a_value(run: Run) -> None:
    run("set", "k", "-5")
    assert run("incr", "k", "-3").out == "-8\n"


def test_a_plain_string_needs_no_quotes_with_string(run: Run) -> None:
    run("set", "k", "Ada Lovelace", "-s")
    assert run("get", "k").out == '"Ada Lovelace"\n'


def test_a_bare_word_is_refused_with_a_hint_how_to_quote_it(run: Run) -> None:
    done = run("set", "k", "it's")
    assert done.status == 2
    assert done.err.startswith('error: value: got "it\'s"; allowed is valid JSON (')
    assert done.err.endswith("for plain text add --string or quote it as JSON: '\"it'\"'\"'s\"'\n")


def test_json_whose_quotes_the_shell_ate_is_refused_with_a_hint(run: Run) -> None:
    assert "in a shell, put the whole JSON text in single quotes" in run("set", "k", "{t:C}").err


def test_a_dash_reads_the_value_from_standard_input(run: Run) -> None:
    run("set", "k", "-", stdin=' {"a":\n[1]}\n')
    assert run("get", "k").out == '{"a":[1]}\n'
    run("set", "k", "-", "--string", stdin="two\nlines\n")
    assert run("get", "k").out == '"two\\nlines"\n'


def test_a_value_that_is_not_utf8_is_refused(run: Run) -> None:
    done = run("set", "k", "-", "--string", stdin=b"\xff")
    assert (done.status, done.err) == (2, "error: value: got b'\\xff'; allowed is UTF-8 text\n")


@pytest.mark.parametrize("text", ["18446744073709551616", '{"a":1,"a":2}', "NaN", "1e400", '"\\ud800"'])
def test_what_json_would_alter_is_refused(run: Run, text: str) -> None:
    done = run("set", "k", text, "--json")
    assert (done.status, done.error["error"]) == (2, "invalid_value")


def test_list_shows_keys_in_order_with_shortened_values(run: Run) -> None:
    run("set", "b", json.dumps("x" * 200), "--actor", "ada")
    run("set", "a", "1", "--ttl", "60")
    done = run("list")
    rows = [line.split() for line in done.out.splitlines()]
    assert rows[0] == ["key", "value", "rev", "ttl", "by", "run"]
    assert rows[2][:3] == ["a", "1", "2"]
    assert rows[3][0] == "b"
    assert rows[3][1].endswith("…")
    assert max(map(len, done.out.splitlines())) <= 80


def test_list_as_json_has_a_cursor(run: Run) -> None:
    for key in ("a1", "a2", "b"):
        run("set", key, "1")
    page = run("list", "--prefix", "a", "--limit", "1", "--json").json
    assert ([entry["key"] for entry in page["entries"]], page["next"]) == (["a1"], "a1")
    rest = run("list", "--prefix", "a", "--after", page["next"], "--json").json
    assert ([entry["key"] for entry in rest["entries"]], rest["next"]) == (["a2"], None)


def test_a_list_that_goes_on_says_how(run: Run) -> None:
    run("set", "a", "1")
    run("set", "b", "1")
    assert run("list", "--limit", "1").out.endswith("there are more: --after a\n")


def test_an_empty_list_says_so(run: Run) -> None:
    assert run("list", "-p", "w").out == "no keys in scope skill of partition w\n"
    assert run("list", "--json").json == {"entries": [], "next": None}


def test_delete_says_whether_there_was_anything(run: Run) -> None:
    run("set", "k", "1")
    assert run("delete", "k").out == "k: deleted\n"
    assert run("delete", "k").out == "k: was not there\n"
    again = run("delete", "k", "--json")
    assert (again.status, again.json) == (0, {"scope": "skill", "key": "k", "deleted": False})


def test_incr_prints_the_new_value(run: Run) -> None:
    assert run("incr", "k", "--initial", "10").out == "11\n"
    assert run("incr", "k", "5", "--json").json["value"] == 16


def test_a_repeated_request_id_does_it_once(run: Run) -> None:
    assert run("incr", "k", "--request-id", "once").out == run("incr", "k", "--request-id", "once").out == "1\n"


def test_history_tells_what_when_by_whom_and_in_which_run(run: Run) -> None:
    run("set", "k", "1", "--actor", "ada", "--run-id", "r-1")
    run("delete", "k", "--actor", "bo")
    rows = [line.split() for line in run("history", "k").out.splitlines()]
    assert (rows[2][0], rows[2][3:]) == ("2", ["delete", "bo"])
    assert (rows[3][0], rows[3][3:]) == ("1", ["set", "1", "ada", "r-1"])


def test_history_as_json_has_a_cursor(run: Run) -> None:
    run("set", "k", "1")
    run("set", "k", "2")
    page = run("history", "k", "--limit", "1", "--json").json
    assert ([version["value"] for version in page["versions"]], page["next"]) == ([2], 2)
    rest = run("history", "k", "--before", "2", "--json").json
    assert ([version["operation"] for version in rest["versions"]], rest["next"]) == (["set"], None)


def test_partitions_and_scopes_are_apart(run: Run) -> None:
    run("set", "k", "1", "-p", "w", "--scope", "user:ada")
    assert run("get", "k", "-p", "w").status == 1
    assert run("get", "k", "--scope", "user:ada").status == 1
    assert run("get", "k", "-p", "w", "--scope", "user:ada").status == 0


def test_what_came_from_outside_cannot_play_tricks_on_a_terminal(run: Run) -> None:
    run("set", "\x1b[31m[bold]:smile:", '"\\u009b"', "--actor", "\x07")
    shown = run("list", "--json").json["entries"][0]["key"], run("list").out
    assert shown[0] == "\x1b[31m[bold]:smile:"
    assert "\\x1b[31m[bold]:smile:" in shown[1]
    assert not {"\x1b", "\x07", "\x9b"} & set(shown[1] + run("get", "\x1b").err)
