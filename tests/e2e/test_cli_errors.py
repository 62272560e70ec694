"""How commands end, and which ledger they work on."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

import keyledger
from tests.e2e.cli import Run


def test_status_1_is_for_a_key_that_is_not_there(run: Run) -> None:
    for command in ("get", "history"):
        done = run(command, "k")
        assert (done.status, done.out, done.err) == (1, "", "error: no key 'k' in scope 'skill'\n")
    assert run("get", "k", "--json").error == {
        "ok": False,
        "error": "not_found",
        "message": "no key 'k' in scope 'skill'",
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ["frob"],
        ["get"],
        ["get", "k", "extra"],
        ["list", "--frob"],
        ["list", "--limit", "many"],
        ["list", "--limit", "0"],
        ["set", "k", "1", "--ttl", "0"],
        ["set", "k", "1", "--scope", "user:"],
        ["set", "", "1"],
        ["get", "k", "-p", ""],
        ["get", "k", "--url", "mysql://host/db"],
        ["--url", "", "get", "k"],
        ["import", "history.jsonl", "--on-error", "explode"],
        ["exec", "missing.jsonl"],
        ["import", "missing.jsonl"],
        ["exec", "."],
    ],
)
def test_status_2_is_for_what_was_not_understood(run: Run, arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.status, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith("error: ")
    told = run("--json", *arguments)
    assert (told.status, told.error["ok"], told.error["error"]) == (2, False, "invalid_argument")


def test_status_3_is_for_what_the_ledger_refuses(run: Run) -> None:
    run("set", "word", '"x"')
    refused = [
        run("set", "k", "1", "--if-revision", "3", "--json"),
        run("incr", "word", "--json"),
        run("set", "k", "-", "--json", stdin=json.dumps("x" * 70_000)),
    ]
    assert [done.status for done in refused] == [3, 3, 3]
    codes = [done.error["error"] for done in refused]
    assert codes == ["revision_conflict", "invalid_value_type", "value_too_large"]


def test_status_4_is_for_storage_that_is_in_the_way(run: Run, tmp_path: Path) -> None:
    done = run("get", "k", "--url", "sqlite:///missing/folder.db", "--json")
    assert (done.status, done.error["error"]) == (4, "storage_unavailable")
    (tmp_path / "text.db").write_text("this is no database, but a text of some length" * 99)
    assert run("get", "k", "--url", "sqlite:///text.db").status == 4


def test_a_bug_is_one_line_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyledger.Partition, "get", lambda *_, **__: 1 / 0)
    done = run("get", "k")
    assert (done.status, done.err.count("\n")) == (70, 1)
    assert done.err.startswith("error: a bug in keyledger, please report it: ZeroDivisionError")


def test_the_ledger_is_named_by_option_before_environment(run: Run, tmp_path: Path) -> None:
    run("--url", "sqlite:///a.db", "set", "k", "1", KEYLEDGER_URL="sqlite:///b.db")
    run("set", "k", "2", "--url", "sqlite:///c.db", KEYLEDGER_URL="sqlite:///b.db")
    run("set", "k", "3", KEYLEDGER_URL="sqlite:///b.db")
    run("set", "k", "4")
    values = {path.name: run("get", "k", "--url", f"sqlite:///{path.name}").out for path in tmp_path.glob("*.db")}
    assert values == {"a.db": "1\n", "c.db": "2\n", "b.db": "3\n", "keyledger.db": "4\n"}


def test_with_a_cipher_key_values_are_encrypted(run: Run, tmp_path: Path, new_ledger: Path) -> None:
    new_ledger.unlink()
    key = base64.b64encode(bytes(range(32))).decode()
    assert run("set", "k", '"secret words"', KEYLEDGER_CIPHER_KEY=key).status == 0
    assert run("get", "k", KEYLEDGER_CIPHER_KEY=key).out == '"secret words"\n'
    assert b"secret words" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert run("get", "k", KEYLEDGER_CIPHER_KEY=base64.b64encode(bytes(32)).decode()).status == 4


@pytest.mark.parametrize("key", ["tell nobody", base64.b64encode(b"tell nobody").decode()])
def test_a_bad_cipher_key_is_refused_and_not_repeated(run: Run, key: str) -> None:
    done = run("get", "k", KEYLEDGER_CIPHER_KEY=key)
    assert done.status == 2
    assert done.err.startswith("error: KEYLEDGER_CIPHER_KEY: ")
    assert key not in done.err


@pytest.mark.parametrize(
    "arguments", [["get", "k"], ["list"], ["delete", "k"], ["history", "k"], ["usage"], ["partitions"], ["sweep"]]
)
def test_what_only_reads_makes_no_ledger(run: Run, new_ledger: Path, arguments: list[str]) -> None:
    new_ledger.unlink()
    ended = run(*arguments)
    assert (ended.status, ended.out) == (4, "")
    assert "there is no ledger at 'keyledger.db'" in ended.err
    assert not new_ledger.exists()


def test_quotas_come_from_the_environment(run: Run) -> None:
    bytes_of_quota = {"KEYLEDGER_KV_NAMESPACE_QUOTA_BYTES": "5"}
    assert run("set", "k", "123456", **bytes_of_quota).status == 3
    assert run("set", "k", "12345", **bytes_of_quota).status == 0
    done = run("set", "k", "123456", KEYLEDGER_KV_GLOBAL_QUOTA_BYTES="5")
    assert (done.status, "global byte quota" in done.err) == (3, True)
    done = run("get", "k", KEYLEDGER_KV_GLOBAL_QUOTA_BYTES="much")
    assert (done.status, "KEYLEDGER_KV_GLOBAL_QUOTA_BYTES" in done.err) == (2, True)
