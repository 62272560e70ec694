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
    append_group: str
    append_partition_deleted: str
    append_put: str
    clear_draft_entries: str
    compare_entries: str
    compare_versions: str
    copy_draft_entries: str
    copy_draft_versions: str
    create_draft_entries: str
    create_draft_versions: str
    create_global_quota: str
    end_draft_entries: str
    forget_requests: str
    index_draft_entries: str
    insert_events: str
    insert_head: str
    insert_lease: str
    insert_seal: str
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
    lock_head: str
    lock_slice: str
    lock_unleased: str
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
    remove_lease: str
    resize_lease: str


@dataclass(frozen=True, slots=True)
class PostgresRunStatements(RunStatements):
    """The texts of the statements on runs, by name."""

    append_run_event: str
    lock_run: str


@dataclass(frozen=True, slots=True)
class PostgresFollowerStatements(FollowerStatements):
    """The texts of the statements on followers, by name."""

    copy_followed: str
    create_followed: str
    lock_followers: str


@dataclass(frozen=True, slots=True)
class WakeStatements:
    """The texts of the statements by which writers and watchers find each other, by name."""

    find_listener: str
    hold_listening: str
    notify_written: str
    read_revisions: str


@dataclass(frozen=True, slots=True)
class PostgresSkillStatements(SkillStatements):
    """The texts of the statements on skills, by name."""

    append_skill_event: str
    lock_skill: str


SQL = load_statements(Statements, "keyledger.adapters.postgres")
RUN_SQL = load_statements(PostgresRunStatements, "keyledger.adapters.postgres", "sql/runs")
SKILL_SQL = load_statements(PostgresSkillStatements, "keyledger.adapters.postgres", "sql/skills")
FOLLOWER_SQL = load_statements(PostgresFollowerStatements, "keyledger.adapters.postgres", "sql/followers")
WAKE_SQL = load_statements(WakeStatements, "keyledger.adapters.postgres", "sql/wakes")
MIGRATIONS = load_migrations("keyledger.adapters.postgres")
