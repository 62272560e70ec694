"""Every statement on the hot path is routed by one stream, and uses nothing that a distributed engine forbids."""

from __future__ import annotations

from collections import Counter

import psycopg
import pytest

from tests.integration.hot_path import EVERY, HOT, OFF_PATH, narrowings
from tests.integration.routing import FUNCTIONS, NotRoutedError, check_routed


@pytest.mark.parametrize("name", HOT)
def test_a_hot_statement_is_routed_by_its_stream(name: str) -> None:
    """A new statement that is not of the hot path belongs into OFF_PATH in hot_path.py, with its reason."""
    for text in narrowings(HOT[name]):
        check_routed(text)


@pytest.mark.parametrize("name", [name for name, text in EVERY.items() if "\nFOR UPDATE" in text])
def test_rows_are_locked_in_one_stream_or_on_the_coordinator(name: str) -> None:
    """Citus refuses a lock of rows on several shards, also off the hot path."""
    if name != "read_lease":
        check_routed(EVERY[name])


def test_every_statement_is_on_one_side() -> None:
    off_path = Counter(name for names in OFF_PATH.values() for name in names)
    assert not [name for name, times in off_path.items() if times > 1]
    unknown = off_path.keys() - EVERY.keys()
    assert not unknown, "OFF_PATH in hot_path.py names statements that are no more"


def test_no_function_of_the_hot_path_is_volatile(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        found = connection.execute(
            "SELECT proname, provolatile FROM pg_proc WHERE proname = ANY(%s)", (sorted(FUNCTIONS),)
        ).fetchall()
    assert {name for name, _ in found} == FUNCTIONS
    assert {volatility for _, volatility in found} <= {"i", "s"}


READS_AN_ENTRY = "SELECT c.value FROM current_value AS c"
HEAD = "WITH head AS (SELECT h.partition_id FROM partition_head AS h WHERE h.partition_id = %(stream)s)"


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        # not one stream
        ("SELECT 1", "no parameter names the stream"),
        (f"{READS_AN_ENTRY} WHERE c.partition_id = %(other)s", "no parameter names the stream"),
        (f"{READS_AN_ENTRY} WHERE c.key = %(stream)s", "partition_id is not compared"),
        (f"{READS_AN_ENTRY} WHERE c.partition_id = %(stream)s OR c.size > 0", "partition_id is not compared"),
        (f"{READS_AN_ENTRY} WHERE NOT c.partition_id = %(stream)s", "partition_id is not compared"),
        (f"{READS_AN_ENTRY} WHERE c.partition_id >= %(stream)s", "partition_id is not compared"),
        (f"{READS_AN_ENTRY} WHERE c.partition_id = ANY(%(stream)s)", "partition_id is not compared"),
        (f"{READS_AN_ENTRY} WHERE c.partition_id IN (%(stream)s, %(other)s)", "partition_id is not compared"),
        (f"{READS_AN_ENTRY} WHERE c.partition_id = %(stream)s || %(other)s", "partition_id is not compared"),
        (f"{READS_AN_ENTRY}, partition_head AS h WHERE h.partition_id = %(stream)s", "current_value c"),
        (
            f"{READS_AN_ENTRY} JOIN key_history AS v ON v.key = c.key WHERE c.partition_id = %(stream)s",
            "history v",
        ),
        (
            (
                "SELECT 1 FROM partition_head AS h LEFT JOIN current_value AS c ON c.partition_id = %(stream)s"
                " AND h.partition_id = c.partition_id"
            ),
            "partition_head h",
        ),
        (f"{READS_AN_ENTRY} FULL JOIN key_history AS v ON c.partition_id = %(stream)s", "a join other than"),
        (f"{READS_AN_ENTRY} NATURAL JOIN key_history WHERE c.partition_id = %(stream)s", "a join other than"),
        (
            (
                f"{READS_AN_ENTRY} WHERE c.partition_id = %(stream)s"
                " AND EXISTS (SELECT 1 FROM key_history AS v WHERE v.key = c.key)"
            ),
            "key_history v",
        ),
        (
            (
                f"{READS_AN_ENTRY} WHERE c.partition_id = %(stream)s"
                " AND EXISTS (SELECT 1 FROM key_history AS c WHERE c.key = %(key)s)"
            ),
            "key_history c",
        ),
        (f"{HEAD} SELECT 1 FROM head, current_value AS c WHERE c.key = head.partition_id", "current_value c"),
        ("WITH every AS (SELECT partition_id FROM partition_head) SELECT %(stream)s FROM every", "partition_head"),
        (f"{READS_AN_ENTRY} WHERE c.partition_id = %(stream)s UNION {READS_AN_ENTRY}", "a set operation"),
        ("SELECT g.leased_bytes FROM global_quota AS g WHERE %(stream)s IS NOT NULL", "global_quota"),
        ("SELECT 1 FROM pg_locks WHERE %(stream)s IS NOT NULL", "pg_locks"),
        ("SELECT 1 FROM other.current_value AS c WHERE c.partition_id = %(stream)s", "is not distributed"),
        # rows given to another stream
        ("INSERT INTO stored_events (originator_version) VALUES (%(stream)s)", "is not given the stream"),
        ("INSERT INTO stored_events (originator_id) VALUES (%(stream)s), ('x')", "is not given the stream"),
        ("INSERT INTO stored_events VALUES (%(stream)s)", "is not given the stream"),
        (
            (
                "INSERT INTO stored_events (originator_id) SELECT e.stream"
                " FROM json_to_recordset(%(events)s) AS e (stream text) WHERE e.stream <> %(stream)s"
            ),
            "is not given the stream",
        ),
        (
            f"{HEAD} INSERT INTO stored_events (topic) SELECT head.partition_id FROM head",
            "is not given the stream",
        ),
        (
            (
                "INSERT INTO partition_head (partition_id) VALUES (%(stream)s)"
                " ON CONFLICT (partition_id) DO UPDATE SET partition_id = 'x'"
            ),
            "would move",
        ),
        ("INSERT INTO request_log (partition_id) VALUES (%(stream)s) ON CONFLICT DO NOTHING", "does not name"),
        ("UPDATE partition_head SET partition_id = 'x' WHERE partition_id = %(stream)s", "would move"),
        ("UPDATE partition_head SET revision = 0 FROM head WHERE partition_id = %(stream)s", "head"),
        ("DELETE FROM current_value AS c WHERE c.key = %(stream)s", "partition_id is not compared"),
        ("DELETE FROM current_value AS c USING key_history AS v WHERE c.partition_id = %(stream)s", "key_history"),
        # what is forbidden
        ("UPDATE partition_head SET last_recorded_at = now() WHERE partition_id = %(stream)s", "function now"),
        (
            "UPDATE partition_head SET last_recorded_at = current_timestamp WHERE partition_id = %(stream)s",
            "the server's clock",
        ),
        ("DELETE FROM request_log WHERE partition_id = %(stream)s AND random() < 0.1", "function random"),
        (
            "INSERT INTO partition_head (partition_id, last_recorded_at) VALUES (%(stream)s, clock_timestamp())",
            "function clock_timestamp",
        ),
        (
            (
                "INSERT INTO stored_events (originator_id, originator_version) VALUES (%(stream)s, nextval('s'))"
                " RETURNING originator_version"
            ),
            "function nextval",
        ),
        (
            "DELETE FROM current_value WHERE partition_id = %(stream)s RETURNING pg_catalog.gen_random_uuid()",
            "function pg_catalog.gen_random_uuid",
        ),
        (
            f"{READS_AN_ENTRY} WHERE c.partition_id = %(stream)s AND pg_try_advisory_lock(1)",
            "function pg_try_advisory_lock",
        ),
        ("SELECT pg_notify('changed', %(stream)s)", "function pg_notify"),
        ("LOCK TABLE stored_events /* %(stream)s */", "LockStmt"),
        ("NOTIFY changed /* %(stream)s */", "NotifyStmt"),
        ("SELECT h.revision INTO TEMP t FROM partition_head AS h WHERE h.partition_id = %(stream)s", "INTO"),
        ("CREATE TRIGGER t AFTER INSERT ON stored_events EXECUTE FUNCTION f() /* %(stream)s */", "CreateTrigStmt"),
        ("CREATE RULE r AS ON INSERT TO stored_events DO ALSO NOTHING /* %(stream)s */", "RuleStmt"),
        (f"{READS_AN_ENTRY} WHERE c.partition_id = %(stream)s; SELECT 1", "more than one statement"),
    ],
)
def test_a_statement_that_is_not_routed_is_found_out(statement: str, why: str) -> None:
    with pytest.raises(NotRoutedError) as refused:
        check_routed(statement)
    assert why in str(refused.value)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT value FROM current_value WHERE %(stream)s = partition_id",
        (
            f"{READS_AN_ENTRY}, key_history AS v"
            " WHERE v.partition_id = c.partition_id AND v.partition_id = %(stream)s"
        ),
        f"{HEAD} {READS_AN_ENTRY} JOIN head ON c.partition_id = head.partition_id",
        (
            "SELECT 1 FROM (SELECT partition_id AS p FROM partition_head WHERE partition_id = %(stream)s) AS h"
            " JOIN current_value AS c ON c.partition_id = h.p"
        ),
        (
            "UPDATE partition_head AS h SET revision = c.revision FROM current_value AS c"
            " WHERE h.partition_id = %(stream)s AND c.partition_id = h.partition_id"
        ),
    ],
)
def test_a_statement_that_is_routed_in_another_way_passes(statement: str) -> None:
    check_routed(statement)
