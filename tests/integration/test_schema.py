"""The printed DDL makes the schema that opening a ledger makes, and a ledger needs no right to change it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

import keyledger
from keyledger.adapters.conformance.clock import ManualClock
from keyledger.adapters.postgres.schema import DISTRIBUTED, REFERENCE, ddl

CATALOG = {
    "tables": "SELECT relname, relkind, reloptions, relpersistence FROM pg_class WHERE relnamespace = {schema}",
    "columns": """
        SELECT c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, l.collname,
            replace(pg_get_expr(d.adbin, d.adrelid), current_schema() || '.', '')
        FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        LEFT JOIN pg_collation AS l ON l.oid = a.attcollation
        WHERE c.relnamespace = {schema} AND a.attnum > 0""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, contype, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = {schema}""",
    "indexes": """
        SELECT tablename, indexname, replace(indexdef, schemaname || '.', '')
        FROM pg_indexes WHERE schemaname = current_schema()""",
    "sequences": """
        SELECT s.relname, d.refobjid::regclass::text, d.refobjsubid, d.deptype
        FROM pg_class AS s JOIN pg_depend AS d ON d.objid = s.oid AND d.deptype = 'a'
        WHERE s.relkind = 'S' AND s.relnamespace = {schema}""",
    "triggers": """
        SELECT tgrelid::regclass::text, tgname FROM pg_trigger JOIN pg_class AS c ON c.oid = tgrelid
        WHERE c.relnamespace = {schema}""",
    "rules": "SELECT tablename, rulename FROM pg_rules WHERE schemaname = current_schema()",
    "functions": "SELECT proname FROM pg_proc WHERE pronamespace = {schema}",
    "version": "SELECT version FROM keyledger_schema",
}

ON_COORDINATOR = {"global_quota", "global_lease", "follower", "follower_cursor"}

ENGINE = """
CREATE TABLE placed (number serial, target text, stream_column text, beside text);
CREATE FUNCTION create_distributed_table(target regclass, stream_column text, colocate_with text) RETURNS void
BEGIN ATOMIC
    INSERT INTO placed (target, stream_column, beside) VALUES (target::text, stream_column, colocate_with);
END;
CREATE FUNCTION create_reference_table(target regclass) RETURNS void
BEGIN ATOMIC
    INSERT INTO placed (target) VALUES (target::text);
END
"""
"""What Citus's two functions were called with, on a server without Citus."""


def catalog(connection: psycopg.Connection[Any]) -> dict[str, list[Any]]:
    own = "current_schema()::regnamespace"
    return {
        name: sorted(connection.execute(query.format(schema=own)).fetchall(), key=repr)
        for name, query in CATALOG.items()
    }


@pytest.fixture
def connection(postgres_url: str, schema: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to an empty schema."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        connection.execute(f"SET search_path TO {schema}")
        yield connection


def test_the_printed_ddl_makes_what_opening_a_ledger_makes(
    postgres_url: str, schema: str, connection: psycopg.Connection[Any]
) -> None:
    connection.execute(ddl("postgres"))
    printed = catalog(connection)
    connection.execute(f"DROP SCHEMA {schema} CASCADE")
    keyledger.open(postgres_url, schema=schema).close()
    assert printed == catalog(connection)
    empty = {name for name, rows in printed.items() if not rows}
    assert empty == {"triggers", "rules", "functions"}


def test_a_ledger_on_the_printed_ddl_needs_no_right_to_change_it(
    postgres_url: str, schema: str, connection: psycopg.Connection[Any]
) -> None:
    connection.execute(ddl("postgres"))
    before = catalog(connection)
    user = f"user_of_{schema}"
    connection.execute(f"CREATE ROLE {user}")
    try:
        connection.execute(f"""
            GRANT USAGE ON SCHEMA {schema} TO {user};
            GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {user};
            GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {user}""")
        use_everything(url_as(postgres_url, user), schema)
    finally:
        connection.execute(f"DROP OWNED BY {user}; DROP ROLE {user}")
    assert catalog(connection) == before


def url_as(url: str, role: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}options=-c%20role%3D{role}"


def use_everything(url: str, schema: str) -> None:
    """A ledger's whole life, by a role that may not create a table there."""
    with (
        psycopg.connect(url) as user,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        user.execute(f"CREATE TABLE {schema}.mine (id integer)")
    clock = ManualClock(datetime.now(UTC))
    with keyledger.open(url, schema=schema, clock=clock) as ledger:
        kv = ledger.partition("weather")
        kv.set("units", "C", ttl=60)
        kv.increment("calls", request_id="q-1")
        with kv.batch() as batch:
            batch.set("a", 1)
            batch.delete("units")
        ledger.skills.save("weather", keyledger.Skill(name="Weather", system_prompt="Tell it."))
        assert ledger.skills.grant_quota("weather", 10_000).revision == 2
        clock.advance(timedelta(days=30).total_seconds())
        assert ledger.sweep().requests_forgotten == 1
        assert ledger.rebuild().differences == ()
    with keyledger.open(url, schema=schema, global_quota=1_000_000) as ledger:
        ledger.partition("weather").set("b", "x" * 100)
        ledger.partition("weather").delete("b")
        assert ledger.sweep().complete
        ledger.delete_partition("weather")


def test_citus_is_told_where_every_table_stands(
    postgres_url: str, schema: str, connection: psycopg.Connection[Any]
) -> None:
    connection.execute(ENGINE)
    connection.execute(ddl("citus"))
    placed = connection.execute("SELECT target, stream_column, beside FROM placed ORDER BY number").fetchall()
    assert placed[0] == ("stored_events", "originator_id", "none")
    assert set(placed[1:]) == {
        *((table, column, "stored_events") for table, column in DISTRIBUTED.items() if table != "stored_events"),
        *((table, None, None) for table in REFERENCE),
    }
    tables = {name for (name, kind, *_) in catalog(connection)["tables"] if kind == "r"}
    assert tables - {table for table, *_ in placed} == {*ON_COORDINATOR, "placed"}
    connection.execute("DROP TABLE placed CASCADE")
    keyledger.open(postgres_url, schema=schema).close()


def test_the_stream_leads_every_key_and_no_key_holds_a_sequence(connection: psycopg.Connection[Any]) -> None:
    connection.execute(ddl("postgres"))
    keys = connection.execute(
        """
        SELECT i.indrelid::regclass::text, array_agg(a.attname ORDER BY k.position), bool_or(a.atthasdef)
        FROM pg_index AS i
        CROSS JOIN unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (number, position)
        JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.number
        WHERE i.indisunique AND i.indrelid::regclass::text = ANY(%s)
        GROUP BY i.indexrelid""",
        (list(DISTRIBUTED),),
    ).fetchall()
    assert {(table, columns[0]) for table, columns, _ in keys} == set(DISTRIBUTED.items())
    assert not any(from_sequence for *_, from_sequence in keys)
    collations = {row[5] for row in catalog(connection)["columns"] if DISTRIBUTED.get(row[0]) == row[2]}
    assert collations == {"C"}, "columns of different collations do not hash alike"
