"""A watcher that ends at any change, and another that resumes from there, see each change exactly once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, cycle, islice
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import keyledger
from keyledger.adapters.event_mapper import EventMapper
from keyledger.adapters.memory.storage import MemoryStorage
from keyledger.domain.partition import KeyEvent, PartitionDeleted
from keyledger.opening import ledger_on

LAST = "the last of all"
PARTITIONS = count()
KEYS = st.sampled_from(["a", "ab", "b"])
SCOPES = st.sampled_from(["skill", "user:ada"])
WRITES = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["set", "increment", "delete"]), KEYS, SCOPES),
        st.tuples(st.just("batch"), st.lists(KEYS, min_size=1, max_size=5), SCOPES),
        st.tuples(st.sampled_from(["quota", "drop"]), st.just(""), SCOPES),
    ),
    max_size=15,
)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def ledgers(
    request: pytest.FixtureRequest, tmp_path: Path, schema: str
) -> Iterator[tuple[keyledger.Ledger, keyledger.Ledger]]:
    """The same ledger, opened twice: one writes, one watches."""
    storage = MemoryStorage(EventMapper())
    reopen: Callable[[], keyledger.Ledger] = partial(ledger_on, lambda: storage)
    if request.param == "sqlite":
        reopen = partial(keyledger.open, f"sqlite:///{tmp_path}/l.db", synchronous="NORMAL")
    elif request.param == "postgres":
        reopen = partial(keyledger.open, request.getfixturevalue("postgres_url"), schema=schema)
    with reopen() as one, reopen() as other:
        yield one, other


def write(ledger: keyledger.Ledger, name: str, what: str, key: Any, scope: str) -> None:
    kv = ledger.partition(name)
    match what:
        case "set":
            kv.set(key, "text" if scope == "skill" else 1, scope=scope)
        case "increment":
            kv.increment(key, scope="user:ada")
        case "delete":
            kv.delete(key, scope=scope)
        case "batch":
            with kv.batch() as batch:
                for each in key:
                    batch.set(each, 1, scope=scope)
        case "quota":
            kv.set_quota(100_000)
        case _:
            ledger.delete_partition(name)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    scripts=st.lists(WRITES, min_size=1, max_size=3),
    lives=st.lists(st.integers(0, 6), min_size=1, max_size=8).filter(any),
    prefix=st.sampled_from(["", "a", "ab"]),
    scope=st.sampled_from([None, "skill"]),
    politely=st.booleans(),
)
def test_each_change_is_seen_once_however_often_the_watcher_ends(
    ledgers: tuple[keyledger.Ledger, keyledger.Ledger],
    scripts: list[list[tuple[str, Any, str]]],
    lives: list[int],
    prefix: str,
    scope: str | None,
    politely: bool,  # noqa: FBT001 - drawn
) -> None:
    writing, watching = ledgers
    name, begin = f"p{next(PARTITIONS)}", Barrier(len(scripts) + 1)

    def run(script: list[tuple[str, Any, str]]) -> None:
        begin.wait(60)
        for operation in script:
            write(writing, name, *operation)

    def run_all() -> None:
        writers = [Thread(target=run, args=(script,)) for script in scripts]
        for writer in writers:
            writer.start()
        begin.wait(60)
        for writer in writers:
            writer.join()
        writing.partition(name).set(f"{prefix}{LAST}", 1)

    everything = Thread(target=run_all)
    everything.start()
    kv, seen, cursor = watching.partition(name), list[keyledger.Version](), 0
    for life in cycle(lives):
        watch = kv.watch(prefix, scope=scope, after=cursor)
        seen += islice(iter(_until_last(watch)), life)
        cursor = watch.revision if politely or not seen else max(cursor, seen[-1].revision)
        if politely:
            watch.close()
        if seen and seen[-1].key.endswith(LAST):
            break
    everything.join()
    assert [version.revision for version in seen] == _asked_for(watching, name, prefix, scope)


def _until_last(watch: keyledger.Watch) -> Iterator[keyledger.Version]:
    for version in watch:
        yield version
        if version.key.endswith(LAST):
            return


def _asked_for(ledger: keyledger.Ledger, name: str, prefix: str, scope: str | None) -> list[int]:
    """The revisions that a watcher should see, from all events."""
    return [
        event.originator_version
        for event in ledger.storage.events(f"partition:{name}", 0, 10_000)
        if isinstance(event, PartitionDeleted)
        or (
            isinstance(event, KeyEvent)
            and event.key.startswith(prefix)
            and (scope is None or event.scope == scope)
        )
    ]
