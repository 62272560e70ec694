"""Which statements are off the hot path, each group with its reason; every other must be routed by one stream."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict
from itertools import compress, product

from keyledger.adapters.postgres.statements import RUN_SQL, SKILL_SQL, SQL, WAKE_SQL
from keyledger.adapters.sql.statements import narrowed

EVERY = asdict(SQL) | asdict(RUN_SQL) | asdict(SKILL_SQL) | asdict(WAKE_SQL)

LEASING = {
    "add_leased_bytes",
    "insert_lease",
    "lease_bytes",
    "list_leases",
    "read_lease",
    "read_leased_bytes",
    "remove_lease",
    "resize_lease",
}

WAKING = set(asdict(WAKE_SQL))

OFF_PATH = {
    "waking watchers: a writer asks for some once a second at most, after a commit, threads do the rest": WAKING,
    "once, when a ledger is opened": {"insert_seal", "read_seal"},
    "a global quota, in a transaction of its own before the write's, and the sweeper's reclaiming of it": LEASING,
    "once per ledger, when a global quota is switched on": {
        "create_global_quota",
        "list_unleased",
        "lock_unleased",
        "put_leases",
    },
    "the sweeper, and listings of all streams": {"forget_requests", "list_expiring_streams", "list_streams"},
    "a rebuild": {
        "adopt_entries",
        "adopt_versions",
        "clear_draft_entries",
        "compare_entries",
        "compare_versions",
        "copy_draft_entries",
        "copy_draft_versions",
        "create_draft_entries",
        "create_draft_versions",
        "end_draft_entries",
        "index_draft_entries",
        "list_all_streams",
        "load_draft_entries",
        "read_all_entries",
        "read_all_versions",
        "read_draft_entries",
        "read_draft_versions",
        "remove_all_entries",
        "remove_all_versions",
        "remove_draft_entries",
    },
    "the eventsourcing library's own callers": {"insert_events"},
    "listings of runs, by anything but the run itself": {
        "count_run_writes",
        "count_runs",
        "list_changed_runs",
        "list_child_runs",
        "list_ended_runs",
        "list_finished_runs",
        "list_last_starts",
        "list_old_runs",
        "list_readers",
        "list_run_scopes",
        "list_run_statuses",
        "list_run_writes",
        "list_runs",
        "list_tree_runs",
        "list_unfinished_trees",
    },
    "a rebuild of runs": {
        "count_run_events",
        "list_run_streams",
        "put_run_head",
        "read_events_of_runs",
        "read_reads_of_runs",
        "read_run_heads",
        "read_runs",
        "remove_run_head",
    },
    "listings of skills, and the sweeper's": {"list_granted_skills", "list_skills"},
    "a rebuild of skills": {"count_skill_events", "list_skill_streams", "put_skill", "remove_skill"},
}

HOT = {name: text for name, text in EVERY.items() if not any(name in names for names in OFF_PATH.values())}
"""What get, set, delete, increment, batch, list, history and usage execute, and what runs and skills do."""


def narrowings(text: str) -> Iterator[str]:
    """What a statement becomes by each choice of its conditions; itself, if it has none."""
    names = re.findall(r" -- if (\w+)\n", text)
    for chosen in product((True, False), repeat=len(names)):
        yield narrowed(text, frozenset(compress(names, chosen)))
