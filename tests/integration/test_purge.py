"""What a purge takes out of a SQLite ledger is not in its file any more."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import keyledger
from keyledger.adapters.conformance.clock import ManualClock

NOTE = "a note that nobody may find"


def test_no_byte_of_a_purged_run_stays_in_the_file(tmp_path: Path) -> None:
    path, clock = tmp_path / "l.db", ManualClock()
    with keyledger.open(f"sqlite:///{path}", clock=clock) as ledger:
        for number in range(20):
            run_id = f"r-{number}"
            ledger.runs.start(keyledger.RunInfo(run_id, "weather", inputs={"note": NOTE * number}))
            for length in (1, 100, 1_000):
                ledger.runs.append_log(keyledger.RunLog(run_id, "step", {"note": NOTE * length}))
            ledger.runs.finish(run_id, keyledger.RunStats("ok", NOTE * 10))
        assert _found(path) > 0
        assert ledger.runs.purge_older_than(clock.now() + timedelta(seconds=1)) == 20
    assert _found(path) == 0


def _found(path: Path) -> int:
    """How often the secret stands in the file, with all that was committed moved into it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return path.read_bytes().count(NOTE.encode())
