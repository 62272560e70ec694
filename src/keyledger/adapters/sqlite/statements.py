"""The SQL of this adapter, a field for each file in ``sql/``."""

from __future__ import annotations

from dataclasses import dataclass

from keyledger.adapters.sql.follower_statements import FollowerStatements
from keyledger.adapters.sql.run_statements import RunStatements
from keyledger.adapters.sql.skill_store import SkillStatements
from keyledger.adapters.sql.statements import load_migrations, load_statements


@dataclass(frozen=True, slots=True)
class Statements:
    """The texts of the statements, by name."""

    add_leased_bytes: str
    adopt_entries: str
    adopt_versions: str
    clear_draft_entries: str
    compare_entries: str
    compare_versions: str
    create_draft_entries: str
    create_draft_versions: str
    create_global_quota: str
    drop_draft_entries: str
    drop_draft_versions: str
    end_all_versions: str
    end_draft_entries: str
    forget_requests: str
    index_draft_entries: str
    insert_draft_entries: str
    insert_draft_versions: str
    insert_event: str
    insert_lease: str
    insert_request: str
    insert_seal: str
    insert_version: str
    lease_bytes: str
    list_all_streams: str
    list_entries: str
    list_expiring_streams: str
    list_leases: str
    list_rows_at: str
    list_streams: str
    list_unleased: str
    load_draft_entries: str
    load_expired: str
    load_requests: str
    load_slice: str
    load_slice_many: str
    move_head: str
    put_entry: str
    put_head: str
    put_leases: str
    read_all_entries: str
    read_all_versions: str
    read_creation: str
    read_draft_entries: str
    read_draft_versions: str
    read_entries: str
    read_entry: str
    read_events: str
    read_events_at: str
    read_history: str
    read_lease: str
    read_leased_bytes: str
    read_quota_at: str
    read_seal: str
    read_usage: str
    read_version_at: str
    read_written_span: str
    remove_all_entries: str
    remove_all_versions: str
    remove_draft_entries: str
    remove_entry: str
    remove_lease: str
    resize_lease: str


@dataclass(frozen=True, slots=True)
class SQLiteRunStatements(RunStatements):
    """The texts of the statements on runs, by name."""

    move_run_head: str


@dataclass(frozen=True, slots=True)
class SQLiteFollowerStatements(FollowerStatements):
    """The texts of the statements on followers, by name."""

    drop_followed_index: str
    list_followed_indexes: str
    put_followed: str
    read_runs_ddl: str
    trim_followed: str


@dataclass(frozen=True, slots=True)
class WakeStatements:
    """The texts of the statements that find out what was written, by name."""

    read_revisions: str


SQL = load_statements(Statements, "keyledger.adapters.sqlite")
RUN_SQL = load_statements(SQLiteRunStatements, "keyledger.adapters.sqlite", "sql/runs")
SKILL_SQL = load_statements(SkillStatements, "keyledger.adapters.sqlite", "sql/skills")
FOLLOWER_SQL = load_statements(SQLiteFollowerStatements, "keyledger.adapters.sqlite", "sql/followers")
WAKE_SQL = load_statements(WakeStatements, "keyledger.adapters.sqlite", "sql/wakes")
MIGRATIONS = load_migrations("keyledger.adapters.sqlite")
