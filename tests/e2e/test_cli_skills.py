"""The commands on skills. What skills do is tested on every adapter, by the contract."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import keyledger
from keyledger import Ledger
from keyledger.adapters.conformance.clock import ManualClock
from tests.e2e.cli import Run

YAML = """\
name: Weather
system_prompt: Tell the weather.
owner: ada
schedule: daily
tags: [Rain, sun]
input_schema:
  - {name: city, type: string, required: true}
"""
FIELDS: dict[str, Any] = {"name": "Weather", "system_prompt": "Tell the weather."}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def ledger(new_ledger: Path, clock: ManualClock) -> Iterator[Ledger]:
    with keyledger.open(f"sqlite:///{new_ledger}", clock=clock) as ledger:
        yield ledger


@pytest.fixture
def kept(ledger: Ledger, clock: ManualClock) -> Ledger:
    """weather, changed and granted; fares, an admin's; old, archived."""
    skills = ledger.skills
    skills.save("weather", FIELDS | {"owner": "ada", "tags": ["rain"]}, actor="ada")
    clock.advance(60)
    skills.save("weather", FIELDS | {"owner": "ada", "tags": ["rain", "sun"]}, actor="bo")
    skills.grant_quota("weather", 5_000, actor="root")
    skills.save("fares", FIELDS | {"name": "Fares", "max_iterations": 200}, author_is_admin=True)
    skills.save("old", FIELDS | {"visibility": "public"})
    skills.archive("old")
    return ledger


def written(tmp_path: Path, text: str | bytes) -> str:
    path = tmp_path / "skill.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


# ---------------------------------------------------------------------------------------------- save


def test_save_reads_yaml_from_a_file(run: Run, tmp_path: Path, ledger: Ledger) -> None:
    done = run("skills", "save", "weather", written(tmp_path, YAML), "--actor", "ada")
    assert (done.status, done.err) == (0, "")
    assert done.out == "weather saved: revision 1, tier default\n"
    found = ledger.skills.get("weather")
    assert found is not None
    assert (found.saved_by, found.skill.tags, found.skill.schedule) == ("ada", ("rain", "sun"), "daily")
    assert found.skill.input_schema == (keyledger.InputParameter(name="city", required=True),)


@pytest.mark.parametrize("text", [json.dumps(FIELDS), "\ufeff \n" + json.dumps(FIELDS), YAML])
def test_save_reads_json_or_yaml_from_standard_input(run: Run, text: str) -> None:
    saved = run("skills", "save", "weather", "-", "--json", stdin=text).json
    assert (saved["id"], saved["revision"], saved["skill"]["name"]) == ("weather", 1, "Weather")


def test_save_makes_a_ledger(run: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new.db"
    assert run("--url", url, "skills", "save", "weather", "-", stdin=YAML).status == 0
    assert run("--url", url, "skills", "get", "weather").status == 0


def test_save_of_an_admin_and_of_the_product_is_trusted(run: Run) -> None:
    much = json.dumps(FIELDS | {"max_iterations": 500})
    assert run("skills", "save", "a", "-", stdin=much).status == 2
    for flag in ("--admin", "--builtin"):
        assert run("skills", "save", "a", "-", flag, "--json", stdin=much).json["tier"] == "extended"


@pytest.mark.usefixtures("kept")
def test_save_at_another_revision_is_refused(run: Run) -> None:
    refused = run("skills", "save", "weather", "-", "--if-revision", "2", "--json", stdin=YAML)
    assert (refused.status, refused.error["error"]) == (3, "revision_conflict")
    assert run("skills", "save", "weather", "-", "--if-revision", "3", "--json", stdin=YAML).json["revision"] == 4


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("system_prompt: x", "error: name required\n"),
        ("name: x\nsystem_prompt: ' '", "system_prompt: got ' '; allowed is text that is not blank"),
        (YAML + "nme: x\n", "unknown field 'nme'"),
        (YAML + "name: again\n", "skill.yaml, line 8, column 1: the key name twice\n"),
        ('{"name": "a", "name": "b"}', "'name'"),
        ('{\n"name": ', "skill.yaml, line 2, column 9: Expecting value\n"),
        ("[1, 2]", "a mapping of a skill's fields"),
        ("", "a mapping of a skill's fields"),
        ("a: [1", "line 1, column 6: while parsing a flow sequence, expected ',' or ']', but got '<stream end>'"),
        ("at: 2026-13-45 00:00:00", "skill.yaml, line 1, column 5: month must be in 1..12\n"),
        ("a: 1\nb: \x07", "skill.yaml, line 2, column 4: the character U+0007 is not allowed\n"),
        ('a: "\\Uffffffff"', "skill.yaml, line 1, column 7: Python int too large"),
        ("[" * 10_000, "got '(too deep)'"),
        ("name: yes\nsystem_prompt: x", "name: got True; allowed is a string"),
        (b"name: \xff", "text in UTF-8"),
        (YAML + "max_tool_calls: 31\n", "ask an admin to grant extended_bounds for higher"),
    ],
)
def test_save_refuses_what_is_no_skill_and_says_why(
    run: Run, tmp_path: Path, text: str | bytes, told: str
) -> None:
    refused = run("skills", "save", "weather", written(tmp_path, text))
    assert (refused.status, refused.out) == (2, "")
    assert told in refused.err
    assert run("skills", "get", "weather").status == 1


@pytest.mark.usefixtures("kept")
def test_save_of_what_is_saved_already_says_so(run: Run) -> None:
    assert run("skills", "save", "weather", "-", stdin=YAML).out == "weather saved: revision 4, tier default\n"
    assert run("skills", "save", "weather", "-", stdin=YAML).out == "weather unchanged: revision 4, tier default\n"
    assert run("skills", "save", "weather", "-", "--json", stdin=YAML).json["revision"] == 4
    run("skills", "archive", "weather")
    assert run("skills", "save", "weather", "-", stdin=YAML).out == "weather saved: revision 6, tier default\n"


def test_save_of_a_file_that_is_not_there_is_refused(run: Run) -> None:
    refused = run("skills", "save", "weather", "none.yaml")
    assert (refused.status, "a file that can be read" in refused.err) == (2, True)


# ---------------------------------------------------------------------------------------------- get


@pytest.mark.usefixtures("kept")
def test_get_shows_a_skill_with_what_it_says(run: Run) -> None:
    shown = [line.split() for line in run("skills", "get", "weather").out.splitlines()]
    assert shown == [
        ["skill", "weather"],
        ["revision", "3"],
        ["saved", "2026-01-01", "00:01:00", "UTC,", "by", "bo"],
        ["tier", "default"],
        ["quota", "5,000", "bytes"],
        ["name", "Weather"],
        ["owner", "ada"],
        ["system_prompt", "Tell", "the", "weather."],
        ["tags", "rain,", "sun"],
    ]


@pytest.mark.usefixtures("kept")
def test_get_prints_a_document(run: Run) -> None:
    found = run("skills", "get", "weather", "--json").json
    assert list(found) == [
        *("id", "skill", "revision", "saved_revision", "created_at", "saved_at", "saved_by"),
        *("trusted", "tier", "extended_bounds", "quota_bytes", "archived"),
    ]
    assert (found["saved_at"], found["quota_bytes"]) == ("2026-01-01T00:01:00Z", 5_000)
    assert found["skill"]["output_target"] == {"kind": "reply", "target": ""}


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    ("at", "tags"), [("1", ["rain"]), ("2026-01-01T00:00:30Z", ["rain"]), ("2", ["rain", "sun"])]
)
def test_get_shows_a_skill_as_it_was(run: Run, at: str, tags: list[str]) -> None:
    assert run("skills", "get", "weather", "--at", at, "--json").json["skill"]["tags"] == tags


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (("get", "never"), 1, "skill_not_found"),
        (("get", "weather", "--at", "2025-01-01T00:00:00Z"), 1, "skill_not_found"),
        (("get", "weather", "--at", "9"), 1, "revision_not_found"),
        (("get", "weather", "--at", "soon"), 2, "invalid_argument"),
        (("get", "weather", "--at", "2026-01-01T00:00:00"), 2, "invalid_argument"),
        (("history", "never"), 1, "skill_not_found"),
        (("diff", "never", "1"), 1, "skill_not_found"),
        (("diff", "weather", "0"), 1, "skill_not_found"),
        (("archive", "never"), 1, "skill_not_found"),
        (("grant-quota", "never", "5"), 1, "skill_not_found"),
        (("grant-quota", "weather", "-5"), 2, "invalid_argument"),
        (("grant-quota", "weather", "many"), 2, "invalid_argument"),
        (("grant-quota", "weather", str(2**63)), 2, "invalid_argument"),
        (("grant-extended-bounds", "never"), 1, "skill_not_found"),
        (("archive", "weather", "--actor", "system:me"), 2, "invalid_argument"),
        (("list", "--limit", "0"), 2, "invalid_argument"),
        (("list", "--visibility", "foo"), 2, "invalid_argument"),
    ],
)
def test_what_cannot_be_done_ends_with_its_status(run: Run, arguments: list[str], status: int, code: str) -> None:
    ended = run("skills", *arguments, "--json")
    assert (ended.status, ended.error["error"], ended.out) == (status, code, "")


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("command", ["get weather --at", "diff weather"])
@pytest.mark.parametrize(
    ("at", "told"), [("0", "revision 0"), ("2025-12-31T23:59:59+01:00", "2025-12-31T22:59:59+00:00")]
)
def test_before_its_first_save_a_skill_was_not_there_yet(run: Run, command: str, at: str, told: str) -> None:
    ended = run("skills", *command.split(), at)
    assert (ended.status, ended.err) == (1, f"error: skill 'weather' was not saved yet at {told}\n")
    assert run("skills", "get", "never", "--at", "0").err == "error: no skill 'never' was saved\n"


# ------------------------------------------------------------------------------------- list, history


@pytest.mark.usefixtures("kept")
def test_list_shows_skills_in_the_order_of_their_ids(run: Run) -> None:
    shown = [line.split() for line in run("skills", "list", COLUMNS="120").out.splitlines()]
    assert shown[0] == ["id", "name", "owner", "tags", "visibility", "tier", "rev", "saved"]
    assert shown[2] == ["fares", "Fares", "private", "extended", "1", "2026-01-01", "00:01:00"]
    assert shown[3][:6] == ["weather", "Weather", "ada", "rain,", "sun", "private"]
    assert len(shown) == 4


@pytest.mark.usefixtures("kept")
def test_list_is_narrowed_and_paged(run: Run) -> None:
    def listed(*options: str) -> tuple[list[str], str | None]:
        found = run("skills", "list", "--json", *options).json
        return [each["id"] for each in found["skills"]], found["next"]

    assert listed("--include-archived") == (["fares", "old", "weather"], None)
    assert listed("--owner", "ada") == listed("--tag", "Rain") == (["weather"], None)
    assert listed("--visibility", "public", "--include-archived") == (["old"], None)
    assert listed("--limit", "1") == (["fares"], "fares")
    assert listed("--limit", "1", "--after", "fares") == (["weather"], None)
    assert "there are more: --after fares" in run("skills", "list", "--limit", "1").out
    assert run("skills", "list", "--tag", "never").out == "no such skills\n"


@pytest.mark.usefixtures("kept")
def test_history_shows_each_change(run: Run) -> None:
    run("skills", "grant-quota", "weather", "none")
    run("skills", "grant-extended-bounds", "weather")
    run("skills", "grant-extended-bounds", "weather", "--revoke")
    run("skills", "archive", "weather", "--actor", "root")
    shown = [line.split() for line in run("skills", "history", "weather").out.splitlines()[2:]]
    told = [[row[0], *row[3:]] for row in shown]
    assert told == [
        ["7", "archive", "root"],
        ["6", "extended_bounds", "taken", "back"],
        ["5", "extended_bounds", "granted"],
        ["4", "quota", "taken", "back"],
        ["3", "quota", "root", "5,000", "bytes"],
        ["2", "save", "bo", "Weather"],
        ["1", "save", "ada", "Weather"],
    ]


@pytest.mark.usefixtures("kept")
def test_history_comes_in_pages(run: Run) -> None:
    page = run("skills", "history", "weather", "--limit", "2", "--json").json
    assert ([each["revision"] for each in page["versions"]], page["next"]) == ([3, 2], 2)
    assert (page["skill"], page["versions"][0]["skill"]) == ("weather", None)
    assert "there are more: --before 2" in run("skills", "history", "weather", "--limit", "2").out
    assert run("skills", "history", "weather", "--before", "1").out == "no changes before that\n"


@pytest.mark.usefixtures("kept")
def test_diff_shows_what_differs(run: Run) -> None:
    assert run("skills", "diff", "weather", "1", "2").out == 'weather rev 1 → rev 2\n  add /tags/1 "sun"\n'
    assert run("skills", "diff", "weather", "2").out == "weather rev 2 → rev 3\n  quota_bytes null → 5000\n"
    assert run("skills", "diff", "weather", "3", "3").out == "weather rev 3 → rev 3  nothing differs\n"
    found = run("skills", "diff", "weather", "1", "--json").json
    assert (found["before"]["revision"], found["after"]["revision"]) == (1, 3)
    assert found["patch"] == [{"op": "add", "path": "/tags/1", "value": "sun"}]


# ------------------------------------------------------------------------------------------ validate


def test_validate_needs_no_ledger(run: Run, tmp_path: Path) -> None:
    (tmp_path / "keyledger.db").unlink()
    done = run("skills", "validate", "-", stdin=YAML)
    assert (done.status, done.out, done.err) == (0, "Weather: keeps the rules of the default tier\n", "")
    assert run("skills", "validate", "-", "--json", stdin=YAML).json["skill"]["tags"] == ["rain", "sun"]
    refused = run("skills", "validate", "-", "--json", stdin=YAML + "max_iterations: 13\n")
    assert (refused.status, refused.error["message"][:22]) == (2, "max_iterations: got 13")
    assert not (tmp_path / "keyledger.db").exists()


@pytest.mark.parametrize("flag", ["--admin", "--builtin", "--extended-bounds"])
def test_validate_judges_as_for_a_trusted_author_or_a_grant(run: Run, flag: str) -> None:
    done = run("skills", "validate", "-", flag, stdin=YAML + "max_iterations: 13\n")
    assert (done.status, done.out) == (0, "Weather: keeps the rules of the extended tier\n")


def test_a_skill_is_judged_as_configured(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "keyledger.yaml"
    config.write_text("skills: {model_tiers: [local], tiers: {default: {max_iterations: 2}}}\n")
    mine = json.dumps(FIELDS | {"model_tier": "local", "max_iterations": 2})
    more = json.dumps(FIELDS | {"max_iterations": 3})
    for command in (("validate", "-"), ("save", "weather", "-")):
        assert run("skills", *command, stdin=mine).status == 0
        assert run("skills", *command, stdin=more).status == 2
    config.unlink()
    assert run("skills", "validate", "-", stdin=mine).status == 2


# -------------------------------------------------------------------------------------------- grants


@pytest.mark.usefixtures("kept")
def test_grants_tell_what_is_so_now(run: Run, ledger: Ledger) -> None:
    assert run("skills", "grant-quota", "weather", "900").out == (
        "weather may use 900 bytes: revision 4, tier default\n"
    )
    assert ledger.partition("weather").usage().max_bytes == 900
    assert run("skills", "grant-quota", "weather", "none", "--json").json["quota_bytes"] is None
    assert ledger.partition("weather").usage().max_bytes == 1_048_576
    bounds = run("skills", "grant-extended-bounds", "weather", "--actor", "root")
    assert bounds.out == "weather is of the extended tier: revision 6, tier extended\n"
    assert ledger.skills.history("weather").items[0].changed_by == "root"
    assert run("skills", "grant-extended-bounds", "weather", "--revoke", "--json").json["tier"] == "default"
    assert run("skills", "archive", "weather").out == "weather archived: revision 8, tier default\n"


def test_without_a_command_the_help_is_shown(run: Run) -> None:
    shown = run("skills").out
    for name in ("save", "get", "list", "history", "diff", "validate", "grant-quota", "grant-extended-bounds"):
        assert f" {name} " in shown


def test_reading_commands_make_no_ledger(run: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/mistyped.db"
    for command in (("get", "a"), ("list",), ("history", "a"), ("diff", "a", "1"), ("archive", "a")):
        assert run("--url", url, "skills", *command).status == 4
    assert not (tmp_path / "mistyped.db").exists()


def test_what_a_skill_says_plays_no_tricks_on_a_terminal(run: Run, ledger: Ledger) -> None:
    ledger.skills.save("a\x1b[2J", FIELDS | {"name": "\x1b[31m", "description": "a\x07\nb", "tools": ["\x1b"]})
    for command in (("get", "a\x1b[2J"), ("list",), ("history", "a\x1b[2J")):
        assert not set(run("skills", *command).out) & {"\x1b", "\x07"}
