"""Which statements are off the hot path, each group with its reason; every other must be routed by one stream."""

from __future__ import annotations

from dataclasses import asdict

from keyledger.adapters.postgres.statements import SQL

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

OFF_PATH = {
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
}

HOT = {name: text for name, text in asdict(SQL).items() if not any(name in names for names in OFF_PATH.values())}
"""What get, set, delete, increment, batch, list, history and usage execute."""
