"""Real input with an oracle: the git history of this repository, imported, against git's own answers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

import keyledger

REPOSITORY = Path(__file__).parents[2]
MARK = "\x1e"


def git(*arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(REPOSITORY), "-c", "core.quotePath=false", *arguments],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


FIRST_PARENT = ("--first-parent", "--diff-merges=first-parent", "--no-renames")


def commits() -> Iterator[tuple[str, str, int, list[str]]]:
    """Each first-parent commit, oldest first: id, author, time, raw changes."""
    log = git("log", *FIRST_PARENT, "--reverse", "--raw", "--no-abbrev", f"--format={MARK}%H%x09%an%x09%ct")
    for block in log.split(MARK)[1:]:
        head, *changes = block.strip("\n").split("\n")
        commit, author, time = head.split("\t")
        yield commit, author, int(time), [change for change in changes if change]


def lines() -> Iterator[str]:
    """Import lines: a key per path, a run per commit, times that never go back."""
    latest = 0
    for commit, author, time, changes in commits():
        latest = max(latest, time)
        for change in changes:
            meta, path = change.split("\t")
            _, mode, _, blob, status = meta.split(" ")
            common = {"partition": "repo", "key": path, "actor": author, "run_id": commit}
            common["recorded_at"] = _iso(latest)
            if status == "D":
                yield json.dumps({**common, "op": "delete"})
            else:
                yield json.dumps({**common, "value": {"mode": mode, "blob": blob}})


def _iso(seconds: int) -> str:
    from datetime import UTC, datetime  # noqa: PLC0415

    return datetime.fromtimestamp(seconds, UTC).isoformat()


def tree() -> dict[str, Any]:
    """What git says is there: path to mode and blob."""
    found = {}
    for line in git("ls-tree", "-r", "HEAD").splitlines():
        meta, path = line.split("\t")
        mode, _, blob = meta.split(" ")
        found[path] = {"mode": mode, "blob": blob}
    return found


@pytest.fixture
def ledger(reopen: Callable[..., keyledger.Ledger]) -> Iterator[keyledger.Ledger]:
    with reopen(quota=None) as ledger:
        yield ledger


def test_the_imported_history_answers_as_git_does(ledger: keyledger.Ledger) -> None:
    imported = list(lines())
    assert ledger.import_lines(imported, source="git").imported == len(imported)
    assert ledger.import_lines(imported, source="git").repeated == len(imported)
    kv = ledger.partition("repo")
    expected = tree()
    assert {entry.key: entry.value for entry in _all(kv)} == expected
    assert [entry.key for entry in _all(kv)] == sorted(expected, key=str.encode)
    usage = kv.usage()
    assert usage.live_keys == len(expected)
    assert usage.used_bytes == sum(len(orjson.dumps(value)) for value in expected.values())
    for path in list(expected)[:40]:
        runs = [version.run_id for version in kv.history(path, limit=1000)]
        assert runs == git("log", *FIRST_PARENT, "--format=%H", "--", path).split()
    assert ledger.rebuild().differences == ()


def _all(kv: keyledger.Partition) -> Iterator[keyledger.Entry]:
    after: str | None = ""
    while after is not None:
        page = kv.list(limit=7, after=after)
        yield from page
        after = None if page.next is None else str(page.next)
