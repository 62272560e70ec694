"""The commands fork and replay."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

import pytest

import keyledger
from tests.e2e.cli import Run

RED, GREEN = "\x1b[31m", "\x1b[32m"


@pytest.fixture
def orders(run: Run) -> Run:
    """A ledger of orders: price is 20, sold is 2, and one expires."""
    for command in (("price", "20"), ("sold", "2"), ("offer", '"half"', "--ttl", "3600")):
        assert run("set", *command, "-p", "orders", "--actor", "shop").status == 0
    return run


Work: TypeAlias = Callable[[keyledger.Ledger, keyledger.Partition], object]
Audited: TypeAlias = Callable[[Work], Run]


@pytest.fixture
def audited(orders: Run) -> Audited:
    """Has run r-1 of tree r-0 do some work, its reads recorded, and gives the command line."""

    def do(work: Work) -> Run:
        with (
            keyledger.open() as ledger,
            ledger.runs.record("orders", run_id="r-1", root_run_id="r-0", caller_id="ada") as run,
        ):
            work(ledger, run.partition("orders", record_reads=True))
        return orders

    return do


# ---------------------------------------------------------------------------------------------- fork


def test_fork_says_what_it_copied(orders: Run) -> None:
    ended = orders("fork", "sandbox", "-p", "orders", "--at", "2")
    assert ended.status == 0
    assert ended.out.startswith("sandbox began as orders@2~")
    assert ended.out.endswith("Z: 2 keys, 3 bytes\n")
    assert orders("get", "price", "-p", "sandbox").out == "20\n"
    assert orders("get", "offer", "-p", "sandbox").status == 1


def test_fork_is_of_now_unless_a_moment_is_given_and_names_who_made_it(orders: Run) -> None:
    found = orders("fork", "sandbox", "-p", "orders", "--actor", "eve", "--run-id", "r-7", "--json").json
    assert (found["into"], found["scope"], found["keys"], found["bytes"]) == ("sandbox", None, 3, 9)
    assert found["source"].startswith("orders@3~")
    (copied,) = orders("history", "price", "-p", "sandbox", "--json").json["versions"]
    assert (copied["copied_from"], copied["changed_by"], copied["run_id"]) == (3, "eve", "r-7")


def test_usage_says_what_a_fork_is_a_copy_of(orders: Run) -> None:
    source = orders("fork", "sandbox", "-p", "orders", "--at", "2", "--json").json["source"]
    orders("set", "plan", "1", "--scope", "root_run:t-1")
    orders("fork", "t-2", "--scope", "root_run:t-1")
    told = orders("usage", "-p", "sandbox")
    assert told.out.splitlines()[-1] == f"began as a copy of {source}"
    assert orders("usage", "-p", "sandbox", "--at", "1", "--json").json["forked_from"] == source
    tree = orders("usage", "--scope", "root_run:t-2", "--json").json
    assert tree["forked_from"].startswith("__root_run__:t-1@1~")
    assert orders("usage", "-p", "orders", "--json").json["forked_from"] is None
    assert "copy" not in orders("usage", "-p", "orders").out


def test_fork_takes_the_partition_from_a_token(orders: Run) -> None:
    assert orders("fork", "sandbox", "--at", "orders@1").status == 0
    assert [each["key"] for each in orders("list", "-p", "sandbox", "--json").json["entries"]] == ["price"]


def test_fork_of_a_tree_is_a_tree(orders: Run) -> None:
    orders("set", "plan", "1", "--scope", "root_run:r-0")
    assert orders("fork", "r-9", "--scope", "root_run:r-0").out.startswith(
        "scope root_run:r-9 began as __root_run__:r-0@1~"
    )
    assert orders("get", "plan", "--scope", "root_run:r-9").out == "1\n"
    assert orders("fork", "r-8", "--scope", "root_run:r-0", "--json").json["scope"] == "root_run:r-8"


def test_fork_into_what_was_used_is_refused(orders: Run) -> None:
    ended = orders("fork", "orders", "-p", "orders")
    assert ended.status == 2
    orders("set", "k", "1", "-p", "used")
    refused = orders("fork", "used", "-p", "orders", "--json")
    assert (refused.status, refused.error["error"]) == (3, "partition_exists")
    assert orders("fork", "new", "-p", "orders", "--at", "99").status == 1


# -------------------------------------------------------------------------------------------- replay


def test_replay_of_a_run_that_nobody_disturbed(audited: Audited) -> None:
    def work(_: keyledger.Ledger, kv: keyledger.Partition) -> None:
        kv.get("price")
        kv.increment("sold")
        kv.set("plan", 1, scope="root_run:r-0")

    run = audited(work)
    ended = run("replay", "r-1", "--into", "sandbox")
    first, *sandboxes = ended.out.splitlines()
    assert (ended.status, first) == (0, "r-1: every step came out as it had (2 writes, 1 read)")
    assert [each.split("~")[0] for each in sandboxes] == [
        "in sandbox, from orders@3",
        "in scope root_run:sandbox, from __root_run__:r-0@0",
    ]
    assert run("get", "sold", "-p", "sandbox").out == "3\n"


def _disturbed(ledger: keyledger.Ledger, kv: keyledger.Partition) -> None:
    kv.increment("sold")
    ledger.partition("orders", actor="shop", run_id="feed-7").set("price", 95)
    kv.get("price")


def test_replay_shows_then_and_now_and_because_of_what(audited: Audited) -> None:
    ended = audited(_disturbed)("replay", "r-1", "--into", "sandbox")
    lines = ended.out.splitlines()
    assert (ended.status, lines[:4]) == (
        0,
        [
            "r-1: 1 of 2 steps (1 write, 1 read) came out as they had, then this one did not:",
            "read price  in orders",
            "  - then 95  rev 5, by shop, in run feed-7",
            "  + now  20",
        ],
    )
    assert lines[4].startswith("  because of: set at 20")
    assert lines[4].endswith(" UTC  rev 5, by shop, in run feed-7")


def test_replay_shows_then_in_red_and_now_in_green(audited: Audited, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    out = audited(_disturbed)("replay", "r-1", "--into", "sandbox").out
    assert f"{RED}  - then 95" in out
    assert f"{GREEN}  + now  20" in out


def test_replay_as_json_is_the_report(audited: Audited) -> None:
    report = audited(_disturbed)("replay", "r-1", "--into", "sandbox", "--actor", "eve", "--json").json
    assert (report["run_id"], report["writes"], report["reads"], report["agreed"]) == ("r-1", 1, 1, 1)
    assert report["sandboxes"][0]["partition_id"] == "sandbox"
    difference = report["difference"]
    assert (difference["operation"], difference["key"]) == ("read", "price")
    assert (difference["then"]["value"], difference["now"]["value"], difference["cause"]["revision"]) == (
        95,
        20,
        5,
    )


def test_replay_shows_a_refusal(audited: Audited) -> None:
    def work(ledger: keyledger.Ledger, kv: keyledger.Partition) -> None:
        kv.set("sold", "many")
        ledger.partition("orders").set("sold", 1)
        kv.increment("sold")

    lines = audited(work)("replay", "r-1", "--into", "sandbox").out.splitlines()
    assert lines[1:5] == [
        "increment sold  in orders",
        "  - then 2  rev 6, by ada, in run r-1",
        '  + now  "many"',
        "  refused now: cannot increment 'sold': it holds a string, and only an integer can be incremented",
    ]


def test_replay_shows_what_is_not_there(audited: Audited) -> None:
    def work(ledger: keyledger.Ledger, kv: keyledger.Partition) -> None:
        kv.set("plan", 1, scope="user:ada")
        ledger.partition("orders").delete("price")
        kv.get("price")
        ledger.partition("orders").set("late", 1, scope="user:ada")
        kv.delete("late", scope="user:ada")

    run = audited(work)
    assert run("replay", "r-1", "--into", "one").out.splitlines()[1:4] == [
        "read price  in orders",
        "  - then nothing",
        "  + now  20",
    ]


def test_replay_names_the_scope_where_it_is_not_the_skills(audited: Audited) -> None:
    def work(ledger: keyledger.Ledger, kv: keyledger.Partition) -> None:
        kv.set("plan", 1)
        ledger.partition("orders").set("late", 1, scope="user:ada")
        kv.delete("late", scope="user:ada")

    assert audited(work)("replay", "r-1", "--into", "one").out.splitlines()[1:4] == [
        "delete user:ada late  in orders",
        "  - then deleted  rev 6, by ada, in run r-1",
        "  + now  nothing",
    ]


def test_replay_tells_when_no_reads_are_there_to_compare(orders: Run) -> None:
    orders("incr", "sold", "-p", "orders", "--run-id", "r-2")
    out = orders("replay", "r-2", "--into", "sandbox").out
    assert out.splitlines()[-1] == (
        "no reads of it are recorded (record_reads has a run record them): "
        "only what increments and deletes came to was compared"
    )


def test_replay_of_a_purged_run_tells_where_its_reads_went(audited: Audited) -> None:
    run = audited(_disturbed)
    with keyledger.open() as ledger:
        ledger.runs.purge_older_than(datetime.now(UTC))
    out = run("replay", "r-1", "--into", "sandbox").out
    assert "they went with its purge" in out


def test_replay_of_a_run_that_touched_nothing(audited: Audited) -> None:
    run = audited(lambda _, kv: kv.usage())
    assert run("replay", "r-1", "--into", "sandbox").out == (
        "r-1: wrote nothing and recorded no reads: there is nothing to replay\n"
    )


def test_replay_of_an_unknown_run_or_into_what_was_used(audited: Audited) -> None:
    run = audited(_disturbed)
    assert run("replay", "r-9", "--into", "sandbox").status == 1
    assert run("replay", "r-1", "--into", "orders").status == 3
    assert run("replay", "r-1").status == 2
