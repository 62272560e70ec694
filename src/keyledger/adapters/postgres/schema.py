"""The tables as a script, for an administrator who lets nobody else create any.

On Citus every table with a row for a stream is distributed by the stream's id and stands beside the events, so
that a stream is on one shard. What is read at every opening and hardly ever written has a copy on every node. The
tables of the global quota stay on the coordinator: its one counter changes in one transaction with its leases, and
copies would make every lease a commit on all nodes. So do those of followers, whose batches are of many streams.
"""

from __future__ import annotations

from typing import Literal

from keyledger.adapters.postgres.statements import MIGRATIONS

Engine = Literal["postgres", "citus"]

VERSION = len(MIGRATIONS)
"""The version of the schema: how many migrations made it."""

VERSION_TABLE = "CREATE TABLE IF NOT EXISTS keyledger_schema (version integer PRIMARY KEY)"

DISTRIBUTED = {
    "stored_events": "originator_id",
    "partition_head": "partition_id",
    "current_value": "partition_id",
    "key_history": "partition_id",
    "request_log": "partition_id",
    "run_head": "run_id",
    "runs": "run_id",
    "run_reads": "run_id",
    "skills": "skill_id",
}
"""The column that holds the stream's id, for each table with rows of streams; the events' own comes first."""

REFERENCE = ("keyledger_schema", "ledger_seal")

_HEAD = f"""\
-- The tables of a keyledger ledger, schema version {VERSION}, for {{engine}}. Run this once, before the ledger is
-- opened, in one transaction: psql --single-transaction --set ON_ERROR_STOP=1
"""


def ddl(engine: Engine) -> str:
    """The script that makes in an empty schema what opening a ledger there makes, placed as ``engine`` wants."""
    marks = ", ".join(f"({number})" for number in range(1, VERSION + 1))
    parts = [_HEAD.format(engine=engine), *MIGRATIONS, f"{VERSION_TABLE};\n"]
    if engine == "citus":
        parts.append(_placement())
    parts.append(f"INSERT INTO keyledger_schema (version) VALUES {marks};\n")
    return "\n".join(parts)


def _placement() -> str:
    events, *others = DISTRIBUTED.items()
    lines = [
        "SELECT create_distributed_table('{}', '{}', colocate_with => 'none');".format(*events),
        *(
            f"SELECT create_distributed_table('{table}', '{column}', colocate_with => '{events[0]}');"
            for table, column in others
        ),
        *(f"SELECT create_reference_table('{table}');" for table in REFERENCE),
    ]
    return "\n".join(lines) + "\n"
