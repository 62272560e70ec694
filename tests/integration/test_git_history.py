"""Real input with an oracle: the git history of this repository, imported, against git's own answers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from random import Random
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


def tree(commit: str = "HEAD") -> dict[str, Any]:
    """What git says was there: path to mode and blob."""
    found = {}
    for line in git("ls-tree", "-r", commit).splitlines():
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


@pytest.fixture
def kv(ledger: keyledger.Ledger) -> keyledger.Partition:
    ledger.import_lines(lines(), source="git", stop=True)
    return ledger.partition("repo")


def drawn(count: int) -> list[str]:
    """Some first-parent commits that changed something, oldest first, the same at each run over one history."""
    history = [commit for commit, _, _, changes in commits() if changes]
    chosen = set(Random(len(history)).sample(history, min(count, len(history))))
    return [commit for commit in history if commit in chosen]


def name_status(old: str, new: str) -> dict[str, str]:
    """What git says is different: path to A, D, M or T."""
    changed = git("diff", "--no-renames", "--name-status", old, new).splitlines()
    return {path: status for status, path in (line.split("\t") for line in changed)}


def told(changes: tuple[keyledger.KeyChange, ...]) -> dict[str, str]:
    """The same of a difference; git tells a change of type from another by the mode."""
    letters = {"added": "A", "removed": "D", "changed": "M"}
    found = {change.key: letters[change.kind] for change in changes}
    for change in changes:
        modes = {str(each.value["mode"])[:2] for each in (change.before, change.after) if each}  # type: ignore[index,call-overload]
        if len(modes) > 1:
            found[change.key] = "T"
    return found


def test_each_commit_is_as_git_has_it_at_its_end(kv: keyledger.Partition) -> None:
    for commit in drawn(25):
        view, expected = kv.at(run=commit, end=True), tree(commit)
        assert {entry.key: entry.value for entry in view.scan()} == expected
        assert [entry.key for entry in _all(view)] == sorted(expected, key=str.encode)
        assert {entry.key: entry.value for entry in kv.at(str(view)).scan()} == expected
        assert view.usage().live_keys == len(expected)


def test_each_commit_differs_from_its_parent_as_git_says(kv: keyledger.Partition) -> None:
    for commit in drawn(25):
        start, end = kv.at(run=commit), kv.at(run=commit, end=True)
        parents = git("rev-parse", f"{commit}^@").split()
        old = parents[0] if parents else git("hash-object", "-t", "tree", "/dev/null").strip()
        changes = kv.diff(start, end)
        assert told(changes) == name_status(old, commit)
        assert [change.key for change in changes] == sorted((change.key for change in changes), key=str.encode)
        assert all(bool(change.patch) == (change.kind == "changed") for change in changes)


def test_any_two_commits_differ_as_git_says(kv: keyledger.Partition) -> None:
    for old, new in pairwise(drawn(12)):
        before, after = (kv.at(run=commit, end=True) for commit in (old, new))
        assert told(kv.diff(before, after)) == name_status(old, new)
        assert told(kv.diff(after, before)) == name_status(new, old)


def test_bisect_finds_the_commit_with_which_a_file_came(kv: keyledger.Partition) -> None:
    for path in Random(1).sample(sorted(tree()), 10):
        added = git("log", *FIRST_PARENT, "--diff-filter=A", "--format=%H", "--", path).split()
        found = kv.bisect(path, lambda entry: entry is not None)
        assert found is not None
        assert found.run_id in added


def test_a_restored_commit_is_that_commit_again(kv: keyledger.Partition) -> None:
    for commit in drawn(4):
        kv.restore_all(kv.at(run=commit, end=True))
        assert {entry.key: entry.value for entry in _all(kv)} == tree(commit)


def _all(kv: keyledger.Partition | keyledger.View) -> Iterator[keyledger.Entry]:
    after: str | None = ""
    while after is not None:
        page = kv.list(limit=7, after=after)
        yield from page
        after = None if page.next is None else str(page.next)
