"""What it costs to look several keys up on SQLite: a seek for each, however many keys there are beside them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import orjson
import pytest

import keyledger
from keyledger.adapters.sqlite.statements import SQL

KEYS, ASKED = 2_000, 10
WANTED = {
    "read_entries": [f"k{number}" for number in range(ASKED)],
    "load_slice_many": [["skill", f"k{number}"] for number in range(ASKED)],
}


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> sqlite3.Connection:
    path: Path = tmp_path_factory.mktemp("entries") / "l.db"
    with keyledger.open(f"sqlite:///{path}", synchronous="NORMAL") as ledger:
        for start in range(0, KEYS, 1_000):
            with ledger.partition("p").batch() as batch:
                for number in range(start, start + 1_000):
                    batch.set(f"k{number}", number)
    return sqlite3.connect(path)


@pytest.mark.parametrize("name", WANTED)
def test_each_key_is_sought(connection: sqlite3.Connection, name: str) -> None:
    steps: list[None] = []
    connection.set_progress_handler(lambda: steps.append(None), 10)
    keys = orjson.dumps(WANTED[name]).decode()
    found = connection.execute(getattr(SQL, name), {"stream": "partition:p", "scope": "skill", "keys": keys})
    assert len(found.fetchall()) == ASKED
    connection.set_progress_handler(None, 0)
    assert len(steps) * 10 < 100 * ASKED, f"{len(steps) * 10} steps for {ASKED} keys"
